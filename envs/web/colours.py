"""Families of colours: what people call red is no single red."""

from __future__ import annotations

import colorsys

import numpy as np

Rgb = tuple[float, float, float]

#: Ranges of hue, saturation and value, each in [0, 1]; a hue below 0 wraps around.
#: No colour of the playhouse lies within.
FAMILIES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-0.03, 0.025), (0.65, 0.9), (0.45, 0.95)),
    "orange": ((0.05, 0.1), (0.65, 0.95), (0.7, 0.98)),
    "yellow": ((0.13, 0.17), (0.5, 0.9), (0.75, 0.98)),
    "green": ((0.26, 0.42), (0.35, 0.85), (0.3, 0.85)),
    "blue": ((0.56, 0.67), (0.45, 0.88), (0.35, 0.95)),
    "purple": ((0.72, 0.81), (0.35, 0.8), (0.35, 0.8)),
    "pink": ((0.89, 0.96), (0.25, 0.6), (0.8, 0.98)),
    "brown": ((0.04, 0.09), (0.4, 0.75), (0.22, 0.5)),
    "black": ((0.0, 1.0), (0.0, 0.1), (0.03, 0.16)),
    "white": ((0.0, 1.0), (0.0, 0.05), (0.86, 0.96)),
    "grey": ((0.0, 1.0), (0.0, 0.03), (0.38, 0.62)),
    "turquoise": ((0.46, 0.52), (0.45, 0.85), (0.5, 0.9)),
}
#: Names of colours that captions use.
NAMES: tuple[str, ...] = tuple(FAMILIES)


def colour(name: str, rng: np.random.Generator) -> Rgb:
    """Return one colour of a family, each channel in [0, 1]."""
    return _of(FAMILIES[name], rng)


def muted(rng: np.random.Generator, light: tuple[float, float] = (0.3, 0.95)) -> Rgb:
    """Return a colour for what a picture is not about, each channel in [0, 1]."""
    return _of(((0.0, 1.0), (0.0, 0.35), light), rng)


def vivid(rng: np.random.Generator) -> Rgb:
    """Return any strong colour, each channel in [0, 1]."""
    return _of(((0.0, 1.0), (0.5, 0.9), (0.5, 0.95)), rng)


def _of(ranges: tuple[tuple[float, float], ...], rng: np.random.Generator) -> Rgb:
    hue, saturation, value = (float(rng.uniform(low, high)) for low, high in ranges)
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
