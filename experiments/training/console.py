"""What a person watches while a run trains, and the table at its end."""

import math
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.table import Table

from experiments.shared.progress import Bars
from experiments.training.config import TrainConfig
from experiments.training.run import TrainingOutcome
from vlm_rewards.evaluation import EvaluationSummary
from vlm_rewards.rllib.metrics import RolloutMetrics

# More goals than these have a line each in the CSV alone.
GOALS_SHOWN = 20


class Console:
    """A progress bar with both returns beside it on a terminal, plain lines elsewhere."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._bars = Bars(stage_width=10)

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def stage(self, text: str) -> None:
        """Announce a stage of the run."""
        self._bars.say(f"{text} …")

    def notice(self, text: str) -> None:
        """Say what has happened, and when."""
        self._bars.tell(f"{datetime.now():%H:%M:%S} {escape(text)}")

    def iteration(self, env_steps: int, metrics: RolloutMetrics) -> None:
        """Show one training iteration."""
        note = (
            f"reward {_number(metrics.reward_return)}  truth {_number(metrics.success_rate)}  "
            f"precision {_number(metrics.online_precision)}"
        )
        total = self._config.total_env_steps
        self._bars.show("training", min(env_steps, total), total, note)

    def report(self, outcome: TrainingOutcome, page: Path | None = None) -> None:
        """Print the final table and where the proof is.

        Args:
            outcome: What the run left.
            page: Its episodes frame by frame; None for none.
        """
        table = success_table(outcome.results.agent, outcome.results.random)
        self._bars.console.print(table)
        self._bars.console.print(
            f"Trained on {outcome.env_steps:,} steps in {outcome.training_seconds:.0f} s; "
            f"online precision of the reward in the last quarter: [bold]{_number(outcome.last_quarter_precision)}[/]"
        )
        for label, path in (
            ("learning curve", outcome.results.figure),
            ("episodes", outcome.results.video),
            ("table", outcome.results.table),
            ("frame by frame", page),
        ):
            if path is not None:
                self._bars.console.print(f"  {label:<15}{path}", soft_wrap=True)


def success_table(agent: EvaluationSummary, random: EvaluationSummary) -> Table:
    """Return ground-truth success goal by goal and over all, against the random policy.

    The environment's own returns are shown where they are not the success rates over again.
    """
    both = ((agent.overall, random.overall), *((rate, random.by_goal[name]) for name, rate in agent.by_goal.items()))
    shows_returns = any(rate.mean_return != rate.rate for pair in both for rate in pair)
    table = Table(title=f"Ground-truth success on {agent.overall.episodes} evaluation episodes", min_width=60)
    table.add_column("goal")
    for column in ("episodes", "agent", "random policy", "steps taken"):
        table.add_column(column, justify="right")
    if shows_returns:
        table.add_column("return", justify="right")
        table.add_column("random policy's", justify="right")
    hidden = max(0, len(agent.by_goal) - GOALS_SHOWN)
    for name, rate in list(agent.by_goal.items())[:GOALS_SHOWN]:
        baseline = random.by_goal[name]
        table.add_row(
            name,
            str(rate.episodes),
            f"{rate.rate:.2f}",
            f"{baseline.rate:.2f}",
            f"{rate.mean_length:.1f}",
            *((f"{rate.mean_return:.1f}", f"{baseline.mean_return:.1f}") if shows_returns else ()),
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
        *((f"{agent.overall.mean_return:.1f}", f"{random.overall.mean_return:.1f}") if shows_returns else ()),
    )
    return table


def _number(value: float | None) -> str:
    return "   -" if value is None or math.isnan(value) else f"{value:.2f}"
