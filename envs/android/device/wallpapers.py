"""A bounded family of wallpapers: patterns times palettes, drawn once a size."""

import math
import random

from PIL import Image, ImageDraw

from envs.android.apps import RGB
from envs.android.device.cache import ByteCache
from envs.android.device.palette import mix
from envs.android.device.pictures import gradient
from envs.android.device.profile import WALLPAPERS

_cache = ByteCache(24 << 20)

# Top, bottom and feature colour of each palette.
_PALETTES: tuple[tuple[RGB, RGB, RGB], ...] = (
    ((38, 70, 130), (110, 90, 150), (60, 50, 100)),
    ((20, 90, 100), (30, 150, 140), (10, 60, 75)),
    ((250, 140, 100), (120, 50, 110), (80, 30, 90)),
    ((18, 20, 40), (50, 40, 90), (110, 110, 180)),
    ((120, 160, 200), (200, 215, 225), (90, 130, 160)),
    ((60, 110, 70), (140, 170, 90), (35, 75, 55)),
    ((90, 30, 50), (190, 80, 70), (60, 20, 40)),
    ((60, 60, 66), (110, 112, 120), (40, 40, 46)),
)


def wallpaper(number: int, width: int, height: int) -> Image.Image:
    """Return a wallpaper `number` (0 to WALLPAPERS - 1) at width x height pixels; do not draw on it."""
    return _cache.get(
        (number, width, height), lambda: _paint(number, width, height), lambda p: 3 * p.size[0] * p.size[1]
    )


def _paint(number: int, width: int, height: int) -> Image.Image:
    rng = random.Random(f"wallpaper {number % WALLPAPERS}")
    pattern = (_hills, _discs, _rays, _waves, _night, _blocks)[number % 6]
    top, bottom, feature = _PALETTES[(number * 5 + number // 8) % len(_PALETTES)]
    image = gradient(width * 2, height * 2, top, bottom)
    pattern(ImageDraw.Draw(image), width * 2, height * 2, feature, bottom, rng)
    return image.reduce(2)


def _hills(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    for layer in range(4):
        color = mix(back, feature, 0.3 + 0.2 * layer)
        base, swing, phase = h * (0.42 + 0.14 * layer), h * rng.uniform(0.03, 0.07), rng.uniform(0, 6.3)
        waves = rng.uniform(0.7, 1.6)
        points = [(w * i / 24, base + swing * math.sin(phase + waves * i / 4)) for i in range(25)]
        draw.polygon([(0, h), *points, (w, h)], color)


def _discs(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    for i in range(9):
        x, y, r = w * rng.random(), h * rng.random(), w * rng.uniform(0.1, 0.36)
        draw.ellipse((x - r, y - r, x + r, y + r), mix(back, feature, 0.25 + 0.08 * i))


def _rays(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    x, y = w * rng.uniform(0.2, 0.8), h * rng.uniform(0.75, 1.0)
    for i in range(0, 24, 2):
        a, b = math.pi * (i / 12), math.pi * ((i + 1) / 12)
        reach = 2.0 * h
        points = [(x, y), (x + reach * math.cos(a), y + reach * math.sin(a))]
        draw.polygon([*points, (x + reach * math.cos(b), y + reach * math.sin(b))], mix(back, feature, 0.45))


def _waves(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    phase = rng.uniform(0, 6.3)
    for band in range(7):
        y0 = h * (0.1 + 0.13 * band)
        line = [(w * i / 24, y0 + h * 0.03 * math.sin(phase + band + i / 3.5)) for i in range(25)]
        lower = [(x, y + h * 0.05) for x, y in reversed(line)]
        draw.polygon([*line, *lower], mix(back, feature, 0.2 + 0.08 * band))


def _night(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    light = mix(feature, (255, 255, 255), 0.6)
    for _ in range(70):
        x, y, r = w * rng.random(), h * rng.random() * 0.8, w * rng.uniform(0.002, 0.006)
        draw.ellipse((x - r, y - r, x + r, y + r), light)
    x, y, r = w * rng.uniform(0.25, 0.75), h * rng.uniform(0.15, 0.4), w * 0.11
    draw.ellipse((x - r, y - r, x + r, y + r), mix(light, (255, 255, 255), 0.5))
    draw.polygon([(0, h), (0, h * 0.8), (w * 0.3, h * 0.68), (w * 0.6, h * 0.82), (w, h * 0.7), (w, h)], feature)
    del back


def _blocks(draw: ImageDraw.ImageDraw, w: int, h: int, feature: RGB, back: RGB, rng: random.Random) -> None:
    for row in range(8):
        for column in range(5):
            x, y, side = w * column / 5, h * row / 8, w / 5 + 1
            color = mix(back, feature, rng.uniform(0.1, 0.7))
            draw.polygon([(x, y), (x + side, y), (x, y + side)], color)
