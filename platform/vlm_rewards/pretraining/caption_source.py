"""Where captioned images come from."""

import functools
import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError


class CaptionedFrame(Protocol):
    """An image and sentences that are true of it."""

    @property
    def frame(self) -> npt.NDArray[np.uint8]:
        """uint8 (H, W, 3)."""
        ...

    @property
    def captions(self) -> tuple[str, ...]:
        """At least one."""
        ...

    @property
    def label(self) -> str:
        """What zero-shot accuracy is counted by."""
        ...


@dataclass(frozen=True)
class CaptionedImage:
    """The plain `CaptionedFrame`.

    Attributes:
        frame: uint8 (H, W, 3).
        captions: Sentences that are true of it, at least one.
        label: What zero-shot accuracy is counted by.
        contrasts: Pairs of a true caption and a false one, the most telling ones first.
    """

    frame: npt.NDArray[np.uint8]
    captions: tuple[str, ...]
    label: str
    contrasts: tuple[tuple[str, str], ...] = ()


def contrasts_of(drawn: CaptionedFrame) -> tuple[tuple[str, str], ...]:
    """Return a source's pairs of a true caption and a false one, the most telling ones first; most give none."""
    return tuple(getattr(drawn, "contrasts", ()))


# Draws one image of the given (height, width) with all its randomness from the generator.
CaptionSource = Callable[[np.random.Generator, int, int], CaptionedFrame]


def import_source(path: str, options: Mapping[str, Any]) -> CaptionSource:
    """Return the source that `package.module:function` names, with `options` as further keyword arguments.

    Raises:
        ConfigError: No such module or function.
    """
    module, colon, name = path.partition(":")
    if not colon:
        raise ConfigError(f"data.source must be written as package.module:function, not {path!r}")
    try:
        return functools.partial(getattr(importlib.import_module(module), name), **options)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot import the caption source {path!r} ({error}); check its spelling") from error


def source_fingerprint(path: str, options: Mapping[str, Any], height: int, width: int) -> str:
    """Hash a few images and captions of a source: another renderer or grammar gives another value.

    Returns:
        hex sha256.

    Raises:
        ConfigError: The source cannot be imported or called.
    """
    source, digest = import_source(path, options), hashlib.sha256(path.encode())
    for seed in range(8):
        try:
            drawn = source(np.random.default_rng([seed, 8]), height, width)
        except TypeError as error:
            raise ConfigError(f"caption source {path!r} cannot be called ({error}); check its options") from error
        digest.update(np.ascontiguousarray(drawn.frame).tobytes())
        digest.update(repr((drawn.captions, drawn.label)).encode())
    return digest.hexdigest()
