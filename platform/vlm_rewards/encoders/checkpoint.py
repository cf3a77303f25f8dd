"""Reads a dual encoder from a hub id or a folder, and refuses everything else with one clear line."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
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
from vlm_rewards.encoders.checkpoint_config import (
    attention,
    check_config,
    check_parameters,
    check_text_end,
    max_tokens,
)
from vlm_rewards.encoders.checkpoint_files import HUB_FILES, check_folder, read_settings, shards
from vlm_rewards.encoders.checkpoint_tokenizer import check_normalizer, without_panics
from vlm_rewards.encoders.preprocessing import ImagePreprocessing
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError

# Pixels.
_LONGEST_SIDE = 2**13


@dataclass(frozen=True)
class Checkpoint:
    """A dual encoder as it was stored: float32, in evaluation mode, on the CPU.

    Attributes:
        source: Hub id or folder.
        model: Has `get_image_features` and `get_text_features`.
        tokenizer: Tokenizer of its text tower.
        preprocessing: Preprocessing of its image tower.
        stored_config: Config.json as stored, before the library fills in its defaults.
        max_tokens: Longest text in tokens, the special ones included.
    """

    source: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    preprocessing: ImagePreprocessing
    stored_config: dict[str, Any]
    max_tokens: int

    @classmethod
    def load(cls, source: str) -> "Checkpoint":
        """Load all parts; never run code from the checkpoint, never unpickle, and read no file outside its folder.

        Args:
            source: Hub id or folder.

        Raises:
            CheckpointError: Something is missing, damaged, pickled, or not a dual encoder.
        """
        with quiet_transformers(), _clear_errors(source), without_panics(source):
            folder = _local_folder(source)
            numbers = check_folder(folder)
            check_normalizer(folder)
            stored_config = read_settings(folder / "config.json")
            check_config(source, stored_config)
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            config.return_dict = True  # what a file says of it is for other callers
            model_class = _dual_encoder_class(source, config)
            check_parameters(source, model_class, config, numbers)
            processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, backend="pil")
            preprocessing = _preprocessing(source, processor)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            _check_tokenizer(source, tokenizer, config)
            check_text_end(source, config, tokenizer)
            options = {"config": config, "use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
            # Reported below, with what is missing.
            options["ignore_mismatched_sizes"] = True
            loaded: Any = model_class.from_pretrained(folder, attn_implementation=attention(stored_config), **options)
            longest = max_tokens(source, loaded[0], tokenizer)
        model, report = loaded
        # transformers fills missing weights with random numbers and only logs it.
        lacking = sorted(report["missing_keys"]) + [str(key) for key in sorted(report["mismatched_keys"], key=str)]
        if lacking:
            raise CheckpointError(
                f"{source} lacks {len(lacking)} weights of {model_class.__name__} (first: {lacking[0]}); "
                "it is not a complete dual encoder: use another checkpoint"
            )
        return cls(source, model.eval().requires_grad_(False), tokenizer, preprocessing, stored_config, longest)


def _local_folder(source: str) -> Path:
    """Return the folder itself, or the hub's files that are read, in its cache on this machine."""
    if Path(source).is_dir():
        return Path(source)
    folder = Path(snapshot_download(source, allow_patterns=list(HUB_FILES), ignore_patterns=["*/*"]))
    names = [] if (folder / "model.safetensors").is_file() else shards(folder)
    return Path(snapshot_download(source, allow_patterns=names)) if names else folder


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
    found: type[PreTrainedModel] = model_class
    return found


def _preprocessing(source: str, processor: Any) -> ImagePreprocessing:
    try:
        preprocessing = ImagePreprocessing.from_processor(processor)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from error
    numbers = (preprocessing.scale, *preprocessing.mean, *preprocessing.std)
    if not all(math.isfinite(number) for number in numbers) or min(numbers[:1] + preprocessing.std) <= 0:
        raise CheckpointError(
            f"the image processor of {source} scales by {preprocessing.scale} and divides by image_std "
            f"{preprocessing.std}, which no model does; restore the folder's files"
        )
    if not all(1 <= side <= _LONGEST_SIDE for side in preprocessing.image_size):
        raise CheckpointError(
            f"the image processor of {source} makes images of image_size {preprocessing.image_size}; no tower reads "
            f"over {_LONGEST_SIDE} pixels a side: restore the folder's files"
        )
    return preprocessing


def _check_tokenizer(source: str, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    tokens, embeddings = len(tokenizer), config.text_config.vocab_size
    if not 2 < tokens <= embeddings:
        raise CheckpointError(
            f"the tokenizer of {source} has {tokens} tokens, but its text tower knows {embeddings}; "
            "they do not belong together: restore the tokenizer files"
        )
    if not set(tokenizer.get_vocab()).difference(tokenizer.all_special_tokens):
        raise CheckpointError(f"the tokenizer of {source} knows no words; restore the tokenizer files")


@contextlib.contextmanager
def _clear_errors(source: str) -> Iterator[None]:
    """Turn what transformers raises while reading files into one line."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # what damaged files make libraries raise is of every kind
        reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
        if Path(source).is_dir():
            raise CheckpointError(f"{source} cannot be read: {reason}; restore the folder's files") from error
        raise CheckpointError(
            f"model {source!r} cannot be read from the hub ({reason}); check the id and the network, "
            "or give a folder that holds the model"
        ) from error
