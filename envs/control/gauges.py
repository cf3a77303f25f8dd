"""Numbers as positions of light on lines: a picture from which they can be read back."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

COLUMNS = 32
"""Pixels of a line."""

ROWS_PER_LINE = 2
"""Height of a line, pixels."""

CLOSE_UP = 8.0
"""How much the green channel enlarges the middle of a range."""


def draw_gauges(values: Sequence[float], limits: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Draw each number as a line.

    Red is a point of light at the number's place between -limit (first column) and limit (last column), shared between
    the two pixels beside it. Green is the same for the middle eighth of the range, enlarged. Blue is lit from the first
    column up to the number's place. What is outside of a range is shown at its end.

    Args:
        values: n numbers.
        limits: n numbers above 0: half of each range.

    Returns:
        uint8 (2 * n, 32, 3), line by line from the top.
    """
    shares = np.asarray(values, np.float64) / np.asarray(limits, np.float64)
    columns = np.arange(COLUMNS)
    place = _place(shares)[:, None]
    lines = np.stack(
        [
            1 - np.abs(columns - place),
            1 - np.abs(columns - _place(shares * CLOSE_UP)[:, None]),
            1 + place - columns,
        ],
        axis=-1,
    )
    pixels = np.rint(np.clip(lines, 0, 1) * 255).astype(np.uint8)
    return np.repeat(pixels, ROWS_PER_LINE, axis=0)


def read_gauges(picture: npt.NDArray[np.uint8], limits: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the numbers that `draw_gauges` has drawn, from the red channel alone.

    Args:
        picture: uint8 (2 * n, 32, 3).
        limits: Those that it was drawn with.

    Returns:
        float64 (n,), each within 0.01 % of its range (2 * limit) of what was drawn, or of the range's end.
    """
    light = picture[::ROWS_PER_LINE, :, 0].astype(np.float64)
    place = (light * np.arange(COLUMNS)).sum(axis=1) / light.sum(axis=1)
    numbers: npt.NDArray[np.float64] = (2 * place / (COLUMNS - 1) - 1) * np.asarray(limits, np.float64)
    return numbers


def _place(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return columns in [0, COLUMNS - 1] for shares of a limit, of which -1 to 1 are within the range."""
    return (np.clip(shares, -1, 1) + 1) / 2 * (COLUMNS - 1)
