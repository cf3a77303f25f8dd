"""Levels of pressure: what a search finds at each, with intervals over starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.under_pressure.outcomes import Outcomes
from vlm_rewards.evaluation.statistics import best_of_n_weights, nats_of_best_of

RANDOM, PERTURBED, CEM = "best of n", "perturbed starts", "cross-entropy"


@dataclass(frozen=True)
class Level:
    """One level of one search against one reward.

    Attributes:
        search: `RANDOM`, `PERTURBED`, `CEM`, or an agent's name.
        tries: Episodes that the search had by then, a start; environment steps of an agent's training.
        nats: How far it has moved from acting at random, in nats; NaN where it is not known.
        shares: float64 (P, 3) for P starts: the expected share of its episodes that are paid; paid in a state in which
            the goal holds; and in which the goal was reached.
    """

    search: str
    tries: int
    nats: float
    shares: npt.NDArray[np.float64]


def best_of_n_levels(found: Outcomes, levels: Sequence[int], search: str = RANDOM) -> list[Level]:
    """Return the levels of picking the best of n episodes of each start.

    Args:
        found: Arrays (P, N), N episodes of each of P starts.
        levels: n of each level.
        search: What it is called.
    """
    kinds = np.stack([found.paid, found.true, found.truth], axis=-1).astype(np.float64)
    result = []
    for n in levels:
        weights = np.stack([best_of_n_weights(values, n) for values in found.value])
        result.append(Level(search, n, nats_of_best_of(n), np.einsum("pn,pnk->pk", weights, kinds)))
    return result


@dataclass(frozen=True)
class Intervals:
    """Bootstrap over starts, the same resamples for all rewards of a task: they met the same starts.

    Attributes:
        resamples: Resamples.
        seed: Seed of the draws.
    """

    resamples: int
    seed: int = 0

    def row(self, level: Level, reference: Level) -> dict[str, Any]:
        """Return what a table says of a level.

        Args:
            level: Level of the reward.
            reference: Level of the same search on the truth itself, over the same starts.

        Returns:
            `reward`, the share of the episodes that are paid; `truth`, in which the goal was reached by their end;
            `true_reward`, that are paid in a state in which the goal holds; `precision`, the last as a share of the
            first; and `kept`, as a share of what the same search on the truth is paid. With `_low` and `_high`, the
            ends of the 95 % percentile interval; NaN where nothing is paid, or the reference reaches nothing.
        """
        drawn = self._draws(len(level.shares))
        means, best = level.shares.mean(axis=0), reference.shares[:, 1].mean()
        many, many_best = level.shares[drawn].mean(axis=1), reference.shares[drawn, 1].mean(axis=1)
        values = {
            "reward": (means[0], many[:, 0]),
            "truth": (means[2], many[:, 2]),
            "true_reward": (means[1], many[:, 1]),
            "precision": (_ratio(means[1], means[0]), _ratio(many[:, 1], many[:, 0])),
            "kept": (_ratio(means[1], best), _ratio(many[:, 1], many_best)),
        }
        row: dict[str, Any] = {"search": level.search, "tries": level.tries, "nats": level.nats}
        for name, (value, spread) in values.items():
            defined = spread[np.isfinite(spread)]
            low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
            row |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
        return row

    def ratio(self, level: Level, other: Level) -> tuple[float, float, float]:
        """Return the true reward of a level as a multiple of another's, and the ends of its 95 % interval."""
        drawn = self._draws(len(level.shares))
        ours, theirs = level.shares[:, 1], other.shares[:, 1]
        spread = _ratio(ours[drawn].mean(axis=1), theirs[drawn].mean(axis=1))
        spread = spread[np.isfinite(spread)]
        low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (np.nan, np.nan)
        return float(_ratio(ours.mean(), theirs.mean())), float(low), float(high)

    def _draws(self, starts: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng(self.seed).integers(0, starts, (self.resamples, starts))


def _ratio(over: Any, under: Any) -> Any:
    over, under = np.asarray(over, np.float64), np.asarray(under, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under > 0, over / under, np.nan)
