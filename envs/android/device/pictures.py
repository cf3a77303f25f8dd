"""Made-up photographs: a bounded family of small scenes drawn from their number."""

import random
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from envs.android.device.cache import ByteCache

PICTURES = 96
# Scenes are drawn at the first of these sizes that is large enough, or at the last, then cropped and resized. A screen
# of 250 pixels needs no more than 256: its canvas is twice as fine, but averaged down in the end.
_SIDES = (64, 256)
_crops = ByteCache(16 << 20)

_SKIES = (
    ((255, 183, 120), (86, 60, 130)),
    ((190, 225, 250), (70, 140, 215)),
    ((250, 230, 200), (240, 150, 110)),
    ((40, 50, 90), (10, 14, 34)),
    ((225, 235, 240), (150, 175, 190)),
    ((255, 214, 230), (140, 120, 200)),
)
_CLOUD = (246, 246, 250)
_LANDS = ((60, 110, 70), (110, 140, 60), (194, 160, 110), (70, 80, 110), (120, 80, 70), (230, 235, 240))


def picture(number: int, width: int, height: int) -> Image.Image:
    """Return picture `number` (taken modulo PICTURES) filling width x height pixels; do not draw on it."""
    number %= PICTURES
    return _crops.get(
        (number, width, height), lambda: _crop(number, width, height), lambda p: 3 * p.size[0] * p.size[1]
    )


def _crop(number: int, width: int, height: int) -> Image.Image:
    longer = max(width, height)
    side = next((side for side in _SIDES if side >= longer), _SIDES[-1])
    scene = _scene(number, side)
    left, top = (longer - width) / 2 * side / longer, (longer - height) / 2 * side / longer
    box = (left, top, left + width * side / longer, top + height * side / longer)
    return scene.resize((width, height), Image.Resampling.BILINEAR, box=box)


@lru_cache(maxsize=PICTURES * len(_SIDES))
def _scene(number: int, side: int) -> Image.Image:
    rng = random.Random(f"picture {number}")
    draw_kind = (_landscape, _landscape, _portrait, _city, _plate, _sea, _flower, _abstract)[number % 8]
    big = Image.new("RGB", (2 * side, 2 * side))
    draw_kind(big, rng)
    return big.reduce(2)


def gradient(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    """Return a vertical gradient as an RGB image."""
    t = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    column = np.rint(np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t).astype(np.uint8)
    return Image.fromarray(column[:, None, :]).resize((width, height), Image.Resampling.NEAREST)


def _sky(image: Image.Image, rng: random.Random) -> None:
    low, high = _SKIES[int(rng.random() * len(_SKIES))]
    image.paste(gradient(*image.size, high, low))


def _cloud(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    for dx, dy, share in ((-1.2, 0.25, 0.7), (0.0, 0.0, 1.0), (1.1, 0.2, 0.8), (2.0, 0.4, 0.5)):
        draw.ellipse((x + (dx - share) * r, y + (dy - share) * r, x + (dx + share) * r, y + (dy + share) * r), _CLOUD)


def _landscape(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    _sky(image, rng)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.random() * 3)):
        _cloud(draw, side * rng.random(), side * rng.uniform(0.08, 0.32), side * rng.uniform(0.03, 0.06))
    x, y, r = side * rng.uniform(0.2, 0.8), side * rng.uniform(0.15, 0.4), side * rng.uniform(0.05, 0.12)
    draw.ellipse((x - r, y - r, x + r, y + r), (255, 240, 200))
    land = _LANDS[int(rng.random() * len(_LANDS))]
    for layer in range(3):
        base = side * (0.5 + 0.16 * layer)
        points = [(0.0, float(side))]
        points += [(side * i / 6, base + side * rng.uniform(-0.14, 0.06)) for i in range(7)]
        points.append((float(side), float(side)))
        shade = 0.75 + 0.25 * layer
        draw.polygon(points, tuple(min(255, round(c * shade)) for c in land))
    tree = tuple(round(c * 0.45) for c in land)
    for _ in range(int(rng.random() * 9)):
        x, foot, tall = side * rng.random(), side * rng.uniform(0.86, 0.98), side * rng.uniform(0.1, 0.2)
        draw.polygon([(x - tall * 0.3, foot), (x, foot - tall), (x + tall * 0.3, foot)], tree)


def _portrait(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    _sky(image, rng)
    draw = ImageDraw.Draw(image)
    skin = rng.choice(((241, 205, 175), (214, 160, 120), (150, 100, 70), (96, 64, 48)))
    shirt = tuple(rng.randrange(30, 230) for _ in range(3))
    hair = rng.choice(((40, 28, 20), (90, 60, 30), (200, 170, 110), (120, 120, 125)))
    draw.ellipse((side * 0.15, side * 0.68, side * 0.85, side * 1.4), shirt)
    draw.ellipse((side * 0.29, side * 0.16, side * 0.71, side * 0.62), hair)
    draw.ellipse((side * 0.33, side * 0.25, side * 0.67, side * 0.7), skin)
    for x in (0.42, 0.58):
        draw.ellipse((side * (x - 0.022), side * 0.42, side * (x + 0.022), side * 0.464), (40, 32, 30))
    draw.arc((side * 0.42, side * 0.46, side * 0.58, side * 0.6), 25, 155, (130, 50, 50), max(1, round(side * 0.014)))


def _city(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    _sky(image, rng)
    draw = ImageDraw.Draw(image)
    x = 0.0
    while x < side:
        w, h = side * rng.uniform(0.1, 0.2), side * rng.uniform(0.25, 0.75)
        tone = rng.randrange(40, 120)
        draw.rectangle((x, side - h, x + w, side), (tone, tone + 5, tone + 20))
        for i in range(2):
            for j in range(int(h / side * 12)):
                if rng.random() < 0.5:
                    left, top = x + w * (0.2 + 0.4 * i), side - h + side * (0.04 + 0.08 * j)
                    draw.rectangle((left, top, left + w * 0.2, top + side * 0.035), (255, 225, 140))
        x += w + side * 0.008


def _plate(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    image.paste(rng.choice(((150, 105, 75), (90, 90, 95), (215, 205, 190), (70, 95, 90))), (0, 0, side, side))
    draw = ImageDraw.Draw(image)
    draw.ellipse((side * 0.1, side * 0.1, side * 0.9, side * 0.9), (246, 246, 242))
    for _ in range(14):
        x, y, r = side * rng.uniform(0.3, 0.7), side * rng.uniform(0.3, 0.7), side * rng.uniform(0.05, 0.13)
        color = rng.choice(((200, 60, 40), (240, 170, 50), (90, 150, 60), (170, 110, 60), (250, 220, 120)))
        draw.ellipse((x - r, y - r, x + r, y + r), color)


def _sea(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    _sky(image, rng)
    draw = ImageDraw.Draw(image)
    sea = rng.choice(((30, 120, 160), (40, 90, 130), (60, 160, 170)))
    draw.rectangle((0, side * 0.5, side, side), sea)
    draw.polygon([(0, side * 0.8), (side, side * 0.68), (side, side), (0, side)], (232, 208, 160))
    x = side * rng.uniform(0.25, 0.7)
    top, foot, reach = side * 0.28, side * 0.54, side * 0.15
    draw.polygon([(x, top), (x, foot), (x + reach, foot)], (250, 250, 250))
    draw.rectangle((x - reach * 0.5, foot, x + reach, foot + side * 0.04), (150, 60, 50))


def _flower(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    image.paste(gradient(side, side, (90, 140, 80), (40, 80, 50)))
    draw = ImageDraw.Draw(image)
    petal = rng.choice(((236, 64, 122), (255, 202, 40), (171, 71, 188), (255, 255, 255), (255, 112, 67)))
    for dx, dy in ((0, -1), (0.95, -0.3), (0.6, 0.8), (-0.6, 0.8), (-0.95, -0.3)):
        x, y, r = side * (0.5 + 0.2 * dx), side * (0.5 + 0.2 * dy), side * 0.17
        draw.ellipse((x - r, y - r, x + r, y + r), petal)
    draw.ellipse((side * 0.4, side * 0.4, side * 0.6, side * 0.6), (250, 190, 40))


def _abstract(image: Image.Image, rng: random.Random) -> None:
    side = image.size[0]
    image.paste(tuple(rng.randrange(20, 240) for _ in range(3)), (0, 0, side, side))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, r = side * rng.random(), side * rng.random(), side * rng.uniform(0.12, 0.4)
        draw.ellipse((x - r, y - r, x + r, y + r), tuple(rng.randrange(20, 256) for _ in range(3)))
