"""The arithmetic of a replay's batches: which goal a step gets, and what it is worth for that goal."""

import numpy as np
import numpy.typing as npt

from vlm_rewards.rllib.replay_settings import Hindsight


def relabelled(
    rng: np.random.Generator,
    hindsight: Hindsight,
    own: npt.NDArray[np.int64],
    later: npt.NDArray[np.bool_],
    alike: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the goal of each drawn step; see `Hindsight`.

    Args:
        rng: Draws.
        hindsight: The shares.
        own: (B,) goals of the steps' episodes.
        later: bool (B, G), which goals are achieved later in these episodes.
        alike: bool (G, G), which goals are like which (`TrainingGoals.alike`); asked for by `hindsight.alike`.

    Returns:
        int64 (B,), in [0, G).
    """
    size, goals = later.shape
    counts = later.sum(axis=1)
    relabel = rng.random(size) < hindsight.share
    future = relabel & (rng.random(size) < hindsight.future) & (counts > 0)
    achieved = _drawn(rng, later, counts)
    other: npt.NDArray[np.int64] = np.asarray(rng.integers(goals, size=size))
    if hindsight.alike:
        assert alike is not None, "alike asks which goals are"
        candidates = alike[achieved]
        counted = candidates.sum(axis=1)
        near = (rng.random(size) < hindsight.alike) & (counts > 0) & (counted > 0)
        other = np.where(near, _drawn(rng, candidates, counted), other)
    return np.where(future, achieved, np.where(relabel, other, own))


def _drawn(
    rng: np.random.Generator, among: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return one of each row's True columns, uniformly; 0 where there is none."""
    # The k-th is where the row's running count first passes k.
    k = (rng.random(len(among)) * counts).astype(np.int64)
    drawn: npt.NDArray[np.int64] = (np.cumsum(among, axis=1) > k[:, None]).argmax(axis=1)
    return drawn


def n_step_returns(
    rewards: npt.NDArray[np.float32], ends: npt.NDArray[np.bool_], count: npt.NDArray[np.int64], gamma: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the discounted sums of the next rewards, up to an end, and what the value after them is worth.

    Args:
        rewards: float32 (B, n), the rewards of arriving at each of the next n states.
        ends: bool (B, n), whether the episode ends there: for a relabelled step, whether its own goal is achieved.
        count: (B,) how many of the n states the episode has, at least 1.
        gamma: Discount factor per step.

    Returns:
        Sums float32 (B,); gamma to the number of steps summed, or 0 after an end, float32 (B,); that number (B,).
    """
    ahead = np.arange(rewards.shape[1])
    inside = ahead < count[:, None]
    ended = ends & inside
    # A step counts if nothing before it has ended the episode.
    counted = inside & (np.cumsum(ended, axis=1) - ended == 0)
    taken = counted.sum(axis=1)
    sums = (rewards * counted * gamma**ahead).sum(axis=1)
    discounts = np.where(ended.any(axis=1), 0.0, gamma**taken)
    return sums.astype(np.float32), discounts.astype(np.float32), taken
