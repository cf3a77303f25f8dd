"""Draws interfaces with Pillow: one screen, its colours and fonts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.web.colours import muted, vivid

#: Fonts that matplotlib brings; the phone's own is another.
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf")
Box = tuple[float, float, float, float]
Fill = tuple[int, int, int]

_WORDS = (
    "Hello",
    "Today",
    "Meeting",
    "Invoice",
    "Anna",
    "Order",
    "Trip",
    "Notes",
    "Sale",
    "Weekly",
    "Plan",
    "Team",
    "Re: lunch",
    "Photos",
    "Update",
    "Ben",
    "Report",
    "List",
    "Tickets",
    "Paris",
    "Family",
    "Draft",
    "Budget",
    "Music",
)


class Pen:
    """Draws on one screen, in units of its width: x from 0 to 1, y from 0 to `height`.

    Attributes:
        rng: Decides contents.
        height: Height of the screen in units of its width.
        paper, ink, soft, accent, second: colours of ground, text, cards, and of what stands out.
        dark: Whether the ground is dark.
    """

    def __init__(self, rng: np.random.Generator, width: int = 150) -> None:
        """Draw the theme; the ground is painted."""
        self.rng, self._width = rng, width
        self.height = float(rng.uniform(1.62, 2.25))
        self.dark = bool(rng.random() < 0.35)
        low, high = (0.03, 0.22) if self.dark else (0.86, 1.0)
        self.paper = _bytes(muted(rng, (low, high)))
        self.ink = _bytes(muted(rng, (0.8, 1.0) if self.dark else (0.02, 0.25)))
        self.soft = _bytes(muted(rng, (0.2, 0.38) if self.dark else (0.74, 0.9)))
        self.accent, self.second = _bytes(vivid(rng)), _bytes(vivid(rng))
        self.image = Image.new("RGB", (width, int(width * self.height)), self.paper)
        self._draw = ImageDraw.Draw(self.image)
        self._font = FONTS[int(rng.integers(len(FONTS)))]

    def u(self, low: float, high: float) -> float:
        """Return a number between two."""
        return float(self.rng.uniform(low, high))

    def n(self, low: int, high: int) -> int:
        """Return a whole number between two, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """Return whether something that happens in this share of cases happens."""
        return bool(self.rng.random() < share)

    def any_colour(self) -> Fill:
        """Return any strong colour."""
        return _bytes(vivid(self.rng))

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Fill, round_by: float = 0.0) -> None:
        """Draw a rectangle, its corners rounded by a length."""
        box = self._box(x0, y0, x1, y1)
        if round_by:
            self._draw.rounded_rectangle(box, self._width * round_by, fill=fill)
        else:
            self._draw.rectangle(box, fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Fill) -> None:
        """Draw a disc."""
        self._draw.ellipse(self._box(x - radius, y - radius, x + radius, y + radius), fill=fill)

    def circle(
        self, x: float, y: float, radius: float, fill: Fill, thick: float, start: float = 0, stop: float = 360
    ) -> None:
        """Draw an arc, angles in degrees from three o'clock, clockwise."""
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, start, stop, fill=fill, width=max(1, int(thick * self._width)))

    def line(self, points: list[tuple[float, float]], fill: Fill, thick: float = 0.012) -> None:
        """Draw a broken line."""
        scaled = [(x * self._width, y * self._width) for x, y in points]
        self._draw.line(scaled, fill=fill, width=max(1, int(thick * self._width)), joint="curve")

    def shape(self, points: list[tuple[float, float]], fill: Fill) -> None:
        """Draw a filled polygon."""
        self._draw.polygon([(x * self._width, y * self._width) for x, y in points], fill=fill)

    def text(
        self, x: float, y: float, words: str, size: float, fill: Fill | None = None, centred: bool = False
    ) -> None:
        """Draw a line of text of a height, from its left upper corner, or centred on a point."""
        font = _font(self._font, max(5, int(size * self._width)))
        self._draw.text(
            (x * self._width, y * self._width),
            words,
            font=font,
            fill=fill or self.ink,
            anchor="mm" if centred else "la",
        )

    def words(self, count: int = 1) -> str:
        """Return some words."""
        return " ".join(_WORDS[int(self.rng.integers(len(_WORDS)))] for _ in range(count))

    def lines(self, x0: float, x1: float, y0: float, y1: float, step: float = 0.07, thick: float = 0.022) -> None:
        """Draw lines of text too small to read."""
        y = y0
        while y < y1:
            end = x1 if self.chance(0.75) else self.u(x0 + 0.3 * (x1 - x0), x1)
            self.rect(x0, y, end, y + thick, self.soft if self.chance(0.5) else _mix(self.ink, self.paper, 0.5))
            y += step

    def bar(self, title: str = "") -> float:
        """Return a title bar of one of several styles; return where the rest begins."""
        style = self.n(0, 3)
        deep = self.u(0.14, 0.24)
        if style == 0:
            self.rect(0, 0, 1, deep, self.accent)
            self.text(0.06, deep * 0.3, title or self.words(), 0.08, (255, 255, 255))
        elif style == 1:
            self.text(0.5, deep * 0.55, title or self.words(), 0.085, centred=True)
            self.line([(0, deep), (1, deep)], self.soft)
        elif style == 2:
            self.text(0.06, deep * 0.35, title or self.words(), 0.11)
        else:
            deep *= 0.6
        return deep + 0.02

    def tabs(self) -> float:
        """Draw tabs along the bottom, or none; return where they begin."""
        if self.chance(0.5):
            return self.height
        top = self.height - 0.18
        self.rect(0, top, 1, self.height, self.soft)
        count = self.n(3, 5)
        for k in range(count):
            x = (k + 0.5) / count
            fill = self.accent if k == 0 else _mix(self.ink, self.soft, 0.5)
            if self.chance(0.5):
                self.disc(x, top + 0.09, 0.035, fill)
            else:
                self.rect(x - 0.035, top + 0.055, x + 0.035, top + 0.125, fill, 0.01)
        return top

    def picture(self) -> np.ndarray:
        """Return the screen, uint8 (H, W, 3)."""
        return np.asarray(self.image)

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        left, right = sorted((x0, x1))
        top, bottom = sorted((y0, y1))
        return left * self._width, top * self._width, right * self._width, bottom * self._width


def _mix(first: Fill, second: Fill, share: float) -> Fill:
    red, green, blue = (int(a * share + b * (1 - share)) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _bytes(rgb: tuple[float, float, float]) -> Fill:
    red, green, blue = (int(255 * value) for value in rgb)
    return red, green, blue


@lru_cache(maxsize=128)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
