"""The binary form: arrays as safetensors, the parameters in its metadata. Nothing in it can run code."""

import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vlm_rewards.service.http.errors import HttpError

MEDIA_TYPE = "application/x-safetensors"

# Longest header in bytes: room for the goals of 1,000 frames, and little for a parser to chew on.
_LONGEST_HEADER = 2**20


class Packed(NamedTuple):
    """Arrays by name, and what goes with them as JSON values."""

    arrays: dict[str, npt.NDArray]
    values: dict[str, Any]


def pack(arrays: dict[str, npt.NDArray], values: dict[str, Any]) -> bytes:
    """Returns a safetensors file with each of `values` as JSON in its metadata."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(contiguous, {name: json.dumps(value) for name, value in values.items()})


def unpack(body: bytes) -> Packed:
    """Reads what `pack` wrote, from a stranger.

    Raises:
        HttpError: `invalid_body`: it is no safetensors file, or its metadata is not JSON.
    """
    header = _header(body)
    metadata = header.get("__metadata__", {})
    try:
        if not isinstance(metadata, dict):
            raise ValueError("__metadata__ is no object")
        values = {name: json.loads(text) for name, text in metadata.items()}
        arrays = load(body)
    # The library raises TypeErrors and KeyErrors for kinds of number that numpy does not have.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise _invalid(f"{type(error).__name__}: {error}") from error
    return Packed(arrays, values)


def _header(body: bytes) -> dict[str, Any]:
    length = int.from_bytes(body[:8], "little")
    if len(body) < 10 or length > len(body) - 8:
        raise _invalid(f"{len(body)} bytes are too few for its header")
    if length > _LONGEST_HEADER:
        raise HttpError("too_large", f"a header of {length} bytes", f"use at most {_LONGEST_HEADER}; send fewer goals")
    try:
        header = json.loads(body[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise _invalid("its header is no JSON") from error
    if not isinstance(header, dict):
        raise _invalid("its header is no object")
    return header


def _invalid(reason: str) -> HttpError:
    return HttpError(
        "invalid_body",
        f"the body is no safetensors file ({reason})",
        "make it with safetensors.numpy.save({'frames': frames}, {'model': '\"NAME\"', 'goals': '[\"GOAL\"]'}), "
        "or send JSON",
    )
