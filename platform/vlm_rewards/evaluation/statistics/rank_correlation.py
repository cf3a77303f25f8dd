"""Spearman's rank correlation of a property of the arms with the final return of their trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# 9! orders are enumerated in a second; beyond that a sample of them is drawn.
MOST_ENUMERATED = 9
DRAWN_PERMUTATIONS = 100_000


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho with its uncertainty.

    Attributes:
        rho: Rank correlation over trials, in [-1, 1]; NaN where one side has one value only.
        low: Lower end of the 95 % bootstrap interval of `rho`; NaN where no arm has a second seed.
        high: Upper end; NaN where no arm has a second seed.
        p_value: Two-sided permutation p-value of `rho`, over trials, in (0, 1].
        exact: Whether all orders were enumerated for it; else 100,000 random ones were drawn.
        trials: How many trials.
        arm_rho: Rank correlation over the means of arms: seeds of one arm count once.
        arm_p_value: Its two-sided permutation p-value, over arms, in (0, 1].
        arms: How many arms.
    """

    rho: float
    low: float
    high: float
    p_value: float
    exact: bool
    trials: int
    arm_rho: float
    arm_p_value: float
    arms: int


def rank_correlation(
    properties: Sequence[float], returns: Sequence[Sequence[float]], resamples: int = 2000, seed: int = 0
) -> RankCorrelation | None:
    """Return the rank correlation of each arm's property with its trials' final returns.

    rho is Pearson's correlation of ranks, ties sharing their mean rank; each trial is one pair (its arm's property, its
    own return). The interval is a percentile bootstrap that draws, within each arm, as many of its trials with
    replacement: it holds the arms fixed and tells how much rests on the seeds. The p-value is the share of all ways of
    handing the returns to the trials whose |rho| is at least the one found (Fisher's permutation test). The same test
    over the arms' mean returns is stricter: it asks whether the *arms* lie in this order by chance, of which four
    arms can show no less than p = 2/24.

    Args:
        properties: A number an arm: parameters, average precision, claimed order.
        returns: The final returns of each arm's trials; an arm without any is left out.
        resamples: How many resamples the bootstrap draws.
        seed: Seed of the bootstrap and of drawn permutations.

    Returns:
        None with fewer than two arms or three trials: there is no order to speak of.
    """
    pairs = [(x, np.asarray(group, np.float64)) for x, group in zip(properties, returns, strict=True) if len(group)]
    groups = [group for _, group in pairs]
    if len(pairs) < 2 or sum(map(len, groups)) < 3:
        return None
    rng = np.random.default_rng(seed)
    by_arm = np.array([x for x, _ in pairs], np.float64)
    by_trial = np.repeat(by_arm, [len(group) for group in groups])
    low, high = _bootstrap(by_trial, groups, resamples, rng)
    rho, p_value, exact = _permutation_test(by_trial, np.concatenate(groups), rng)
    arm_rho, arm_p_value, _ = _permutation_test(by_arm, np.array([group.mean() for group in groups]), rng)
    return RankCorrelation(rho, low, high, p_value, exact, len(by_trial), arm_rho, arm_p_value, len(pairs))


@dataclass(frozen=True)
class GroupedCorrelation:
    """Rank correlation within groups of arms, over all groups together.

    Attributes:
        rho: Correlation of the ranks that arms have in their own group, in [-1, 1]; NaN where one side has one value
            only.
        low: Lower end of its 95 % interval, by bootstrap over groups, in [-1, 1].
        high: Upper end, in [-1, 1].
        groups: How many groups of two arms or more.
        arms: How many arms these have.
    """

    rho: float
    low: float
    high: float
    groups: int
    arms: int


def grouped_rank_correlation(
    groups: Sequence[tuple[Sequence[float], Sequence[float]]], resamples: int = 2000, seed: int = 0
) -> GroupedCorrelation | None:
    """Return how well a property orders arms within groups: templates within models, say, whatever the model is worth.

    Args:
        groups: For each, a number an arm and its final return; a group of one arm has no order and is left out.
        resamples: Resamples of the bootstrap over groups.
        seed: Seed of the bootstrap.

    Returns:
        None with fewer than three groups: there would be nothing to draw.
    """
    usable = [(values, returns) for values, returns in groups if len(values) > 1]
    if len(usable) < 3:
        return None
    ranked = [
        np.stack([ranks_within(np.asarray(side, np.float64), np.zeros(len(side))) for side in group])
        for group in usable
    ]

    def rho(parts: Sequence[npt.NDArray[np.float64]]) -> float:
        x, y = np.concatenate(parts, axis=1)
        return float(_correlations(x, y[None])[0])

    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(ranked), (resamples, len(ranked)))
    spread = np.array([rho([ranked[i] for i in drawn]) for drawn in draws])
    spread = spread[np.isfinite(spread)]
    low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (np.nan, np.nan)
    return GroupedCorrelation(rho(ranked), float(low), float(high), len(ranked), sum(part.shape[1] for part in ranked))


def ranks_within(values: npt.NDArray[np.float64], groups: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return ranks within groups; ties share theirs.

    Args:
        values: float64 (N,), in the units of what is ranked.
        groups: (N,) of any dtype, equal for values of one group.

    Returns:
        float64 (N,), scaled to [-1, 1]; NaN in a group of one, which has no order.
    """
    ranks = np.full(len(values), np.nan)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        if len(own) > 1:
            ranks[own] = 2 * (_ranks(values[own]) - 1) / (len(own) - 1) - 1
    return ranks


def _bootstrap(
    by_trial: npt.NDArray[np.float64], groups: Sequence[np.ndarray], resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    if max(map(len, groups)) < 2:
        return np.nan, np.nan
    draws = np.concatenate([group[rng.integers(0, len(group), (resamples, len(group)))] for group in groups], axis=1)
    rhos = _correlations(_ranks(by_trial), _ranks(draws))
    rhos = rhos[np.isfinite(rhos)]
    if not len(rhos):
        return np.nan, np.nan
    low, high = np.quantile(rhos, [0.025, 0.975])
    return float(low), float(high)


def _permutation_test(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float, bool]:
    """Return rho, its two-sided p-value, and whether all orders were enumerated."""
    from scipy import stats

    ranks_x, ranks_y = _ranks(x), _ranks(y)
    rho = float(_correlations(ranks_x, ranks_y[None])[0])
    if not np.isfinite(rho):
        return np.nan, np.nan, True
    exact = len(x) <= MOST_ENUMERATED
    found = stats.permutation_test(
        (ranks_y,),
        # scipy doubles the smaller tail; Fisher's test counts what is as far from 0, which differs where ranks tie.
        lambda rows, axis: np.abs(_correlations(ranks_x, rows)),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=math.factorial(len(x)) if exact else DRAWN_PERMUTATIONS,
        batch=20_000,
        alternative="greater",
        rng=rng,
    )
    return rho, float(found.pvalue), exact


def _ranks(values: np.ndarray) -> npt.NDArray[np.float64]:
    """Return ranks along the last axis, ties sharing their mean rank."""
    from scipy import stats

    result: npt.NDArray[np.float64] = stats.rankdata(values, axis=-1)
    return result


def _correlations(x: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Pearson's correlation of x (N,) with each of `rows` (M, N); NaN where one of them is constant."""
    x, rows = x - x.mean(), rows - rows.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: npt.NDArray[np.float64] = rows @ x / np.sqrt((x @ x) * (rows * rows).sum(-1))
        return result
