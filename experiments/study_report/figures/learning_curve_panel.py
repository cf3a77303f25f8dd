"""One panel of the paper's figure 3: reward return and success rate along training."""

from dataclasses import dataclass
from typing import Any

from experiments.study_report.figures.theme import Theme, legend_below, step_axis, tidy, title_above
from vlm_rewards.evaluation.statistics.curves import SeedBand


@dataclass(frozen=True)
class LearningCurvePanel:
    """What a panel shows; call it with a (sub)figure to draw it.

    Attributes:
        title: The task.
        reward_return: Mean return of the training episodes under the reward model.
        held_out: Success rate on held-out goals, by ground truth.
        precision: Online precision of the reward, drawn below.
        true_reward_agent: Held-out success rate of the agent that trained on the true reward, for comparison.
        random_success: Success rate of the random policy.
        alarms: Environment steps at which the reward-hacking alarm of a trial fired.
    """

    title: str
    reward_return: SeedBand | None
    held_out: SeedBand | None
    precision: SeedBand | None = None
    true_reward_agent: SeedBand | None = None
    random_success: float | None = None
    alarms: tuple[float, ...] = ()

    def __call__(self, figure: Any, theme: Theme) -> None:
        """Draw the panel."""
        returns, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        if self.random_success is not None:
            label = f"random policy ({self.random_success:.2f})"
            returns.axhline(self.random_success, color=theme.faint, linestyle=":", linewidth=1.4, label=label)
        if self.true_reward_agent is not None:
            draw_band(returns, self.true_reward_agent, theme.faint, "true-reward agent", linestyle="--")
        if self.reward_return is not None:
            draw_band(returns, self.reward_return, theme.reward, "reward return in training")
        if self.held_out is not None:
            draw_band(returns, self.held_out, theme.truth, "success rate (ground truth), held-out", marker="o")
        if self.precision is not None:
            draw_band(below, self.precision, theme.precision, "")
        for step in self.alarms:
            for axes in (returns, below):
                axes.axvline(step, color=theme.alarm, linewidth=1.4)
            # Written beside the line, on the side where there is room.
            late = step > (below.get_xlim()[0] + below.get_xlim()[1]) / 2
            returns.annotate(
                "reward-hacking alarm",
                (step, 0.97),
                textcoords="offset points",
                xytext=(-5 if late else 5, 0),
                ha="right" if late else "left",
                va="center",
                fontsize=8.5,
                color=theme.alarm,
            )
        returns.set(ylabel="reward return, success rate", ylim=(-0.02, 1.04))
        title_above(figure, self.title)
        below.set(ylim=(0, 1.05), yticks=(0, 1))
        below.set_ylabel("online\nprecision", fontsize=8)
        step_axis(below)
        for axes in (returns, below):
            tidy(axes)
        legend_below(figure, *returns.get_legend_handles_labels())


def draw_band(axes: Any, band: SeedBand, colour: Any, label: str, **line: Any) -> None:
    """Draw the curve over seeds, and its band where there is more than one seed; a marker only where points are few."""
    if len(band.steps) > 30:
        line.pop("marker", None)
    name = f"{label}, 1 seed" if label and band.seeds == 1 else label
    axes.plot(band.steps, band.value, color=colour, label=name, linewidth=1.8, markersize=3.5, **line)
    if band.seeds > 1:
        axes.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
