"""What a dual encoder's embeddings depend on, as hashes."""

import hashlib
import json
from typing import Any

import torch

from vlm_rewards.encoders.checkpoint import Checkpoint

# Keys of config.json that say how and by what it was written, not what the model computes.
_INCIDENTAL = {"transformers_version", "dtype", "torch_dtype", "_name_or_path", "architectures", "auto_map"}
_PROBES = (
    "Screenshot of Gmail on Android",
    "a photo of a RED ball, far away; 3 mugs & (two) plates!",
    "naïve café 42%",
)


def fingerprint_parts(checkpoint: Checkpoint) -> dict[str, str]:
    """Hash each part of a checkpoint by its content, so that resaving it in another file layout changes nothing.

    Returns:
        hex sha256 by part: `weights`, `architecture`, `preprocessing`, `tokenizer`.
    """
    return {
        "weights": _weights(checkpoint.model),
        "architecture": _json(_without_incidental(checkpoint.stored_config)),
        "preprocessing": _json(checkpoint.preprocessing.as_dict()),
        # The probes catch a changed normaliser or splitting rule under the same vocabulary.
        "tokenizer": _json(
            [
                sorted(checkpoint.tokenizer.get_vocab().items()),
                [checkpoint.tokenizer(probe, verbose=False)["input_ids"] for probe in _PROBES],
            ]
        ),
    }


def combined(parts: dict[str, str]) -> str:
    """Return one hex sha256 over all parts."""
    return _json(parts)


def _weights(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{array.dtype}|{tuple(array.shape)}|".encode())
        digest.update(array.numpy().data if array.ndim else array.numpy().tobytes())
    return digest.hexdigest()


def _without_incidental(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_incidental(inner) for key, inner in value.items() if key not in _INCIDENTAL}
    if isinstance(value, list):
        return [_without_incidental(inner) for inner in value]
    return value


def _json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
