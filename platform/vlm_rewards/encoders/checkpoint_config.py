"""What a config.json may ask for, decided before a model is built from it."""

from typing import Any, cast

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError

# Largest sensible value of each size, some ten times that of the largest public dual encoders.
_LARGEST = {
    "hidden_size": 2**15,
    "intermediate_size": 2**18,
    "num_hidden_layers": 256,
    "num_attention_heads": 1024,
    "projection_dim": 2**16,
    "projection_size": 2**16,
    "embedding_size": 2**16,
    "vocab_size": 2**22,
    "max_position_embeddings": 2**17,
    "image_size": 2**13,
    "patch_size": 2**12,
    "num_channels": 16,
    "num_labels": 2**12,
}
_LISTS = {"hidden_sizes": 2**15, "depths": 256}

# Kernels by another name come from the hub, and are code.
_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")

# Keys by which transformers would read other files, or decode weights that are packed.
_REFUSED = {
    "transformers_weights": "names other weights",
    "quantization_config": "is of a quantised model",
    "gguf_file": "names other weights",
}

# How many times the weights' numbers a model may have, since shared ones are stored once.
_MOST_SHARED = 4


def check_config(source: str, config: dict[str, Any]) -> None:
    """Refuse a configuration that would make the library build something absurd, or read or run something else.

    Args:
        source: To name.
        config: Config.json.

    Raises:
        CheckpointError: It would.
    """
    for key, why in _REFUSED.items():
        if config.get(key) is not None:
            raise CheckpointError(f"config.json of {source} {why} ({key}); use a plain checkpoint of the whole model")
    for where, values in (
        ("", config),
        *((f"{name}.", part) for name, part in config.items() if isinstance(part, dict)),
    ):
        for key, value in values.items():
            if key in _LARGEST:
                _check_size(source, where + key, value, _LARGEST[key])
            elif key in _LISTS and isinstance(value, list):
                for size in value if len(value) <= 64 else [len(value)]:
                    _check_size(source, where + key, size, _LISTS[key] if len(value) <= 64 else 64)
        for key in ("attn_implementation", "_attn_implementation"):
            if values.get(key) is not None and values[key] not in _ATTENTION:
                raise CheckpointError(
                    f"config.json of {source} asks for {where}{key} {str(values[key])[:60]!r}; "
                    f"use one of {', '.join(_ATTENTION)}"
                )


def _check_size(source: str, key: str, value: Any, largest: int) -> None:
    if key.endswith("num_labels") and value is None:
        return
    values = value if isinstance(value, list) and len(value) == 2 else [value]  # image and patch sizes may be pairs
    if not all(isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= largest for one in values):
        raise CheckpointError(
            f"config.json of {source} has {key} {str(value)[:40]}; it must be a whole number from 1 to {largest}: "
            "restore the file"
        )


def attention(config: dict[str, Any]) -> str | dict[str, str] | None:
    """Return the attention that a config.json asks for, whole or of its towers; None where it does not say.

    Args:
        config: Config.json; `from_pretrained` itself overlooks what its towers ask for.
    """
    asked: dict[str, str] = {}
    for name, part in (("", config), *config.items()):
        value = (
            (part.get("attn_implementation") or part.get("_attn_implementation")) if isinstance(part, dict) else None
        )
        if value:
            asked[name] = value
    if not asked or set(asked) == {""}:
        return asked.get("")
    return {"": "sdpa", **asked}


def check_parameters(source: str, model_class: type[PreTrainedModel], config: PreTrainedConfig, numbers: int) -> None:
    """Refuse a configuration that does not belong to its weights, before memory is taken for either.

    Args:
        source: To name.
        model_class: Built without memory.
        config: As read.
        numbers: How many numbers are in the weights' files.

    Raises:
        CheckpointError: The model cannot be built, or is many times as large as its weights.
    """
    try:
        with torch.device("meta"), quiet_transformers():
            model = cast(Any, model_class)(config)
        parameters = sum(parameter.numel() for parameter in model.parameters())
    except Exception as error:  # what configurations make of modules is of many kinds
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise CheckpointError(
            f"no model can be built from config.json of {source} ({reason}); restore the file"
        ) from error
    if parameters > _MOST_SHARED * numbers:
        raise CheckpointError(
            f"config.json of {source} describes a model of {parameters} weights, but its files hold {numbers}; "
            "they do not belong together: restore the folder's files"
        )


def max_tokens(source: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the longest text in tokens, the special ones included.

    Text towers of RoBERTa's kind count positions from behind the padding's number, and so read fewer than they have.

    Raises:
        CheckpointError: Neither the text tower nor the tokenizer says.
    """
    text = getattr(model.config, "text_config", model.config)
    positions = getattr(text, "max_position_embeddings", None)
    for name, module in model.named_modules():
        is_positions = name.endswith(("position_embedding", "position_embeddings")) and "vision" not in name
        if is_positions and isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            positions = module.num_embeddings - module.padding_idx - 1
    own = int(tokenizer.model_max_length) if tokenizer.model_max_length < 2**20 else None
    known = [value for value in (positions, own) if value]
    if not known:
        raise CheckpointError(f"{source} does not say how long a text may be; set model_max_length of its tokenizer")
    return min(known)


def check_text_end(source: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a CLIP text tower that would read a sentence's embedding from another place than its end.

    CLIP's takes the embedding at the token `eos_token_id`, or, by an old rule where that is 2, at the largest token id.
    Where the tokenizer does not fit, the words behind are lost, or all texts have one embedding.

    Raises:
        CheckpointError: It would.
    """
    text = getattr(config, "text_config", None)
    if getattr(text, "model_type", "") not in ("clip_text_model", "clipseg_text_model", "altclip_text"):
        return
    end = getattr(text, "eos_token_id", None)
    if not isinstance(end, int) or isinstance(end, bool):
        raise CheckpointError(
            f"config.json of {source} has text_config.eos_token_id {end!r}, by which CLIP finds a sentence's end; "
            "set it to the tokenizer's"
        )
    ids = list(cast(Any, tokenizer)("a photo of a dog", verbose=False)["input_ids"])
    place = ids.index(max(ids)) if end == 2 else (ids.index(end) if end in ids else -1)
    if place != len(ids) - 1:
        raise CheckpointError(
            f"the text tower of {source} would not read sentences to their end (text_config.eos_token_id {end}, the "
            f"tokenizer ends them with {ids[-1] if ids else 'nothing'}); restore the tokenizer files"
        )
