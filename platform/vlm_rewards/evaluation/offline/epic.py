"""EPIC distance between two rewards (Gleave et al. 2021, "Quantifying Differences in Reward Functions")."""

import math

import numpy as np
import numpy.typing as npt


def canonical_rewards(
    rewards: np.ndarray,
    mean_from_next: npt.ArrayLike,
    mean_from_state: npt.ArrayLike,
    mean: npt.ArrayLike,
    discount: float,
) -> npt.NDArray[np.float64]:
    """Return canonically shaped rewards, definition 4.1: equal for any two that differ by potential shaping alone.

    C(R)(s, a, s') = R(s, a, s') + E[discount * R(s', A, S') - R(s, A, S') - discount * R(S, A, S')], with S, A and S'
    drawn independently from the coverage distribution.

    Args:
        rewards: float (N,), R(s, a, s') of N transitions.
        mean_from_next: float (N,), E[R(s', A, S')] of their next states.
        mean_from_state: float (N,), E[R(s, A, S')] of their states.
        mean: E[R(S, A, S')], a float or float (N,).
        discount: In [0, 1].

    Returns:
        float64 (N,), in the units of the rewards.
    """
    rewards, mean = np.asarray(rewards, np.float64), np.asarray(mean, np.float64)
    result: npt.NDArray[np.float64] = (
        rewards + discount * np.asarray(mean_from_next) - np.asarray(mean_from_state) - discount * mean
    )
    return result


def pearson_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the distance sqrt((1 - correlation) / 2) of two random variables, definition 4.3.

    Args:
        first: float (N,).
        second: float (N,).

    Returns:
        In [0, 1]: 0 for rewards that order and space all transitions alike, 1 / sqrt(2) for unrelated ones, 1 for
        opposite ones; NaN where one of them is constant.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(first @ first) * float(second @ second))
    if scale < 1e-12:
        return math.nan
    return math.sqrt(max(0.0, (1 - float(first @ second) / scale) / 2))


def epic_distance(first: np.ndarray, second: np.ndarray, goals: np.ndarray, discount: float = 0.99) -> float:
    """Return the EPIC distance of two goal-conditioned rewards of the state reached, on the coverage of a dataset.

    A goal stays fixed for an episode, so each is a task of its own: shaping, and with it the canonical form, is per
    goal. S, A and S' are those of the goal's transitions in the dataset. Rewards of the state reached alone, as the
    reward of equation 2 and the ground truth are, have E[R(s, A, S')] = E[R(s', A, S')] = E[R(S, A, S')], the mean
    over the goal's states. The Pearson distance is taken over all transitions of all goals together, so that goals
    without a success, or without a reward, count as well.

    Args:
        first: float (N,), one reward of each state reached.
        second: float (N,), the other.
        goals: (N,) of any dtype, the goal of each state: any values that can be compared.
        discount: In [0, 1]; has no effect on rewards of the state reached alone.

    Returns:
        In [0, 1], NaN where a canonical reward is constant.
    """
    _, goal = np.unique(np.asarray(goals), return_inverse=True)
    shaped = []
    for rewards in (first, second):
        rewards = np.asarray(rewards, np.float64)
        mean = (np.bincount(goal, rewards) / np.bincount(goal))[goal]
        shaped.append(canonical_rewards(rewards, mean, mean, mean, discount))
    return pearson_distance(*shaped)
