"""What a person watches while a study runs: a line as each trial gets on, a table of trials before and after."""

import sys
import time
from datetime import datetime
from typing import Any

import rich.console
from ray import tune
from rich.markup import escape
from rich.table import Table

from experiments.shared.quiet import is_quiet
from experiments.study.study_config import EstimateConfig
from experiments.study.trials import Trial, app_cpus, seconds_of
from vlm_rewards.time_left import duration

_SECONDS_BETWEEN_LINES = 20.0
_SHOWN = {"reward_return": "reward", "success_rate": "truth", "held_out_success_rate": "held-out"}


class ProgressCallback(tune.Callback):
    """Prints a line where a trial begins, gets on, ends or fails. Tune pickles it, so it holds plain values only."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self._begin = time.time()
        self._last_line: dict[str, float] = {}
        # By trial: steps done when this process first heard of it, steps done now, and all of its steps.
        self._steps: dict[str, tuple[int, int, int]] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial begins."""
        self._print(trials, trial, "begins")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show how far a trial is, now and then."""
        total = trial.config["trial"]["train"]["total_env_steps"]
        first, _, _ = self._steps.get(trial.trial_id, (result["env_steps"], 0, 0))
        self._steps[trial.trial_id] = first, result["env_steps"], total
        if time.time() - self._last_line.get(trial.trial_id, 0.0) < _SECONDS_BETWEEN_LINES and not result["finished"]:
            return
        self._last_line[trial.trial_id] = time.time()
        shown = "  ".join(
            f"{label} {result[name]:.2f}" if result.get(name) == result.get(name) else f"{label} -"
            for name, label in _SHOWN.items()
            if name in result
        )
        self._print(trials, trial, f"{result['env_steps']:>9,}/{total:,} steps  {shown}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial has ended."""
        self._print(trials, trial, "[green]done[/]")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial has failed for good."""
        self._print(trials, trial, "[red]failed[/]", always=True)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial has failed and will go on from its last checkpoint."""
        self._print(trials, trial, "[yellow]failed, goes on from its last checkpoint[/]", always=True)

    def _print(self, trials: list[Any], trial: Any, text: str, always: bool = False) -> None:
        if is_quiet() and not always:
            return
        done = sum(other.status in ("TERMINATED", "ERROR") for other in trials)
        minutes = (time.time() - self._begin) / 60
        out = rich.console.Console(file=sys.stdout, highlight=False)
        name = Trial(**trial.config["trial"]).name
        left = self._left()
        out.print(f"  {minutes:6.1f} min  {done}/{self._trials} done{left}  {name}: {text}", soft_wrap=True)

    def _left(self) -> str:
        """Return how long all trials will still take, as if each had as many steps as the mean of those begun."""
        known = self._steps.values()
        new = sum(now - first for first, now, _ in known)
        seconds = time.time() - self._begin
        if not new or seconds < _SECONDS_BETWEEN_LINES:
            return ""
        steps = sum(total for _, _, total in known) * self._trials / len(known)
        rest = seconds * max(0.0, steps - sum(now for _, now, _ in known)) / new
        return f", about {duration(rest)} left" if rest else ""


class StudyConsole:
    """Prints a study's stages and tables."""

    def __init__(self) -> None:
        self._out = rich.console.Console(file=sys.stdout, highlight=False)

    def stage(self, text: str) -> None:
        """Announce a stage of the study."""
        if is_quiet():
            return
        self._out.print(f"[bold]•[/] {text} …", soft_wrap=True)

    def notice(self, text: str) -> None:
        """Say what has happened, and when."""
        self._out.print(f"[bold]•[/] {datetime.now():%H:%M:%S} {escape(text)}", soft_wrap=True)

    def callbacks(self, trials: int) -> list[tune.Callback]:
        """Return what prints as so many trials go on."""
        return [ProgressCallback(trials)]

    def plan(self, trials: list[Trial], estimate: EstimateConfig, concurrent: int) -> None:
        """Print the trials and what they will take: `--dry-run`."""
        table = Table(title=f"{len(trials)} trials")
        for column in ("task", "arm", "seed", "reward"):
            table.add_column(column)
        for column in ("steps", "CPUs", "minutes, at most"):
            table.add_column(column, justify="right")
        seconds = [seconds_of(trial, estimate) for trial in trials]
        for trial, needed in zip(trials, seconds, strict=True):
            table.add_row(
                trial.task,
                trial.arm,
                str(trial.seed),
                trial.train.reward_name,
                f"{trial.train.total_env_steps:,}",
                str(trial.cpus),
                "?" if needed is None else f"{needed / 60:.0f}",
            )
        self._out.print(table)
        known = [needed for needed in seconds if needed is not None]
        if len(known) < len(trials):
            self._out.print("No estimate of time: set estimate.steps_per_second to what one trial reached here.")
            return
        replicas = app_cpus(trials)
        wall = sum(known) / concurrent
        hours = (sum(d * t.cpus for d, t in zip(known, trials, strict=True)) + wall * replicas) / 3600
        self._out.print(
            f"About {wall / 60:.0f} minutes with {concurrent} trials at once; {hours:.1f} CPU hours, "
            f"those of {replicas:g} CPUs of reward replicas included"
            + (f"; cost {hours * estimate.cost_per_cpu_hour:.2f}" if estimate.cost_per_cpu_hour is not None else "")
        )

    def report(self, name: str, uri: str) -> None:
        """Say where the results are."""
        self._out.print("[bold]•[/] all trials done", soft_wrap=True)
        self._out.print(
            f"  figures and tables:  python -m experiments.report {name} --mlflow-uri {uri}", soft_wrap=True
        )
