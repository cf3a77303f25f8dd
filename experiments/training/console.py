"""What a person watches while a run trains, and the table at its end."""

import math
import sys
import time
from types import TracebackType
from typing import Self

import rich.console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from experiments.training.config import TrainConfig
from experiments.training.run import TrainingOutcome
from vlm_rewards.rollout.metrics import RolloutMetrics

# Where output goes to a file a bar cannot move: a line now and then instead.
SECONDS_BETWEEN_LINES = 10.0
# More goals than these have a line each in the CSV alone.
GOALS_SHOWN = 20


class Console:
    """A progress bar with both returns on a terminal, plain lines elsewhere."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._out = rich.console.Console(file=sys.stdout, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TextColumn(
                "[blue]VLM {task.fields[vlm]}[/] [dark_orange]truth {task.fields[truth]}[/] precision "
                "{task.fields[precision]}"
            ),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._out,
            transient=False,
        )
        self._task: TaskID | None = None
        self._last_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._progress.stop()

    def stage(self, text: str) -> None:
        """Announce a stage of the run."""
        if self._task is not None:
            self._progress.stop()
        self._out.print(f"[bold]•[/] {text} …")

    def iteration(self, env_steps: int, metrics: RolloutMetrics) -> None:
        """Show one training iteration."""
        fields = {
            "vlm": _number(metrics.vlm_return),
            "truth": _number(metrics.ground_truth_return),
            "precision": _number(metrics.online_precision),
        }
        total = self._config.total_env_steps
        if self._out.is_terminal:
            if self._task is None:
                self._task = self._progress.add_task("  training", total=total, **fields)
                self._progress.start()
            self._progress.update(self._task, completed=min(env_steps, total), **fields)
            return
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES or env_steps >= total:
            self._last_line = now
            shown = "  ".join(f"{name} {value}" for name, value in fields.items())
            self._out.print(f"  {env_steps:>9,}/{total:,} steps  {shown}")

    def report(self, outcome: TrainingOutcome) -> None:
        """Print the final table and where the proof is."""
        agent, random = outcome.results.agent, outcome.results.random
        title = f"Ground-truth success on {agent.overall.episodes} evaluation episodes"
        table = Table(title=title, min_width=60)
        table.add_column("goal")
        for column in ("episodes", "agent", "random policy", "steps taken"):
            table.add_column(column, justify="right")
        hidden = max(0, len(agent.by_goal) - GOALS_SHOWN)
        for name, rate in list(agent.by_goal.items())[:GOALS_SHOWN]:
            baseline = random.by_goal[name]
            table.add_row(
                name, str(rate.episodes), f"{rate.rate:.2f}", f"{baseline.rate:.2f}", f"{rate.mean_length:.1f}"
            )
        if hidden:
            table.add_row(f"[dim]and {hidden} more, in evaluation.csv[/]")
        table.add_section()
        low, high = agent.overall.interval()
        table.add_row(
            "[bold]all[/]",
            str(agent.overall.episodes),
            f"[bold]{agent.overall.rate:.3f}[/] ({low:.2f} to {high:.2f})",
            f"{random.overall.rate:.3f}",
            f"{agent.overall.mean_length:.1f}",
        )
        self._out.print(table)
        self._out.print(
            f"Trained on {outcome.env_steps:,} steps in {outcome.training_seconds:.0f} s; "
            f"online precision of the reward in the last quarter: [bold]{_number(outcome.last_quarter_precision)}[/]"
        )
        for label, path in (
            ("learning curve", outcome.results.figure),
            ("episodes", outcome.results.video),
            ("table", outcome.results.table),
        ):
            if path is not None:
                self._out.print(f"  {label:<15}{path}", soft_wrap=True)
        self._out.print(f"  {'MLflow':<15}run {outcome.mlflow_run_id}; to browse it:", soft_wrap=True)
        self._out.print(f"  {'':<15}mlflow ui --backend-store-uri {outcome.tracking_uri}", soft_wrap=True)


def _number(value: float | None) -> str:
    return "   -" if value is None or math.isnan(value) else f"{value:.2f}"
