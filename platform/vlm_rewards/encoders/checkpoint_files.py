"""A checkpoint's files, looked through before any of them is handed to a library.

Only safetensors are weights, only files of the folder itself are read, and what their headers say has to fit in them.
"""

import json
from pathlib import Path
from typing import Any

from vlm_rewards.errors import CheckpointError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")

# Of the hub's files, what is read; weights in other formats, precisions and folders are left there.
HUB_FILES = ("*.json", "*.txt", "*.model", _WEIGHTS)

# Bytes of a settings file, of a vocabulary or an index, and of a safetensors header: ten times what real ones have.
_LONGEST_JSON = 2**22
_LONGEST_VOCABULARY = 2**28
_LONGEST_HEADER = 2**26

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_OTHER_BYTES = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U16": 2, "U32": 4, "U64": 8}


def check_folder(folder: Path) -> int:
    """Look through a folder; nothing is loaded.

    Args:
        folder: As `save_pretrained` writes it, by transformers 4 or 5.

    Returns:
        How many numbers its weights hold.

    Raises:
        CheckpointError: A file is missing, damaged, pickled, somewhere else, or makes it unclear what the weights are.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json; give a folder written by save_pretrained")
    adapters = sorted(path.name for path in folder.glob("adapter_*") if path.is_file())
    if adapters:
        raise CheckpointError(
            f"{folder} holds an adapter ({', '.join(adapters)}), which changes what its weights compute; merge it "
            "(peft's merge_and_unload) and save the whole model, or take those files away"
        )
    files = _weight_files(folder)
    if not any((folder / name).is_file() for name in _PROCESSORS):
        raise CheckpointError(
            f"{folder} has no {' or '.join(_PROCESSORS)}; save the image processor into the folder too"
        )
    if not (folder / "tokenizer_config.json").is_file():
        raise CheckpointError(f"{folder} has no tokenizer_config.json; save the tokenizer into the folder too")
    for path in sorted(folder.glob("*.json")):
        longest = _LONGEST_VOCABULARY if path.name in ("tokenizer.json", "vocab.json", _INDEX) else _LONGEST_JSON
        if path.stat().st_size > longest:
            raise CheckpointError(f"{path} has {path.stat().st_size} bytes; no model's has over {longest}: restore it")
    return sum(_numbers(path) for path in files)


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: It is none, or cannot be read.
    """
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({_one_line(error)}); restore the folder's files") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no JSON object; restore the folder's files")
    return values


def shards(folder: Path) -> list[str]:
    """Return the names of the files that the folder's index names; none without an index.

    Raises:
        CheckpointError: The index names something else than safetensors files of its own folder.
    """
    path = folder / _INDEX
    if not path.is_file():
        return []
    entries = read_settings(path).get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise CheckpointError(f"{path} names no weights; restore the folder's files")
    names = sorted({str(name) for name in entries.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{path} points at {name[:100]!r}; only safetensors files of the same folder are ever read: convert "
                "the model with save_pretrained"
            )
    return names


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _WEIGHTS).is_file():
        return [folder / _WEIGHTS]
    files = [folder / name for name in shards(folder)]
    lacking = [path.name for path in files if not path.is_file()]
    if lacking:
        raise CheckpointError(f"{folder} lacks {', '.join(lacking[:3])}, which its index names; copy the whole folder")
    if files:
        return files
    if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
        raise CheckpointError(
            f"{folder} has pickled weights only, which are never loaded since they can run code; "
            "convert them with save_pretrained, which writes model.safetensors"
        )
    raise CheckpointError(f"{folder} has no {_WEIGHTS}; give a folder written by save_pretrained")


def _numbers(path: Path) -> int:
    """Read a safetensors header and return how many floating-point numbers follow."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            room = path.stat().st_size - 8 - length
            if room < 0 or not 2 <= length <= _LONGEST_HEADER:
                raise ValueError("it is cut off, or no safetensors file")
            header = json.loads(file.read(length))
        total = 0
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            kind, (start, end) = entry["dtype"], entry["data_offsets"]
            count = 1
            for side in entry["shape"]:
                count *= side
            if kind not in _BYTES and kind not in _OTHER_BYTES:
                raise ValueError(f"{name[:80]} is of kind {str(kind)[:20]!r}, which is not read")
            if kind in ("I8", "U8") and count > 1:
                raise ValueError(f"{name[:80]} is quantised")
            if end - start != count * {**_BYTES, **_OTHER_BYTES}[kind] or not 0 <= start <= end <= room:
                raise ValueError(f"{name[:80]} does not fit in the file")
            total += count if kind in _BYTES else 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({_one_line(error)}); restore it") from error
    return total


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
