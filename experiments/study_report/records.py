"""A study and its trials, as MLflow keeps them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.study_report.study_kind import StudyKind
from vlm_rewards.evaluation.curve_point import LAST_QUARTER, CurvePoint, last_quarter_precision
from vlm_rewards.evaluation.statistics import Curve

GROUND_TRUTH = "ground_truth"
"""The kind of reward of an agent that trains on the environment's own, the reference of a study."""

REWARD_RETURN, ONLINE_PRECISION, HELD_OUT = "train/reward_return", "train/online_precision", "held_out/success_rate"
SUCCESS_RATE = "train/success_rate"
REWARD_SUCCESSES, TRUE_REWARD_SUCCESSES = "train/reward_successes", "train/true_reward_successes"
ALARM = "reward_hacking/alarm"
HISTORIES = (REWARD_RETURN, SUCCESS_RATE, ONLINE_PRECISION, REWARD_SUCCESSES, TRUE_REWARD_SUCCESSES, HELD_OUT, ALARM)


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        run_id: Id of its MLflow run.
        arm: Name of the varied setting.
        task: Name of the task family.
        seed: Seed, as text.
        reward_kind: Kind of the reward that its agent trains on: `clip`, `ground_truth`; empty if unknown.
        facts: What is known of the arm: `parameters`, `order`, `negatives`, `template`.
        status: Status in MLflow: FINISHED, FAILED, KILLED, RUNNING or SCHEDULED.
        end_reason: Why it ended, if it did not finish.
        seconds: Wall time from its first training iteration to its end, or up to now; None before that iteration. Not
            from its run's start: a study makes the runs of all its trials before the first begins.
        curves: Curve by metric; a metric that was never logged is absent. That of the held-out success rate ends with
            the evaluation after training.
        metrics: Last values.
        final: Success rate on held-out goals after training, and the ends of its Wilson interval; None before that
            evaluation.
        superseded: Another run of the same task, arm and seed counts in its place.
    """

    run_id: str
    arm: str
    task: str
    seed: str
    reward_kind: str
    facts: Mapping[str, Any]
    status: str
    end_reason: str
    seconds: float | None
    curves: Mapping[str, Curve]
    metrics: Mapping[str, float]
    final: tuple[float, float, float] | None
    superseded: bool = False

    @property
    def finished(self) -> bool:
        """Whether its results count."""
        return self.status == "FINISHED" and not self.superseded

    @property
    def is_ground_truth(self) -> bool:
        """Whether its agent trained on the true reward."""
        return self.reward_kind == GROUND_TRUTH

    @property
    def env_steps(self) -> int:
        """Environment steps that its curves reach."""
        return int(max((curve.steps[-1] for key, curve in self.curves.items() if key != ALARM), default=0))

    @property
    def alarm_at(self) -> int | None:
        """Environment steps at which the reward-hacking alarm fired."""
        curve = self.curves.get(ALARM)
        fired = [] if curve is None else [step for step, value in zip(curve.steps, curve.values, strict=True) if value]
        return int(fired[0]) if fired else None

    @property
    def late_precision(self) -> float:
        """True successes over the reward's successes in the last quarter of training; NaN where there was none."""
        fired, true = (self.curves.get(key) for key in (REWARD_SUCCESSES, TRUE_REWARD_SUCCESSES))
        if fired is None or true is None:
            return math.nan
        # A run that was killed may have logged the one without the other.
        right = dict(zip(true.steps, true.values, strict=True))
        counts = [(s, paid, right[s]) for s, paid in zip(fired.steps, fired.values, strict=True) if s in right]
        if not counts:
            return math.nan
        nothing = math.nan
        return last_quarter_precision(
            [CurvePoint(int(s), nothing, nothing, nothing, int(a), int(b)) for s, a, b in counts]
        )

    @property
    def late_reward_return(self) -> float:
        """Mean reward return over the last quarter of training; NaN where there was none."""
        values = self._late(REWARD_RETURN)
        return float(sum(values) / len(values)) if values else math.nan

    def _late(self, key: str) -> list[float]:
        curve = self.curves.get(key)
        if curve is None:
            return []
        return list(curve.values[curve.steps > LAST_QUARTER * self.env_steps])


@dataclass(frozen=True)
class OfflineRow:
    """The average precision of an arm's reward on recorded trajectories.

    Attributes:
        arm: Name of the arm, as in the trials.
        family: Family of goals, or `all`.
        negatives: Set of negatives: `goals` or `goals_and_states`.
        value: Average precision, and the ends of its interval; NaN where unknown.
    """

    arm: str
    family: str
    negatives: str
    value: tuple[float, float, float]


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        run_id: Id of the parent run in MLflow.
        kind: What it asks.
        name: Name given by its preset.
        title: Headline of its report.
        status: Status of the parent run in MLflow.
        started: Begin of the parent run, in Unix milliseconds.
        seconds: Wall time in seconds, up to now if it runs.
        tags: Tags of the parent run.
        preset: The resolved preset as YAML, without the address of the MLflow store; empty if the study has none.
        trials: Every child run, whatever its status, by task, arm and seed.
        offline: Rows of `offline.csv`; empty without one.
    """

    run_id: str
    kind: StudyKind
    name: str
    title: str
    status: str
    started: int
    seconds: float
    tags: Mapping[str, str]
    preset: str
    trials: Sequence[Trial]
    offline: Sequence[OfflineRow] = field(default_factory=tuple)

    @property
    def tasks(self) -> list[str]:
        """Tasks, in the order in which their first trials began."""
        return list(dict.fromkeys(trial.task for trial in self.trials))

    def arms(self, task: str) -> list[str]:
        """Return the arms of a task: in the order of its kind's facts, agents on the true reward last."""
        facts = {trial.arm: trial.facts for trial in self.trials if trial.task == task}
        references = self.references(task)

        def place(arm: str) -> tuple[bool, list[float]]:
            numbers = (facts[arm].get(key) for key in self.kind.ordered_by)
            return arm in references, [math.inf if number is None else float(number) for number in numbers]

        return sorted(facts, key=place)

    def compared(self, task: str) -> list[str]:
        """Return the arms of a task that a reward model pays, in order."""
        references = self.references(task)
        return [arm for arm in self.arms(task) if arm not in references]

    def references(self, task: str) -> list[str]:
        """Return the arms of a task whose agents train on the true reward, known by the kind of their reward."""
        return list(dict.fromkeys(trial.arm for trial in self.trials if trial.task == task and trial.is_ground_truth))

    def finished_references(self, task: str) -> list[Trial]:
        """Return the finished trials of all agents on the true reward."""
        return [trial for arm in self.references(task) for trial in self.finished(task, arm)]

    def of(self, task: str, arm: str) -> list[Trial]:
        """Return the trials of a task and arm that count: an earlier run of the same seed does not."""
        return [t for t in self.trials if t.task == task and t.arm == arm and not t.superseded]

    def finished(self, task: str, arm: str) -> list[Trial]:
        """Return the finished trials of a task and arm."""
        return [trial for trial in self.of(task, arm) if trial.finished]

    def shown(self, task: str, arm: str) -> list[Trial]:
        """Return the trials whose curves are drawn: the finished ones, or the others as long as there are none."""
        return self.finished(task, arm) or self.of(task, arm)

    def planned(self) -> int:
        """Return how many trials there will be: as the study says, and not fewer than there are."""
        count = sum(not trial.superseded for trial in self.trials)
        said = self.tags.get("study.trials", "")
        return max(count, int(said) if said.isdigit() else 0)

    def counts(self) -> str:
        """Return how far the study is, in words: `7 of 8 trials finished (1 failed)`."""
        counted = [trial for trial in self.trials if not trial.superseded]
        done = sum(trial.finished for trial in counted)
        others: dict[str, int] = {}
        for trial in counted:
            if not trial.finished:
                others[trial.status.lower()] = others.get(trial.status.lower(), 0) + 1
        waiting = self.planned() - len(counted)
        if waiting:
            others["not begun"] = waiting
        rest = ", ".join(f"{count} {status}" for status, count in others.items())
        return f"{done} of {self.planned()} trials finished" + (f" ({rest})" if rest else "")
