"""Where captioned images come from."""

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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
    """The plain `CaptionedFrame`."""

    frame: npt.NDArray[np.uint8]
    captions: tuple[str, ...]
    label: str


# Draws one image of the given (height, width) with all its randomness from the generator.
CaptionSource = Callable[[np.random.Generator, int, int], CaptionedFrame]


def import_source(path: str) -> CaptionSource:
    """Returns the source that `package.module:function` names.

    Raises:
        ConfigError: no such module or function.
    """
    module, colon, name = path.partition(":")
    if not colon:
        raise ConfigError(f"data.source must be written as package.module:function, not {path!r}")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot import the caption source {path!r} ({error}); check data.source") from error


def source_fingerprint(path: str, height: int, width: int) -> str:
    """Hashes a few images and captions of a source: another renderer or grammar gives another value.

    Returns:
        hex sha256.
    """
    source, digest = import_source(path), hashlib.sha256(path.encode())
    for seed in range(8):
        drawn = source(np.random.default_rng([seed, 8]), height, width)
        digest.update(np.ascontiguousarray(drawn.frame).tobytes())
        digest.update(repr((drawn.captions, drawn.label)).encode())
    return digest.hexdigest()
