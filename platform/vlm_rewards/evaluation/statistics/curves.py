"""Training curves, and their middle and band over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.statistics.estimates import over_seeds

GRID_POINTS = 101


@dataclass(frozen=True)
class Curve:
    """One metric of one trial.

    Attributes:
        steps: float64 (N,), environment steps, strictly increasing.
        values: float64 (N,), finite.
    """

    steps: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.steps)

    def at(self, steps: npt.NDArray[np.float64], window: float = 0.0) -> npt.NDArray[np.float64]:
        """Return the curve at other steps, which should lie within its own range.

        Args:
            steps: float64 (M,), environment steps.
            window: Width in environment steps. Where points of the curve lie within half of it on either side, the
                value is their mean; elsewhere, and with 0, it is interpolated linearly between the two neighbours.

        Returns:
            float64 (M,), in the units of the curve.
        """
        values = np.interp(steps, self.steps, self.values)
        if window <= 0:
            return values
        first = np.searchsorted(self.steps, steps - window / 2, side="left")
        after = np.searchsorted(self.steps, steps + window / 2, side="right")
        sums = np.concatenate([[0.0], np.cumsum(self.values)])
        counts = after - first
        return np.where(counts > 0, (sums[after] - sums[first]) / np.maximum(counts, 1), values)


@dataclass(frozen=True)
class SeedBand:
    """One curve for some trials that differ in their seed alone.

    Attributes:
        steps: float64 (M,), a grid within the range that all trials share.
        value: float64 (M,), the value over seeds at each step: as `estimates.over_seeds` takes it.
        low: float64 (M,), lower end of the band, at most `value`.
        high: float64 (M,), upper end, at least `value`; equal to `value` with one seed.
        seeds: How many trials it is made of.
        kind: What value and band are, in words, as `estimates.over_seeds` says it.
    """

    steps: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    seeds: int
    kind: str


def band_over_seeds(curves: Sequence[Curve], window: float = 0.0) -> SeedBand | None:
    """Return the middle and the band of curves whose step grids may differ.

    Each curve is first replaced by its running mean at its own steps, if `window` asks for one, and then interpolated
    linearly on a common grid of 101 points from the latest first step to the earliest last step; at each point the
    value and band are those of `estimates.over_seeds`, whose bootstrap draws whole curves. A trial's own grid is kept
    if it is alone.

    Args:
        curves: Trials that differ in their seed alone; those without points are left out.
        window: Width of the running mean, in environment steps.

    Returns:
        None where no curve has a point, or the curves share no range.
    """
    curves = [Curve(curve.steps, curve.at(curve.steps, window)) for curve in curves if len(curve)]
    if not curves:
        return None
    first = max(curve.steps[0] for curve in curves)
    last = min(curve.steps[-1] for curve in curves)
    if first > last:
        return None
    alone = len(curves) == 1 and len(curves[0]) <= GRID_POINTS
    grid = curves[0].steps if alone else np.linspace(first, last, GRID_POINTS if last > first else 1)
    values = np.stack([curve.at(grid) for curve in curves])
    value, low, high, kind = over_seeds(values)
    return SeedBand(grid, value, low, high, len(curves), kind)
