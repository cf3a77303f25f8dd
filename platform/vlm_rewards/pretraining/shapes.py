"""A tiny captioned world, for tests and as an example of a caption source."""

import numpy as np

from vlm_rewards.pretraining.caption_source import CaptionedImage

COLOURS = {"red": (210, 40, 40), "green": (40, 160, 60), "blue": (50, 70, 210), "yellow": (230, 200, 40)}
SHAPES = ("square", "circle", "cross")


def random_shape(rng: np.random.Generator, height: int, width: int) -> CaptionedImage:
    """Draw one coloured shape at a random place and size on a light background.

    Args:
        rng: Source of all randomness.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        An image uint8 (height, width, 3), two captions, and "COLOUR SHAPE" as its label.
    """
    colour, shape = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
    background = rng.integers(190, 256, size=3)
    frame = np.clip(background + rng.integers(-12, 13, size=(height, width, 3)), 0, 255).astype(np.uint8)
    radius = rng.uniform(0.15, 0.3) * min(height, width)
    middle_y = rng.uniform(radius, height - radius)
    middle_x = rng.uniform(radius, width - radius)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = np.abs(y + 0.5 - middle_y), np.abs(x + 0.5 - middle_x)
    masks = {
        "square": np.maximum(x, y) < radius,
        "circle": np.hypot(x, y) < radius,
        "cross": (np.minimum(x, y) < radius / 3) & (np.maximum(x, y) < radius),
    }
    frame[masks[shape]] = COLOURS[colour]
    captions = (f"a {colour} {shape}", f"a picture of a {shape} in {colour}")
    return CaptionedImage(frame, captions, f"{colour} {shape}")
