"""Pictures for people: dashboards, labelled grids and animated GIFs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK = (30, 32, 36)
_PAPER = (244, 243, 238)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def dashboard(view: np.ndarray, plan: np.ndarray, instruction: str, note: str) -> np.ndarray:
    """Return the agent's view beside the home from above, under the goal in words.

    Args:
        view: uint8 (400, 400, 3), what the agent sees.
        plan: uint8 (400, 400, 3), the home from above.
        instruction: The goal.
        note: A line below it, such as the step.

    Returns:
        uint8 (480, 800, 3).
    """
    image = Image.new("RGB", (800, 480), _PAPER)
    image.paste(Image.fromarray(view), (0, 80))
    image.paste(Image.fromarray(plan), (400, 80))
    draw = ImageDraw.Draw(image)
    draw.text((14, 10), instruction, fill=_INK, font=_font(26))
    draw.text((14, 48), note, fill=_INK, font=_font(17))
    return np.asarray(image)


def labelled_grid(tiles: Sequence[np.ndarray], labels: Sequence[str], columns: int, side: int) -> np.ndarray:
    """Return tiles of any size, enlarged without smoothing to `side` pixels, each above its label: uint8 (H, W, 3)."""
    rows = -(-len(tiles) // columns)
    strip = 20
    sheet = Image.new("RGB", (columns * side, rows * (side + strip)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x, y = i % columns * side, i // columns * (side + strip)
        sheet.paste(Image.fromarray(tile).resize((side, side), Image.Resampling.NEAREST), (x, y))
        draw.text((x + 4, y + side + 3), label, fill=_INK, font=_font(13))
    return np.asarray(sheet)


def save_png(image: np.ndarray, path: str | Path) -> None:
    """Write an image, making its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def save_gif(frames: Sequence[np.ndarray], path: str | Path, frames_per_second: int = 8) -> None:
    """Write an animated GIF that loops, making its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame).quantize(128) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(1000 / frames_per_second), loop=0, optimize=True
    )
