"""Tables and figure of what the alarm said of recorded trainings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.hacking.judging import FEWEST_ITERATIONS, Verdict, judge_all
from experiments.offline.report import write_csv
from experiments.shared.cells import markdown_table, markdown_text
from experiments.shared.stored_runs import runs_of
from experiments.study_report.document import MISSING
from experiments.study_report.figures.theme import LIGHT, Theme, legend_below, render, step_axis, tidy, title_above
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.summary import wilson_interval

_MOST_PANELS = 12


def write(stores: Sequence[str], folder: Path, **parameters: Any) -> str:
    """Write `hacking_alarm.csv`, `.md` and `.png`, and return what the second says.

    Args:
        stores: MLflow stores.
        folder: For the files; made.
        parameters: Of the alarm.

    Raises:
        ConfigError: No training can be judged.
        TrackingError: A store cannot be read.
    """
    verdicts = judge_all((pair for uri in stores for pair in runs_of(uri)), **parameters)
    if not verdicts:
        raise ConfigError(
            f"these stores hold no finished training on a reward model of {FEWEST_ITERATIONS} iterations or more; name "
            "further stores with --also"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "hacking_alarm.csv", [_record(verdict) for verdict in verdicts])
    text = f"{summary(verdicts)}\n\n{_table(verdicts)}"
    (folder / "hacking_alarm.md").write_text(text, encoding="utf-8")
    shown = [verdict for verdict in verdicts if verdict.halved or verdict.fired_at is not None][:_MOST_PANELS]
    if shown:
        drawings = [_Panel(verdict) for verdict in shown]
        (folder / "hacking_alarm.png").write_bytes(render(drawings, LIGHT, columns=min(4, len(drawings))))
    return text


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return in words how often the alarm was right, how often false, and how early."""
    halved = [verdict for verdict in verdicts if verdict.halved]
    paid = [verdict for verdict in halved if verdict.reward_last >= verdict.reward_best]
    others = [verdict for verdict in verdicts if not verdict.halved]
    leads = [verdict.lead for verdict in halved if verdict.lead is not None]
    early = (
        f" It fired {np.median(leads):+.0%} of the training before the truth had fallen by half (median; "
        f"{min(leads):+.0%} to {max(leads):+.0%})."
        if leads
        else ""
    )
    return (
        f"{len(verdicts)} trainings. The alarm fired in {_share(halved)} whose truth fell by half, in {_share(paid)} "
        f"of these whose reward did not fall with it, and in {_share(others)} of the others.{early}"
    )


def _share(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "0 of 0"
    fired = sum(verdict.fired_at is not None for verdict in verdicts)
    low, high = wilson_interval(fired, len(verdicts))
    return f"{fired} of {len(verdicts)} ({low:.2f}\u2013{high:.2f})"


def _record(verdict: Verdict) -> dict[str, Any]:
    return {
        "run": verdict.name,
        "mlflow_run_id": verdict.run_id,
        "iterations": len(verdict.curve),
        "env_steps": verdict.curve[-1].env_steps,
        "success_best": verdict.best,
        "success_last": verdict.last,
        "reward_best": verdict.reward_best,
        "reward_last": verdict.reward_last,
        "halved_at": verdict.halved_at,
        "alarm_at": verdict.fired_at,
        "lead": verdict.lead,
    }


def _table(verdicts: Sequence[Verdict]) -> str:
    def steps(at: int | None) -> str:
        return MISSING if at is None else f"{at:,}"

    return markdown_table(
        [
            {
                "training": markdown_text(verdict.name),
                "env steps": f"{verdict.curve[-1].env_steps:,}",
                "truth, best fifth": f"{verdict.best:.3f}",
                "truth, last fifth": f"{verdict.last:.3f}",
                "reward, the same two": f"{verdict.reward_best:.3f}, {verdict.reward_last:.3f}",
                "truth halved at": steps(verdict.halved_at),
                "alarm at": steps(verdict.fired_at),
            }
            for verdict in verdicts
        ]
    )


class _Panel:
    """Truth and reward of one training, with the alarm and where the truth had fallen by half."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def __call__(self, figure: Any, theme: Theme) -> None:
        """Draw it."""
        verdict, axes = self._verdict, figure.subplots()
        steps = [point.env_steps for point in verdict.curve]
        for values, colour, label in (
            ([point.reward_return for point in verdict.curve], theme.reward, "reward return"),
            ([point.success_rate for point in verdict.curve], theme.truth, "success rate (ground truth)"),
        ):
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(steps, _smooth(values), color=colour, linewidth=1.8, label=label)
        for at, colour, style, label in (
            (verdict.fired_at, theme.alarm, "-", "alarm"),
            (verdict.halved_at, theme.faint, "--", "truth halved"),
        ):
            if at is not None:
                axes.axvline(at, color=colour, linestyle=style, linewidth=1.4, label=label)
        axes.set_ylim(-0.02, 1.04)
        title_above(figure, verdict.name)
        step_axis(axes)
        tidy(axes)
        legend_below(figure, *axes.get_legend_handles_labels())


def _smooth(values: Sequence[float]) -> list[float]:
    """Return means over the last tenth of the iterations before each."""
    window = max(1, len(values) // 10)
    return [float(np.mean(values[max(0, index - window + 1) : index + 1])) for index in range(len(values))]
