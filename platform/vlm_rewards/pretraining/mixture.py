"""Several caption sources as one: a model for many domains is trained on all of them."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import (
    CaptionedFrame,
    CaptionedImage,
    CaptionSource,
    contrasts_of,
    import_source,
)


@dataclass(frozen=True)
class _Part:
    name: str
    weight: float
    source: CaptionSource


def mixture(
    rng: np.random.Generator, height: int, width: int, parts: Mapping[str, Mapping[str, Any]]
) -> CaptionedFrame:
    """Draw an image of one of several sources; itself a `CaptionSource`.

    Args:
        rng: Decides everything.
        height: Height of the frame, pixels.
        width: Width of the frame, pixels.
        parts: By name `{source: package.module:function, weight: 1.0, options: {...}}`. Labels get the name in front.

    Raises:
        ConfigError: No part, a weight that is not positive, or a source that cannot be imported.
    """
    drawn_from = _parts(json.dumps(parts, sort_keys=True))
    weights = np.array([part.weight for part in drawn_from])
    part = drawn_from[int(rng.choice(len(drawn_from), p=weights / weights.sum()))]
    drawn = part.source(rng, height, width)
    return CaptionedImage(drawn.frame, drawn.captions, f"{part.name}: {drawn.label}", contrasts_of(drawn))


@functools.lru_cache(maxsize=8)
def _parts(text: str) -> Sequence[_Part]:
    parts = []
    for name, part in json.loads(text).items():
        unknown = set(part) - {"source", "weight", "options"}
        if unknown or "source" not in part:
            raise ConfigError(f"part {name!r} of the mixture needs source, weight and options, not {sorted(part)}")
        weight = float(part.get("weight", 1.0))
        if not weight > 0:
            raise ConfigError(f"part {name!r} of the mixture has weight {weight}; give a number above 0")
        parts.append(_Part(name, weight, import_source(part["source"], part.get("options", {}))))
    if not parts:
        raise ConfigError("a mixture needs at least one part; name its sources under data.options.parts")
    return parts
