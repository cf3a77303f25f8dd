"""What the shapes of things are made of."""

from __future__ import annotations

import numpy as np

from envs.playhouse.geometry import Mesh

#: Shades of a thing's parts: the colour that captions name, and two that they do not.
MAIN, SECOND, DARK = "main", "second", "dark"
Part = tuple[str, Mesh]


class Draw:
    """Short ways to draw numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._rng = rng

    def __call__(self, low: float, high: float) -> float:
        """Return a number between two."""
        return float(self._rng.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """Return a whole number between two, both included."""
        return int(self._rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """Return whether something that happens in this share of cases happens."""
        return bool(self._rng.random() < share)
