"""The web's pictures as a source for `experiments.pretrain_clip`: `envs.web.pictures:random_web_picture`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from envs.web.clip_art import draw_clip_art
from envs.web.photography import as_found, photographed
from envs.web.scenes import draw_scene, other_words, web_noise
from envs.web.screens import draw_screen
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

#: Share of the kinds of picture.
SHARES: Mapping[str, float] = {"things": 0.66, "screens": 0.26, "clip_art": 0.08}


@dataclass(frozen=True)
class WebPicture:
    """A picture of the web.

    Attributes:
        frame: uint8 (height, width, 3).
        captions: One, as somebody may have written it: one in ten is vague or of another picture.
        label: What it shows in truth.
    """

    frame: np.ndarray
    captions: tuple[str, ...]
    label: str


def random_web_picture(
    rng: np.random.Generator, height: int, width: int, shares: Mapping[str, float] | None = None, noise: bool = True
) -> WebPicture:
    """Draw a picture and its caption.

    Args:
        rng: Decides everything: equal generators give equal pictures.
        height: Height of the frame, pixels.
        width: Width of the frame, pixels.
        shares: Shares of each kind of picture, keys of `SHARES`; None takes `SHARES`.
        noise: Whether captions are as the web's: some vague, some wrong, some with words around them.

    Raises:
        ConfigError: A kind does not exist.
    """
    chosen = dict(shares or SHARES)
    for name in chosen:
        if name not in SHARES:
            raise ConfigError(f"unknown kind of picture {name!r}; {near_matches(name, SHARES)}")
    weights = np.array(list(chosen.values()), float)
    kind = list(chosen)[int(rng.choice(len(chosen), p=weights / weights.sum()))]
    if kind == "things":
        picture, caption, label = draw_scene(rng, height * 5 // 4, width * 5 // 4)
        frame = as_found(picture, rng, height, width)
    elif kind == "screens":
        picture, caption, label = draw_screen(rng)
        frame = photographed(picture, rng, height, width)
    else:
        picture, caption, label = draw_clip_art(rng, height * 2, width * 2)
        frame = as_found(picture, rng, height, width)
    if noise:
        caption = web_noise(caption, other_words(rng), rng)
    return WebPicture(frame, (caption,), f"{kind.replace('_', ' ')}: {label}")
