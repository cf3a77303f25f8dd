"""Surfaces of the web's pictures: uint8 (96, 96, 3), drawn from wide families and named by what captions call them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.web.colours import muted, vivid

SIZE = 96


@dataclass(frozen=True)
class Surface:
    """A texture.

    Attributes:
        word: What captions call it, such as `wooden`.
        image: uint8 (SIZE, SIZE, 3).
    """

    word: str
    image: np.ndarray


def _finish(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8))


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Return smooth noise in [-1, 1], (SIZE, SIZE)."""
    coarse = rng.uniform(-1, 1, (cells + 1, cells + 1))
    at = np.linspace(0, cells, SIZE, endpoint=False)
    low, share = at.astype(int), at % 1
    rows = coarse[low] * (1 - share)[:, None] + coarse[low + 1] * share[:, None]
    result: np.ndarray = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return result


def _wood(rng: np.random.Generator) -> np.ndarray:
    base = np.array([rng.uniform(0.35, 0.85), 0, 0])
    base[1], base[2] = base[0] * rng.uniform(0.62, 0.8), base[0] * rng.uniform(0.35, 0.6)
    rings = np.sin(np.arange(SIZE)[:, None] * rng.uniform(0.3, 0.9) + 5 * _noise(rng, 4))
    result: np.ndarray = base * (1 + 0.12 * rings + 0.06 * _noise(rng, 24))[..., None]
    return result


def _grass(rng: np.random.Generator) -> np.ndarray:
    base = np.array([rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.25)])
    return base * (1 + 0.35 * rng.uniform(-1, 1, (SIZE, SIZE)) + 0.2 * _noise(rng, 6))[..., None]


def _marble(rng: np.random.Generator) -> np.ndarray:
    veins = np.abs(np.sin(6 * _noise(rng, 3) + 3 * _noise(rng, 8)))
    result: np.ndarray = np.array(muted(rng, (0.6, 0.98))) * (0.75 + 0.25 * veins)[..., None]
    return result


def _concrete(rng: np.random.Generator) -> np.ndarray:
    grey = rng.uniform(0.3, 0.75)
    return grey * (1 + 0.1 * _noise(rng, 8) + 0.07 * rng.uniform(-1, 1, (SIZE, SIZE)))[..., None] * np.ones(3)


def _cloth(rng: np.random.Generator) -> np.ndarray:
    first, second = np.array(muted(rng)), np.array(muted(rng) if rng.random() < 0.6 else vivid(rng))
    period = int(rng.choice([8, 12, 16, 24]))
    rows, columns = np.mgrid[:SIZE, :SIZE] // period % 2
    weave = (rows + columns)[..., None] / 2
    result: np.ndarray = first * (1 - weave) + second * weave
    return result


def _sand(rng: np.random.Generator) -> np.ndarray:
    base = np.array([0.85, 0.74, 0.52]) * rng.uniform(0.8, 1.1)
    return base * (1 + 0.1 * _noise(rng, 10) + 0.08 * rng.uniform(-1, 1, (SIZE, SIZE)))[..., None]


def _plain(rng: np.random.Generator) -> np.ndarray:
    colour = np.array(muted(rng, (0.5, 1.0)) if rng.random() < 0.7 else vivid(rng))
    fall = np.linspace(1.0, rng.uniform(0.75, 1.0), SIZE)[:, None, None]
    return colour * fall * np.ones((SIZE, SIZE, 1))


def _sky(rng: np.random.Generator) -> np.ndarray:
    clouds = np.clip(_noise(rng, 3) + 0.5 * _noise(rng, 8) - rng.uniform(-0.2, 0.5), 0, 1)[..., None]
    blue = np.array([rng.uniform(0.3, 0.6), rng.uniform(0.55, 0.75), rng.uniform(0.8, 0.95)])
    return blue * (1 - clouds) + clouds


def _paper(rng: np.random.Generator) -> np.ndarray:
    """Return a wallpaper with diamonds or lines at a slant."""
    first, second = np.array(muted(rng, (0.55, 0.95))), np.array(muted(rng, (0.4, 0.9)))
    y, x = np.mgrid[:SIZE, :SIZE]
    step = int(rng.choice([16, 24, 32]))
    slant = (x + y) % step < step / 2
    pattern = slant ^ ((x - y) % step < step / 2) if rng.random() < 0.5 else slant
    return np.where(pattern[..., None], first, second)


#: Kinds of surface: what captions call each, how it is drawn, how many there are.
_GROUNDS = (
    ("wooden", _wood, 6),
    ("grass", _grass, 3),
    ("marble", _marble, 4),
    ("concrete", _concrete, 4),
    ("checked", _cloth, 5),
    ("sandy", _sand, 2),
    ("plain", _plain, 6),
)
_BACKDROPS = (
    ("plain", _plain, 8),
    ("sky", _sky, 4),
    ("patterned", _paper, 6),
    ("concrete", _concrete, 3),
    ("wooden", _wood, 3),
)


def _drawn(kinds: tuple[Any, ...], seed: int) -> tuple[Surface, ...]:
    return tuple(
        Surface(word, _finish(draw(np.random.default_rng([seed, row, number]))))
        for row, (word, draw, count) in enumerate(kinds)
        for number in range(count)
    )


#: What things stand on.
GROUNDS: tuple[Surface, ...] = _drawn(_GROUNDS, 301)
#: What is behind them.
BACKDROPS: tuple[Surface, ...] = _drawn(_BACKDROPS, 302)
