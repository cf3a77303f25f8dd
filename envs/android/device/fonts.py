"""Text and icons as masks, from cached glyphs: Pillow alone would rasterise every letter anew."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from envs.android.apps import ICON_CODES
from envs.android.device.cache import ByteCache

ASSETS = Path(__file__).parent.parent / "assets"
WEIGHTS = ("light", "regular", "medium")

_texts = ByteCache(12 << 20)


class GlyphAtlas:
    """The glyphs of one font at one size, as columns of equal height that are joined into lines of text."""

    def __init__(self, weight: str, px: int) -> None:
        self._font = ImageFont.truetype(str(ASSETS / f"roboto-{weight}.ttf"), px, layout_engine=ImageFont.Layout.BASIC)
        ascent, descent = self._font.getmetrics()
        self.ascent = ascent
        self.height = ascent + descent
        self._glyphs: dict[str, np.ndarray] = {}

    def glyph(self, char: str) -> np.ndarray:
        """Return the letter's coverage: uint8 (height, advance)."""
        columns = self._glyphs.get(char)
        if columns is None:
            advance = max(1, round(self._font.getlength(char)))
            cell = Image.new("L", (advance, self.height))
            mask, (left, top) = self._font.getmask2(char, "L")
            if mask.size[0] and mask.size[1]:
                ink = Image.frombytes("L", mask.size, bytes(mask))
                cell.paste(ink, (left, top))
            columns = self._glyphs[char] = np.asarray(cell)
        return columns

    def width(self, text: str) -> int:
        """Return the width of a line of text in pixels."""
        return sum(self.glyph(char).shape[1] for char in text)

    def line(self, text: str) -> Image.Image:
        """Return a line of text as an "L" mask of (width, height)."""
        if not text:
            return Image.new("L", (1, self.height))
        columns = np.concatenate([self.glyph(char) for char in text], axis=1)
        return Image.frombytes("L", (columns.shape[1], self.height), columns.tobytes())


@lru_cache(maxsize=256)
def atlas(weight: str, px: int) -> GlyphAtlas:
    """Return the glyphs of a weight (see WEIGHTS) at `px` pixels an em."""
    return GlyphAtlas(weight, px)


def text_mask(text: str, weight: str, px: int) -> Image.Image:
    """Return a line of text as a cached "L" mask."""
    return _texts.get((text, weight, px), lambda: atlas(weight, px).line(text), _mask_bytes)


@lru_cache(maxsize=16384)
def fit_text(text: str, weight: str, px: int, max_width: int) -> str:
    """Return `text`, shortened with an ellipsis where it is wider than `max_width` pixels."""
    glyphs = atlas(weight, px)
    room = max_width - glyphs.glyph("…").shape[1]
    width = 0
    cut = 0
    for i, char in enumerate(text):
        width += glyphs.glyph(char).shape[1]
        if width <= room:
            cut = i + 1
        if width > max_width:
            return text[:cut].rstrip() + "…"
    return text


@lru_cache(maxsize=4096)
def wrap_text(text: str, weight: str, px: int, max_width: int, max_lines: int) -> tuple[str, ...]:
    """Return `text` broken at spaces into lines of at most `max_width` pixels; the last one may end in an ellipsis."""
    glyphs = atlas(weight, px)
    space = glyphs.width(" ")
    lines: list[str] = []
    line, line_width = "", 0
    words = text.split()
    for i, word in enumerate(words):
        width = glyphs.width(word)
        if line and line_width + space + width > max_width:
            if len(lines) == max_lines - 1:
                line = f"{line} {' '.join(words[i:])}"
                break
            lines.append(line)
            line, line_width = word, width
        else:
            line, line_width = (f"{line} {word}", line_width + space + width) if line else (word, width)
    return (*lines, fit_text(line, weight, px, max_width))


@lru_cache(maxsize=64)
def _icon_font(px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(ASSETS / "icons.ttf"), px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=2048)
def icon_mask(name: str, px: int) -> Image.Image:
    """Return an icon (a name listed in assets/icons.txt) as an "L" mask of (px, px)."""
    mask, _ = _icon_font(px).getmask2(chr(ICON_CODES[name]), "L")
    cell = Image.new("L", (px, px))
    if mask.size[0] and mask.size[1]:
        # Centred by its ink: the font's own metrics leave some icons off the middle.
        ink = Image.frombytes("L", mask.size, bytes(mask))
        cell.paste(ink, ((px - mask.size[0] + 1) // 2, (px - mask.size[1] + 1) // 2))
    return cell


def _mask_bytes(mask: Image.Image) -> int:
    return mask.size[0] * mask.size[1]
