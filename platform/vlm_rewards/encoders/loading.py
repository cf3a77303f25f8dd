"""One way to get an encoder by name."""

import re
from pathlib import Path

from vlm_rewards.encoders.encoder import Encoder, Precision
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.self_check import check_encoder
from vlm_rewards.strict_config import near_matches

PACKAGED_MODELS = Path(__file__).parent.parent / "checkpoints"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def packaged_models() -> list[str]:
    """Returns the names of the models that come with the package."""
    return sorted(path.parent.name for path in PACKAGED_MODELS.glob("*/config.json"))


def resolve_model(model: str) -> str:
    """Returns the folder or hub id that `model` stands for.

    Args:
        model: name of a packaged model, a folder, or a hub id.

    Raises:
        ConfigError: none of these.
    """
    if model in packaged_models():
        return str(PACKAGED_MODELS / model)
    if Path(model).is_dir():
        return model
    if _HUB_ID.fullmatch(model) and not model.startswith("."):
        return model
    hint = near_matches(model, ["fake", *packaged_models()])
    raise ConfigError(f"unknown model {model!r}; {hint} (a folder or a hub id such as owner/name works too)")


def load_encoder(model: str, device: str = "cpu", precision: Precision = "fp32", self_check: bool = True) -> Encoder:
    """Loads a frozen dual encoder and lets it prove itself.

    Args:
        model: `fake`, the name of a packaged model such as `pocket-android`, a folder, or a hub id.
        device: torch device, such as `cpu` or `cuda`.
        precision: `fp32` or `bf16` for the towers' arithmetic.
        self_check: off only to record what a new checkpoint gives.

    Raises:
        ConfigError: unknown model, device or precision.
        CheckpointError: the folder or repository is no usable dual encoder.
        SelfCheckError: its embeddings are not the recorded ones, or make no sense.
    """
    if model == "fake":
        return FakeEncoder()
    source = resolve_model(model)
    # Imported here: transformers takes seconds to import, which clients and the fake should not pay.
    from vlm_rewards.encoders.checkpoint import Checkpoint
    from vlm_rewards.encoders.transformers_encoder import TransformersEncoder

    encoder = TransformersEncoder(Checkpoint.load(source), device, precision)
    if self_check:
        check_encoder(encoder, Path(encoder.source) if Path(encoder.source).is_dir() else None)
    return encoder
