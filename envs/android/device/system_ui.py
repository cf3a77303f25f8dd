"""What the system draws over every screen: status bar, gesture handle, notification shade."""

from datetime import datetime
from functools import lru_cache
from typing import cast

from PIL import Image

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas, oversampling
from envs.android.device.geometry import HEIGHT, NAVIGATION_TOP, STATUS_HEIGHT, WIDTH
from envs.android.device.palette import BLACK, WHITE, luminance

SHADE_BOTTOM = 430.0
_TILES = (("wifi", "Internet"), ("bluetooth", "Bluetooth"), ("flashlight", "Flashlight"), ("airplane", "Airplane"))
_TILE_ON: RGB = (168, 199, 250)
_NOTICES = (
    ("System update ready", "Restart tonight to finish"),
    ("USB debugging connected", "Tap to turn off"),
    ("Battery saver is off", "More than a day left"),
    ("Screenshot saved", "In the folder Pictures"),
    ("Wi-Fi is connected", "Signal is strong"),
    ("Storage is almost full", "Some files can be removed"),
    ("Alarm at 7:00", "Tomorrow morning"),
    ("Backup complete", "All data is up to date"),
)


def put_system_bars(image: Image.Image, now: datetime, battery: int) -> None:
    """Draw clock, wifi and battery over the top of `image`, and the gesture handle over its bottom, in place."""
    width, height = image.size
    probe = max(1, width // 40)
    status = _status_mask(now.hour, now.minute, battery // 10, width)
    image.paste(_legible_at(image, probe, probe), (0, 0), status)
    handle = _handle_mask(width)
    top = round(NAVIGATION_TOP * width / WIDTH)
    ink = _legible_at(image, width // 4, min(height - 1, top + handle.size[1] // 2))
    image.paste(ink, (0, top), handle)


def _legible_at(image: Image.Image, x: int, y: int) -> RGB:
    colour = cast(RGB, image.getpixel((x, y)))  # Pillow leaves the mode open
    return BLACK if luminance(colour) > 0.55 else WHITE


@lru_cache(maxsize=4096)
def _status_mask(hour: int, minute: int, battery: int, width: int) -> Image.Image:
    scale = width / WIDTH
    height = max(1, round(STATUS_HEIGHT * scale))
    canvas = Canvas(width, height, scale, BLACK, oversampling(width) + 1)
    canvas.text(14, 13, f"{hour}:{minute:02d}", 14, WHITE, "medium")
    canvas.icon(WIDTH - 44, 13, "wifi", 17, WHITE)
    canvas.rrect(WIDTH - 30, 8, 18, 10, 3, (120, 120, 120))
    canvas.rrect(WIDTH - 30, 8, max(3.0, 1.8 * battery), 10, 3, WHITE)
    return canvas.finish().convert("L")


@lru_cache(maxsize=32)
def _handle_mask(width: int) -> Image.Image:
    scale = width / WIDTH
    height = round(HEIGHT * scale) - round(NAVIGATION_TOP * scale)
    canvas = Canvas(width, height, scale, BLACK, 4)
    canvas.rrect(WIDTH / 2 - 50, 7, 100, 5, 2.5, (200, 200, 200))
    return canvas.finish().convert("L")


def draw_shade(width: int, height: int, variant: int, dark: bool, now: datetime, battery: int) -> Image.Image:
    """Return the pulled-down notification shade, from the top of the screen to SHADE_BOTTOM.

    Args:
        width: Width of the whole screen in pixels.
        height: Height of the whole screen in pixels.
        variant: Which notices and switched-on tiles.
        dark: Dark theme.
        now: The phone's time.
        battery: Percent.
    """
    back: RGB = (24, 25, 28) if dark else (228, 230, 238)
    card: RGB = (44, 46, 51) if dark else (250, 250, 253)
    ink, faint = (WHITE, (176, 178, 184)) if dark else (BLACK, (96, 98, 104))
    scale = width / WIDTH
    canvas = Canvas(width, round(SHADE_BOTTOM * height / HEIGHT), scale, back, oversampling(width))
    canvas.text(20, 44, f"{now.hour}:{now.minute:02d}", 26, ink)
    canvas.text(WIDTH - 20, 44, f"{now:%a, %b} {now.day}", 14, ink, anchor="right")
    canvas.text(WIDTH - 20, 62, f"{battery}%", 12, faint, anchor="right")
    for i, (icon, label) in enumerate(_TILES):
        x, y = 16 + 168 * (i % 2), 80 + 62 * (i // 2)
        lit = bool(variant >> i & 1)
        canvas.rrect(x, y, 160, 54, 26, (_TILE_ON if dark else (32, 96, 200)) if lit else card)
        tile_ink = (BLACK if dark else WHITE) if lit else ink
        canvas.icon(x + 28, y + 27, icon, 22, tile_ink)
        canvas.text(x + 50, y + 27, label, 14, tile_ink, "medium")
    for i in range(3):
        title, text = _NOTICES[(variant * 3 + i * (1 + variant % 3)) % len(_NOTICES)]
        y = 216 + 68 * i
        canvas.rrect(14, y, WIDTH - 28, 62, 16, card)
        canvas.icon(38, y + 31, "information-outline", 22, faint)
        canvas.text(64, y + 22, title, 14, ink, "medium", max_width=260)
        canvas.text(64, y + 42, text, 13, faint, max_width=260)
    return canvas.finish()
