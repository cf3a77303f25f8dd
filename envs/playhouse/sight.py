"""Straight lines that nothing solid crosses."""

from __future__ import annotations

import numpy as np


def clear_lines(points: np.ndarray, target: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which of the segments from `points` to `target` cross none of the boxes.

    Args:
        points: float (N, 3), metres.
        target: float (3,), metres.
        boxes: float (M, 2, 3), lowest and highest corners of axis-aligned boxes.

    Returns:
        bool (N,).
    """
    if len(boxes) == 0 or len(points) == 0:
        return np.ones(len(points), dtype=bool)
    low, high = np.minimum(points.min(axis=0), target), np.maximum(points.max(axis=0), target)
    boxes = boxes[((boxes[:, 0] <= high) & (boxes[:, 1] >= low)).all(axis=1)]
    direction = (target - points)[:, None]
    direction = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    with np.errstate(over="ignore"):
        to_low = (boxes[None, :, 0] - points[:, None]) / direction
        to_high = (boxes[None, :, 1] - points[:, None]) / direction
    enter = np.minimum(to_low, to_high).max(axis=2)
    leave = np.maximum(to_low, to_high).min(axis=2)
    result: np.ndarray = ~((enter <= leave) & (leave >= 0.0) & (enter <= 1.0)).any(axis=1)
    return result
