"""Drawing in dp onto an oversampled image that is averaged down to the wanted size."""

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from envs.android.apps import RGB
from envs.android.device.fonts import atlas, fit_text, icon_mask, text_mask, wrap_text
from envs.android.device.geometry import WIDTH
from envs.android.device.pictures import picture

# Text below this many oversampled pixels an em is a smear anyway.
_MIN_FONT_PX = 4


def oversampling(width: int) -> int:
    """Return how many times finer than a screen of `width` pixels its canvas is."""
    return 3 if width < 120 else 2


class Canvas:
    """A picture under construction. Coordinates and sizes are in dp; colours are (r, g, b) bytes."""

    def __init__(self, width: int, height: int, scale: float, color: RGB, oversample: int) -> None:
        """Make a canvas.

        Args:
            width: Final width in pixels.
            height: Final height in pixels.
            scale: Final pixels a dp.
            color: Fills the canvas.
            oversample: How many times finer than the final picture to draw.
        """
        self._oversample = oversample
        self.scale = scale * oversample
        self.image = Image.new("RGB", (width * oversample, height * oversample), color)
        self.draw = ImageDraw.Draw(self.image)

    @classmethod
    def screen(cls, width: int, height: int, color: RGB) -> "Canvas":
        """Return a canvas of a whole screen that is width x height pixels in the end."""
        return cls(width, height, width / WIDTH, color, oversampling(width))

    def finish(self) -> Image.Image:
        """Return the picture, averaged down to its final size."""
        return self.image.reduce(self._oversample)

    def px(self, dp: float) -> int:
        """Return a length in dp as oversampled pixels."""
        return round(dp * self.scale)

    def rect(self, x: float, y: float, w: float, h: float, color: RGB) -> None:
        """Draw a filled rectangle."""
        s = self.scale
        self.image.paste(color, (round(x * s), round(y * s), round((x + w) * s), round((y + h) * s)))

    def rrect(self, x: float, y: float, w: float, h: float, radius: float, color: RGB) -> None:
        """Draw a filled rectangle with rounded corners."""
        s = self.scale
        x0, y0, x1, y1 = round(x * s), round(y * s), round((x + w) * s), round((y + h) * s)
        r = min(round(radius * s), (x1 - x0) // 2, (y1 - y0) // 2)
        paste = self.image.paste
        if r < 2:
            paste(color, (x0, y0, x1, y1))
            return
        corners = _corner_masks(r)
        if y1 - y0 > 2 * r:
            paste(color, (x0, y0 + r, x1, y1 - r))
        if x1 - x0 > 2 * r:
            paste(color, (x0 + r, y0, x1 - r, y0 + r))
            paste(color, (x0 + r, y1 - r, x1 - r, y1))
        paste(color, (x0, y0), corners[0])
        paste(color, (x1 - r, y0), corners[1])
        paste(color, (x0, y1 - r), corners[2])
        paste(color, (x1 - r, y1 - r), corners[3])

    def circle(self, cx: float, cy: float, radius: float, color: RGB) -> None:
        """Draw a filled disc."""
        d = max(1, self.px(2 * radius))
        self.image.paste(color, (round(cx * self.scale - d / 2), round(cy * self.scale - d / 2)), disc_mask(d))

    def line(self, points: Sequence[tuple[float, float]], width: float, color: RGB) -> None:
        """Draw a polyline, at least one oversampled pixel wide."""
        s = self.scale
        self.draw.line([(x * s, y * s) for x, y in points], color, max(1, self.px(width)), joint="curve")

    def polygon(self, points: Sequence[tuple[float, float]], color: RGB) -> None:
        """Draw a filled polygon."""
        s = self.scale
        self.draw.polygon([(x * s, y * s) for x, y in points], color)

    def arc(self, cx: float, cy: float, radius: float, start: float, end: float, width: float, color: RGB) -> None:
        """Draw an arc from `start` to `end` degrees, clockwise from three o'clock."""
        s = self.scale
        box = ((cx - radius) * s, (cy - radius) * s, (cx + radius) * s, (cy + radius) * s)
        self.draw.arc(box, start, end, color, max(1, self.px(width)))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: RGB,
        weight: str = "regular",
        anchor: str = "left",
        max_width: float | None = None,
    ) -> None:
        """Draw one line of text.

        Args:
            x: Left edge, centre or right edge, as `anchor` says.
            y: Middle of the line.
            text: The line.
            size: Dp an em.
            color: Color of the letters.
            weight: "light", "regular" or "medium".
            anchor: "left", "center" or "right".
            max_width: Shortens the text with an ellipsis beyond this width.
        """
        font_px = max(_MIN_FONT_PX, self.px(size))
        if max_width is not None:
            text = fit_text(text, weight, font_px, self.px(max_width))
        mask = text_mask(text, weight, font_px)
        left = x * self.scale
        if anchor == "center":
            left -= mask.size[0] / 2
        elif anchor == "right":
            left -= mask.size[0]
        # The middle of capitals sits a third of an em above the baseline.
        top = y * self.scale + 0.36 * font_px - atlas(weight, font_px).ascent
        self.image.paste(color, (round(left), round(top)), mask)

    def text_width(self, text: str, size: float, weight: str = "regular") -> float:
        """Return the width in dp of a line of text."""
        return atlas(weight, max(_MIN_FONT_PX, self.px(size))).width(text) / self.scale

    def paragraph(
        self,
        x: float,
        y: float,
        w: float,
        text: str,
        size: float,
        color: RGB,
        lines: int = 2,
        weight: str = "regular",
        pitch: float = 1.35,
    ) -> int:
        """Draw text wrapped at `w` dp in at most `lines` lines, the first centred on y; return the lines used."""
        font_px = max(_MIN_FONT_PX, self.px(size))
        wrapped = wrap_text(text, weight, font_px, self.px(w), lines)
        for i, line in enumerate(wrapped):
            self.text(x, y + i * size * pitch, line, size, color, weight)
        return len(wrapped)

    def icon(self, cx: float, cy: float, name: str, size: float, color: RGB) -> None:
        """Draw an icon (a name listed in assets/icons.txt), centred on (cx, cy)."""
        d = max(2, self.px(size))
        mask = icon_mask(name, d)
        self.image.paste(color, (round(cx * self.scale - d / 2), round(cy * self.scale - d / 2)), mask)

    def picture(self, x: float, y: float, w: float, h: float, number: int, radius: float = 0.0) -> None:
        """Draw a made-up photograph (see pictures.py), cropped to the box."""
        x0, y0 = self.px(x), self.px(y)
        w_px, h_px = max(1, self.px(x + w) - x0), max(1, self.px(y + h) - y0)
        r = min(self.px(radius), w_px // 2, h_px // 2)
        mask = rounded_mask(w_px, h_px, r) if r >= 2 else None
        self.image.paste(picture(number, w_px, h_px), (x0, y0), mask)


@lru_cache(maxsize=512)
def disc_mask(d: int) -> Image.Image:
    """Return a smooth disc of diameter d as an "L" mask."""
    return rounded_mask(d, d, d // 2 + 1)


@lru_cache(maxsize=1024)
def rounded_mask(w: int, h: int, radius: int) -> Image.Image:
    """Return a smooth rounded rectangle as an "L" mask."""
    fine = 4 if w * h < 40_000 else 2
    mask = Image.new("L", (w * fine, h * fine))
    box = (0, 0, w * fine - 1, h * fine - 1)
    if 2 * radius >= max(w, h):
        ImageDraw.Draw(mask).ellipse(box, 255)
    else:
        ImageDraw.Draw(mask).rounded_rectangle(box, radius * fine, 255)
    return mask.reduce(fine)


@lru_cache(maxsize=128)
def _corner_masks(r: int) -> tuple[Image.Image, Image.Image, Image.Image, Image.Image]:
    disc = disc_mask(2 * r)
    boxes = ((0, 0, r, r), (r, 0, 2 * r, r), (0, r, r, 2 * r), (r, r, 2 * r, 2 * r))
    top_left, top_right, bottom_left, bottom_right = (disc.crop(box) for box in boxes)
    return top_left, top_right, bottom_left, bottom_right
