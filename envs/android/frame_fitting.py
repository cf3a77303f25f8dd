"""Frames of one size shown at another."""

import numpy as np
from PIL import Image


def fit_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a frame to fit into another size, on black where the aspect differs.

    Args:
        frame: uint8 (H, W, 3).
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.

    Returns:
        uint8 (height, width, 3).
    """
    scale = min(height / frame.shape[0], width / frame.shape[1])
    inner_height = min(max(round(frame.shape[0] * scale), 1), height)
    inner_width = min(max(round(frame.shape[1] * scale), 1), width)
    image = Image.fromarray(np.ascontiguousarray(frame)).resize((inner_width, inner_height), Image.Resampling.BOX)
    fitted = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    fitted[top : top + inner_height, left : left + inner_width] = np.asarray(image)
    return fitted
