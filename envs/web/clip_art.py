"""Flat shapes and icons, of which the web is full."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from envs.web.colours import NAMES, colour, muted

_SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "arrow", "diamond", "ring", "stripes")


def draw_clip_art(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, str]:
    """Draw one to nine shapes of one kind on a ground.

    Returns:
        uint8 (height, width, 3), its caption, the name of its kind.
    """
    tint, shape = NAMES[int(rng.integers(len(NAMES)))], _SHAPES[int(rng.integers(len(_SHAPES)))]
    image = Image.new(
        "RGB", (width, height), _bytes(muted(rng, (0.85, 1.0) if tint not in ("white", "grey") else (0.1, 0.4)))
    )
    draw, fill = ImageDraw.Draw(image), _bytes(colour(tint, rng))
    count = 1 if rng.random() < 0.7 else int(rng.integers(2, 10))
    across = int(np.ceil(np.sqrt(count)))
    for k in range(count):
        size = min(height, width) / across * rng.uniform(0.25, 0.42)
        x = (k % across + rng.uniform(0.42, 0.58)) * width / across
        y = (k // across + rng.uniform(0.42, 0.58)) * height / across
        _shape(draw, shape, x, y, size, fill, rng.uniform(0, 2 * np.pi))
    plural = shape if count == 1 else f"{shape}s" if shape != "stripes" else shape
    forms = (
        "{c} {s}",
        "a {c} {s} icon",
        "{c} {s} vector",
        "{s} clipart, {c}",
        "{c} {s} on a plain background",
        "logo with a {c} {s}",
    )
    caption = forms[int(rng.integers(len(forms)))].format(c=tint, s=plural)
    return np.asarray(image), caption, f"{tint} {shape}"


def _shape(
    draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, r: float, fill: tuple[int, int, int], turn: float
) -> None:
    box = (x - r, y - r, x + r, y + r)

    def around(radii: list[float], start: float = turn) -> list[tuple[float, float]]:
        angles = start + np.arange(len(radii)) * 2 * np.pi / len(radii)
        return [
            (float(x + s * r * np.cos(a)), float(y + s * r * np.sin(a))) for s, a in zip(radii, angles, strict=True)
        ]

    if shape == "circle":
        draw.ellipse(box, fill=fill)
    elif shape == "ring":
        draw.ellipse(box, outline=fill, width=max(2, int(r / 3)))
    elif shape == "stripes":
        for k in range(-2, 3):
            draw.rectangle((x - r, y + (k - 0.2) * r / 2.5, x + r, y + (k + 0.2) * r / 2.5), fill=fill)
    elif shape == "cross":
        draw.rectangle((x - r / 3, y - r, x + r / 3, y + r), fill=fill)
        draw.rectangle((x - r, y - r / 3, x + r, y + r / 3), fill=fill)
    elif shape == "heart":
        draw.ellipse((x - r, y - r * 0.8, x, y + r * 0.2), fill=fill)
        draw.ellipse((x, y - r * 0.8, x + r, y + r * 0.2), fill=fill)
        draw.polygon([(x - 0.93 * r, y - 0.05 * r), (x + 0.93 * r, y - 0.05 * r), (x, y + r)], fill=fill)
    elif shape == "arrow":
        draw.polygon(
            [
                (x - r, y - r / 4),
                (x, y - r / 4),
                (x, y - r * 0.7),
                (x + r, y),
                (x, y + r * 0.7),
                (x, y + r / 4),
                (x - r, y + r / 4),
            ],
            fill=fill,
        )
    else:
        corners = {"square": [1.0] * 4, "triangle": [1.0] * 3, "diamond": [1.0, 0.6] * 2, "star": [1.0, 0.4] * 5}
        draw.polygon(around(corners[shape]), fill=fill)


def _bytes(rgb: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (int(255 * value) for value in rgb)
    return red, green, blue
