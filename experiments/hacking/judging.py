"""Which recorded trainings lost the truth while their reward paid, and what the alarm said of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.shared.stored_runs import curve_of
from experiments.study_report.records import REWARD_RETURN, SUCCESS_RATE
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.reward_hacking import RewardHackingAlarm

FEWEST_ITERATIONS = 20
"""A shorter training is not judged: a fifth of it would be three iterations or fewer."""

_SHARE, _FALL, _SIGNIFICANCE = 0.2, 0.5, 3.0


@dataclass(frozen=True)
class Verdict:
    """One training, and whether the alarm was right about it.

    Attributes:
        name: Name of its MLflow run.
        run_id: Id of that run.
        best: Highest mean success rate over a fifth of the iterations before the last fifth, in [0, 1].
        last: Mean success rate over the last fifth.
        reward_best: Mean reward return over the iterations of `best`.
        reward_last: The same over the last fifth.
        halved_at: Environment steps at which the mean over the latest fifth first stood at half of the best before it
            or less, for good; None in a training whose truth did not fall by half.
        fired_at: Environment steps at which the alarm fired; None where it did not.
        curve: The training.
    """

    name: str
    run_id: str
    best: float
    last: float
    reward_best: float
    reward_last: float
    halved_at: int | None
    fired_at: int | None
    curve: tuple[CurvePoint, ...]

    @property
    def halved(self) -> bool:
        """Whether the truth fell by half."""
        return self.halved_at is not None

    @property
    def lead(self) -> float | None:
        """Steps from the alarm until the truth had fallen by half, as a share of the training; negative is late."""
        if self.halved_at is None or self.fired_at is None:
            return None
        return (self.halved_at - self.fired_at) / self.curve[-1].env_steps


def points_of(client: Any, run: Any) -> list[CurvePoint]:
    """Return the training iterations of an MLflow run in which episodes ended, by rising environment steps.

    Empty where it recorded none.
    """
    if not {REWARD_RETURN, SUCCESS_RATE} <= run.data.metrics.keys():
        return []
    curves = [curve_of(client.get_metric_history(run.info.run_id, key)) for key in (REWARD_RETURN, SUCCESS_RATE)]
    rewards, truth = (dict(zip(curve.steps, curve.values, strict=True)) for curve in curves)
    nothing = float("nan")
    return [
        CurvePoint(int(step), float(rewards[step]), float(truth[step]), nothing)
        for step in sorted(rewards.keys() & truth.keys())
    ]


def judge_all(runs: Iterable[tuple[Any, Any]], **parameters: Any) -> list[Verdict]:
    """Judge the alarm on every finished training on a reward model.

    Args:
        runs: Pairs of an MLflow client and a run.
        parameters: Of the alarm.

    Returns:
        By name; trainings on the true reward, unfinished ones and those of fewer than twenty iterations are left out.
    """
    verdicts = []
    for client, run in runs:
        if run.data.params.get("reward.kind") != "clip" or run.info.status != "FINISHED":
            continue
        points = points_of(client, run)
        if len(points) >= FEWEST_ITERATIONS:
            verdicts.append(judge(run.info.run_name or run.info.run_id, run.info.run_id, points, **parameters))
    return sorted(verdicts, key=lambda verdict: (verdict.name, verdict.run_id))


def judge(name: str, run_id: str, points: Sequence[CurvePoint], **parameters: Any) -> Verdict:
    """Judge the alarm on one training.

    The truth fell by half where its mean over the last fifth of the iterations is at most half of the best mean over
    a fifth before that, and the fall is at least three of its standard errors. That is decided by what came out in the
    end and by the truth alone, where the alarm looks at each moment at what there is, and at the reward too.

    Args:
        name: What the training is called.
        run_id: Id of its run.
        points: At least twenty training iterations, by rising environment steps.
        parameters: Of the alarm.
    """
    kept = [point for point in points if np.isfinite(point.reward_return) and np.isfinite(point.success_rate)]
    truth = np.array([point.success_rate for point in kept])
    rewards = np.array([point.reward_return for point in kept])
    window = max(2, round(_SHARE * len(kept)))
    means = np.convolve(truth, np.ones(window) / window, "valid")  # of iterations i to i + window - 1
    before = max(1, len(means) - window)  # windows that end before the last one begins
    best = int(means[:before].argmax())
    earlier, last = slice(best, best + window), slice(len(kept) - window, len(kept))
    error = np.sqrt((truth[earlier].var(ddof=1) + truth[last].var(ddof=1)) / window)
    fall = truth[earlier].mean() - truth[last].mean()
    halved = fall > 0 and truth[last].mean() <= _FALL * truth[earlier].mean() and fall >= _SIGNIFICANCE * error
    return Verdict(
        name=name,
        run_id=run_id,
        best=float(truth[earlier].mean()),
        last=float(truth[last].mean()),
        reward_best=float(rewards[earlier].mean()),
        reward_last=float(rewards[last].mean()),
        halved_at=kept[_halved_from(means, best) + window - 1].env_steps if halved else None,
        fired_at=RewardHackingAlarm.replayed(points, **parameters).fired_at,
        curve=tuple(kept),
    )


def _halved_from(means: npt.NDArray[np.float64], best: int) -> int:
    """Return the first window after the last one whose mean is more than half of the best one's."""
    above = np.flatnonzero(means > _FALL * means[best])
    return min(int(above[-1]) + 1, len(means) - 1)
