"""DARD distance between two rewards (Wulfe et al. 2022, "Dynamics-Aware Comparison of Learned Reward Functions")."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vlm_rewards.evaluation.offline.epic import pearson_distance


def dard_distance(
    first: np.ndarray,
    second: np.ndarray,
    features: np.ndarray,
    trajectory: np.ndarray,
    goals: np.ndarray,
    neighbours: int = 10,
) -> float:
    """Return the DARD distance of two goal-conditioned rewards of the state reached, on recorded transitions.

    DARD compares rewards after the transformation (equation 3)

    C(R)(s, a, s') = R(s, a, s') + E[discount * R(s', A, S'') - R(s, A, S') - discount * R(S', A, S'')],

    with S' and S'' drawn from the transition model at s and s'. Rewards of the state reached alone, as the reward of
    equation 2 and the ground truth are, have the first and the last expectation in common, whatever the discount:
    what is left is R(s') - E[R(S')], how much better the state reached is than those that could have been. Unlike
    EPIC's, this expectation is over states that can follow s, not over all of the dataset.

    The transition model is the dataset's: the successors of the states nearest to s by their features among those of
    the same goal, s itself included. The distance is Pearson's, over all transitions of all goals together.

    Args:
        first: float (N,), one reward of each state reached, by trajectory and step.
        second: float (N,), the other.
        features: float (N, D), by which states are near; embeddings of the frames.
        trajectory: int (N,), the trajectory of each state, whose states lie together in order.
        goals: (N,) of any dtype, the goal of each state: any values that can be compared.
        neighbours: States whose successors stand for what could have followed.

    Returns:
        A number in [0, 1]; NaN where there is no transition, or a transformed reward is constant.
    """
    trajectory, goals = np.asarray(trajectory), np.asarray(goals)
    before = np.flatnonzero(trajectory[:-1] == trajectory[1:])
    if not len(before):
        return np.nan
    rewards = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)], axis=1)
    transformed = np.empty((len(before), 2))
    for goal in np.unique(goals[before]):
        rows = np.flatnonzero(goals[before] == goal)
        states = before[rows]
        search = NearestNeighbors(n_neighbors=min(neighbours, len(states)), algorithm="brute")
        near = search.fit(features[states]).kneighbors(features[states], return_distance=False)
        transformed[rows] = rewards[states + 1] - rewards[states[near] + 1].mean(axis=1)
    return pearson_distance(transformed[:, 0], transformed[:, 1])
