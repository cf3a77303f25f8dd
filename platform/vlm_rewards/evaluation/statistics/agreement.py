"""How far the reward return in training tells the success rate on held-out goals, along one run."""

import warnings
from dataclasses import dataclass

import numpy as np

from vlm_rewards.evaluation.statistics.curves import Curve

FEWEST_POINTS = 3


@dataclass(frozen=True)
class Agreement:
    """Correlation of two returns over the evaluations of one trial.

    Attributes:
        pearson: In [-1, 1]; NaN where either return never changed.
        spearman: Correlation of ranks in [-1, 1]; NaN where either return never changed.
        points: How many evaluations.
    """

    pearson: float
    spearman: float
    points: int


def training_agreement(reward_return: Curve, held_out: Curve) -> Agreement | None:
    """Return the correlation of the reward return in training with held-out success (figure 3 of the paper).

    There is one pair for each held-out evaluation within the range of training: its success rate by ground truth, and
    the reward return over the training iterations around it (those nearer than half the usual distance of two
    evaluations). Both grow along a run, so neighbouring pairs are not independent and no p-value is given: the number
    describes the run.

    Args:
        reward_return: A point a training iteration.
        held_out: A point an evaluation.

    Returns:
        None with fewer than three pairs.
    """
    from scipy import stats

    if not len(reward_return) or len(held_out) < FEWEST_POINTS:
        return None
    spacing = float(np.median(np.diff(held_out.steps)))
    inside = held_out.steps >= reward_return.steps[0] - spacing / 2
    inside &= held_out.steps <= reward_return.steps[-1] + spacing / 2
    truth = held_out.values[inside]
    if len(truth) < FEWEST_POINTS:
        return None
    rewards = reward_return.at(held_out.steps[inside], spacing)
    with warnings.catch_warnings():
        # A return that never changes has no correlation: NaN says so.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        pearson, spearman = stats.pearsonr(rewards, truth).statistic, stats.spearmanr(rewards, truth).statistic
    return Agreement(float(pearson), float(spearman), len(truth))
