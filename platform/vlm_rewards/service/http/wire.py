"""The binary form: arrays as safetensors, the parameters in its metadata. Nothing in it can run code."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vlm_rewards.service.http.errors import HttpError

JSON = "application/json"
MEDIA_TYPE = "application/x-safetensors"

# Longest header in bytes: room for the goals of 1,000 frames, and little for a parser to chew on.
_LONGEST_HEADER = 2**20


class Packed(NamedTuple):
    """Arrays by name, and what goes with them as JSON values.

    Attributes:
        arrays: Of any shape and any dtype that safetensors has.
        values: What JSON can say.
    """

    arrays: dict[str, np.ndarray]
    values: dict[str, Any]


def pack(arrays: dict[str, np.ndarray], values: dict[str, Any]) -> bytes:
    """Return a safetensors file of arrays of any shape and any dtype, with each of `values` as JSON in its metadata."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(contiguous, {name: json.dumps(value) for name, value in values.items()})


def unpack(body: bytes | bytearray, names: Collection[str] | None = None) -> Packed:
    """Read what `pack` wrote, from a stranger.

    Args:
        body: A safetensors file.
        names: Names of the arrays it must have, no more and no fewer; None takes any.

    Raises:
        HttpError: `invalid_body`: it is no safetensors file, or its metadata is not JSON; `invalid_frames`: other
            arrays.
    """
    header = _header(body)
    metadata = header.pop("__metadata__", {})
    if names is not None and set(header) != set(names):
        given = ", ".join(repr(name[:40]) for name in list(header)[:5]) or "nothing"
        wanted = " and ".join(repr(name) for name in names)
        raise HttpError("invalid_frames", f"the body holds {given}", f"send one tensor with the name {wanted}")
    try:
        if not isinstance(metadata, dict):
            raise ValueError("__metadata__ is no object")
        values = {name: json.loads(text) for name, text in metadata.items()}
        arrays = load(bytes(body))
    # The library raises TypeErrors and KeyErrors for kinds of number that numpy does not have.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise _invalid(f"{type(error).__name__}: {error}") from error
    return Packed(arrays, values)


def _header(body: bytes | bytearray) -> dict[str, Any]:
    length = int.from_bytes(body[:8], "little")
    if len(body) < 10 or length > len(body) - 8:
        raise _invalid(f"{len(body)} bytes are too few for its header")
    if length > _LONGEST_HEADER:
        raise HttpError("too_large", f"a header of {length} bytes", f"use at most {_LONGEST_HEADER}; send fewer goals")
    try:
        header = json.loads(body[8 : 8 + length], object_pairs_hook=_without_doubles)
    except _DoubleKeyError as error:
        raise _invalid(f"its header has {error} twice") from error
    except (ValueError, RecursionError) as error:
        raise _invalid("its header is no JSON") from error
    if not isinstance(header, dict):
        raise _invalid("its header is no object")
    return header


class _DoubleKeyError(Exception):
    """A key that an object has twice: of the two readers of a header, one could take the first and one the last."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _DoubleKeyError(repr(name[:40]))
        values[name] = value
    return values


def _invalid(reason: str) -> HttpError:
    return HttpError(
        "invalid_body",
        f"the body is no safetensors file ({reason})",
        "make it with safetensors.numpy.save({'frames': frames}, {'model': '\"NAME\"', 'goals': '[\"GOAL\"]'}), "
        "or send JSON",
    )
