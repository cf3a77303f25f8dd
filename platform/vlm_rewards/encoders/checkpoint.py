"""Reads a dual encoder from a hub id or a folder, and refuses everything else with one clear line."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

# Imported for its effect: it registers the model type `pocket_clip`.
import vlm_rewards.encoders.pocket_clip  # noqa: F401
from vlm_rewards.encoders.preprocessing import ImagePreprocessing
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError

# What transformers raises on files that are missing, damaged or of another kind.
_FILE_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class Checkpoint:
    """A dual encoder as it was stored: float32, in evaluation mode, on the CPU.

    Attributes:
        source: hub id or folder.
        model: has `get_image_features` and `get_text_features`.
        tokenizer: of its text tower.
        preprocessing: of its image tower.
        stored_config: config.json as stored, before the library fills in its defaults.
    """

    source: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    preprocessing: ImagePreprocessing
    stored_config: dict[str, Any]

    @classmethod
    def load(cls, source: str) -> "Checkpoint":
        """Loads all parts; never runs code from the checkpoint, never unpickles.

        Args:
            source: hub id or folder.

        Raises:
            CheckpointError: something is missing, damaged, pickled, or not a dual encoder.
        """
        if Path(source).is_dir():
            _check_folder(Path(source))
        with quiet_transformers(), _clear_errors(source):
            stored_config, _ = PreTrainedConfig.get_config_dict(source)
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
            model_class = _dual_encoder_class(source, config)
            processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False, backend="pil")
            preprocessing = ImagePreprocessing.from_processor(processor)
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            _check_tokenizer(source, tokenizer, config)
            loaded: Any = model_class.from_pretrained(
                source, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        model, report = loaded
        # transformers fills missing weights with random numbers and only logs it.
        lacking = sorted(report["missing_keys"]) + [str(key) for key in sorted(report["mismatched_keys"], key=str)]
        if lacking:
            raise CheckpointError(
                f"{source} lacks {len(lacking)} weights of {model_class.__name__} (first: {lacking[0]}); "
                "it is not a complete dual encoder: use another checkpoint"
            )
        return cls(source, model.eval().requires_grad_(False), tokenizer, preprocessing, stored_config)

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens, the special ones included."""
        return int(self.model.config.text_config.max_position_embeddings)


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json; give a folder written by save_pretrained")
    if not any(folder.glob("*.safetensors")):
        if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
            raise CheckpointError(
                f"{folder} has pickled weights only, which are never loaded since they can run code; "
                "convert them with save_pretrained, which writes model.safetensors"
            )
        raise CheckpointError(f"{folder} has no model.safetensors; give a folder written by save_pretrained")
    for name, what in (("preprocessor_config.json", "image processor"), ("tokenizer_config.json", "tokenizer")):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} has no {name}; save the {what} into the folder too")


def _dual_encoder_class(source: str, config: PreTrainedConfig) -> type[PreTrainedModel]:
    model_class: Any = MODEL_MAPPING.get(type(config), None)
    if isinstance(model_class, tuple):
        model_class = model_class[0]
    towers = ("get_image_features", "get_text_features")
    lacking = [name.split("_")[1] for name in towers if not hasattr(model_class, name)]
    if model_class is None or lacking:
        raise CheckpointError(
            f"{source} is a {config.model_type!r} model without {' and '.join(lacking)} embeddings; "
            "use a dual encoder such as CLIP, SigLIP or a pocket CLIP"
        )
    return model_class


def _check_tokenizer(source: str, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    tokens, embeddings = len(tokenizer), config.text_config.vocab_size
    if not 2 < tokens <= embeddings:
        raise CheckpointError(
            f"the tokenizer of {source} has {tokens} tokens, but its text tower knows {embeddings}; "
            "they do not belong together: restore the tokenizer files"
        )


@contextlib.contextmanager
def _clear_errors(source: str) -> Iterator[None]:
    """Turns what transformers raises while reading files into one line."""
    try:
        yield
    except CheckpointError:
        raise
    except _FILE_ERRORS as error:
        reason = " ".join(str(error).split())[:300]
        if Path(source).is_dir():
            raise CheckpointError(f"{source} cannot be read: {reason}; restore the folder's files") from error
        raise CheckpointError(
            f"model {source!r} cannot be read from the hub ({reason}); check the id and the network, "
            "or give a folder that holds the model"
        ) from error
