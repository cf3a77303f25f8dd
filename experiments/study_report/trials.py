"""What is told of every trial: its row in the table, and the videos of one a task and arm."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from experiments.study_report.document import MISSING, Table, duration, interval
from experiments.study_report.reading import EVALUATION_FILE
from experiments.study_report.records import Study, Trial

BEST, WORST, ANY = "episodes_best.gif", "episodes_worst.gif", "episodes.gif"


@dataclass(frozen=True)
class Video:
    """Recorded evaluation episodes.

    Attributes:
        trial: Trial whose agent acts.
        title: What they show.
        gif: Content of the file.
    """

    trial: Trial
    title: str
    gif: bytes


def trial_table(study: Study) -> Table:
    """Return every trial with its fate: none is left out."""
    rows, records = [], []
    places = {(task, arm): place for task in study.tasks for place, arm in enumerate(study.arms(task))}
    order = {task: place for place, task in enumerate(study.tasks)}
    for trial in sorted(study.trials, key=lambda t: (order[t.task], places[t.task, t.arm], len(t.seed), t.seed)):
        status = trial.status + (" (another run counts)" if trial.superseded else "")
        rows.append(
            {
                "task": trial.task,
                "arm": trial.arm,
                "seed": trial.seed,
                "status": status,
                "steps": f"{trial.env_steps:,}",
                "success rate, held-out": interval(*trial.final) if trial.final else MISSING,
                "wall time": duration(trial.seconds),
                "alarm at": MISSING if trial.alarm_at is None else f"{trial.alarm_at:,}",
                "end reason": trial.end_reason or MISSING,
                "MLflow run": trial.run_id,
            }
        )
        success, low, high = trial.final or (None, None, None)
        records.append(
            {
                "task": trial.task,
                "arm": trial.arm,
                "seed": trial.seed,
                "status": trial.status,
                "superseded": trial.superseded,
                "env_steps": trial.env_steps,
                "held_out_success_rate": success,
                "held_out_success_rate_low": low,
                "held_out_success_rate_high": high,
                "online_precision_last_quarter": trial.late_precision,
                "wall_seconds": trial.seconds,
                "alarm_env_steps": trial.alarm_at,
                "end_reason": trial.end_reason,
                "mlflow_run_id": trial.run_id,
            }
        )
    return Table(
        "trials",
        f"Every trial: {study.counts()}. Held-out success rate (ground truth) with its 95 % Wilson interval over "
        "episodes. Wall time from the first training iteration to the end.",
        rows,
        records,
    )


def videos(study: Study, artifact: Callable[[str, str], bytes | None]) -> list[Video]:
    """Return the best and the worst goal of one trial a task and arm: that with the median success of its seeds.

    Args:
        study: Whose finished trials are looked at.
        artifact: Reads a file of a run.
    """
    found = []
    for trial in median_trials(study):
        table = artifact(trial.run_id, EVALUATION_FILE)
        rates = _goal_rates(table.decode()) if table else []
        wanted = ((BEST, "best goal", max(rates, default=None)), (WORST, "worst goal", min(rates, default=None)))
        of_trial = [(title, rate, artifact(trial.run_id, name)) for name, title, rate in wanted]
        if not any(gif for _, _, gif in of_trial):
            of_trial = [("evaluation episodes", None, artifact(trial.run_id, ANY))]
        found += [
            Video(trial, title if rate is None else f"{title} (success {rate:.2f})", gif)
            for title, rate, gif in of_trial
            if gif
        ]
    return found


def median_trials(study: Study) -> Iterator[Trial]:
    """Yield one finished trial a task and arm: that with the median success of its seeds."""
    for task in study.tasks:
        for arm in study.arms(task):
            trials = [trial for trial in study.finished(task, arm) if trial.final is not None]
            if trials:
                yield sorted(trials, key=lambda trial: trial.final or (0.0,))[(len(trials) - 1) // 2]


def _goal_rates(table: str) -> list[float]:
    """Return the success of each goal in an `evaluation.csv`, without the row of all goals."""
    return [float(row["success_rate"]) for row in csv.DictReader(io.StringIO(table)) if row["goal"] != "all"]
