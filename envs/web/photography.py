"""What happens to a picture before it is on the web: cropped, framed, recoloured, blurred, compressed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from envs.web.colours import muted


def as_found(picture: np.ndarray, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a picture as the web would show it.

    Args:
        picture: uint8 (H, W, 3), larger than what is asked for.
        rng: Decides everything.
        height: Height of the result, pixels.
        width: Width of the result, pixels.

    Returns:
        uint8 (height, width, 3); always compressed, and mostly changed in other ways, too.
    """
    image = Image.fromarray(picture)
    if rng.random() < 0.6:
        image = _cropped(image, rng)
    if rng.random() < 0.25:
        image = ImageOps.mirror(image)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    if rng.random() < 0.1:
        image = _framed(image, rng)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.5:
            image = change(image).enhance(float(rng.uniform(0.75, 1.25)))
    if rng.random() < 0.25:
        cast = np.asarray(image, np.float32) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        image = Image.fromarray(np.clip(cast, 0, 255).astype(np.uint8))
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1))))
    return _compressed(image, int(rng.integers(40, 93)))


def photographed(screen: np.ndarray, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a screen as a screenshot among others or as a photograph of a telephone at an angle.

    Args:
        screen: uint8 (H, W, 3), upright.
        rng: Decides everything.
        height: Height of the result, pixels.
        width: Width of the result, pixels.
    """
    image = Image.fromarray(screen)
    canvas = Image.new("RGB", (width * 2, height * 2), tuple(int(255 * c) for c in muted(rng, (0.0, 1.0))))
    if rng.random() < 0.45:
        # A screenshot, whole or cut, shown as large as fits.
        share = rng.uniform(0.72, 1.0)
        shown = image.crop((0, int(image.height * (1 - share) * rng.random()), image.width, image.height))
        scale = min(canvas.width / shown.width, canvas.height / shown.height) * rng.uniform(0.75, 1.0)
        shown = shown.resize((max(8, int(shown.width * scale)), max(8, int(shown.height * scale))))
        left = int(rng.integers(0, canvas.width - shown.width + 1))
        canvas.paste(shown, (left, int(rng.integers(0, canvas.height - shown.height + 1))))
    else:
        bezel = int(rng.integers(4, 14))
        shade = int(rng.integers(0, 60))
        device = ImageOps.expand(image, bezel, (shade, shade, shade))
        scale = canvas.height / device.height * rng.uniform(0.7, 1.15)
        device = device.resize((max(8, int(device.width * scale)), max(8, int(device.height * scale))))
        mask = Image.new("L", device.size, 255)
        corners = _slanted(device.size, rng)
        device = device.transform(device.size, Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
        mask = mask.transform(mask.size, Image.Transform.QUAD, corners)
        angle = float(rng.uniform(-14, 14))
        device = device.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        mask = mask.rotate(angle, expand=True)
        left = int((canvas.width - device.width) * rng.uniform(0.3, 0.7))
        canvas.paste(device, (left, int((canvas.height - device.height) * rng.uniform(0.3, 0.7))), mask)
    return as_found(np.asarray(canvas), rng, height, width)


def _slanted(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, ...]:
    """Return the corners of the source, somewhat outside of the picture, from the upper left by the lower left."""
    width, height = size
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    outwards = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
    return tuple(
        float(value)
        for (x, y), (dx, dy) in zip(corners, outwards, strict=True)
        for value in (x + dx * width * rng.uniform(0, 0.16), y + dy * height * rng.uniform(0, 0.1))
    )


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = float(rng.uniform(0.86, 1.0))
    wide, high = int(image.width * share), int(image.height * share)
    left, top = int(rng.integers(0, image.width - wide + 1)), int(rng.integers(0, image.height - high + 1))
    return image.crop((left, top, left + wide, top + high))


def _framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    border = int(rng.integers(2, max(3, image.width // 10)))
    rgb = tuple(int(255 * c) for c in muted(rng, (0.0, 1.0)))
    inner = image.resize((image.width - 2 * border, image.height - 2 * border))
    return ImageOps.expand(inner, border, rgb)


def _compressed(image: Image.Image, quality: int) -> np.ndarray:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=quality)
    return np.array(Image.open(stored).convert("RGB"))
