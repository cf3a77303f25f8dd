"""Panels that compare the arms of a study: figures 4 (right) and 5 of the paper, and what stands beside them."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.study_report.figures.learning_curve_panel import draw_band
from experiments.study_report.figures.theme import Theme, legend_below, step_axis, tidy, title_above
from vlm_rewards.evaluation.statistics.curves import SeedBand
from vlm_rewards.evaluation.statistics.estimates import Estimate

MARKERS = ("o", "D", "s", "^")
ROW_CHARACTERS = 22
SUCCESS = "success rate (ground truth), held-out goals"


@dataclass(frozen=True)
class Arm:
    """One setting of what a study varies.

    Attributes:
        label: Name in figures.
        held_out: Success rate on held-out goals over training, by ground truth.
        final: The same after training.
        offline: Average precision by set of negatives, with the ends of its interval.
        reference: Whether it is there for comparison (an agent on the true reward) and not in the order of arms.
    """

    label: str
    held_out: SeedBand | None
    final: Estimate | None
    offline: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    reference: bool = False


@dataclass(frozen=True)
class ArmPanels:
    """The arms of one task, in order, and the panels that show them; each method draws one into a (sub)figure.

    Attributes:
        title: Name of the task.
        arms: In the order of what is varied, references last.
        random_success: Success rate of the random policy.
    """

    title: str
    arms: Sequence[Arm]
    random_success: float | None = None

    def curves(self, figure: Any, theme: Theme) -> None:
        """Draw held-out success over training, a curve an arm."""
        axes = figure.subplots()
        if self.random_success is not None:
            label = f"random policy ({self.random_success:.2f})"
            axes.axhline(self.random_success, color=theme.faint, linestyle=":", linewidth=1.4, label=label)
        for arm, colour in self._coloured(theme):
            if arm.held_out is not None:
                draw_band(axes, arm.held_out, colour, arm.label, linestyle="--" if arm.reference else "-", marker="o")
        axes.set(ylabel="success rate, held-out goals", ylim=(-0.02, 1.04))
        title_above(figure, self.title, "over training")
        step_axis(axes)
        tidy(axes)
        legend_below(figure, *axes.get_legend_handles_labels())

    def final(self, figure: Any, theme: Theme) -> None:
        """Draw the final success of each arm, a row an arm."""
        axes = figure.subplots()
        for row, (arm, colour) in enumerate(self._coloured(theme)):
            if arm.final is not None:
                _point(axes, row, (arm.final.value, arm.final.low, arm.final.high), colour, "o", None)
        if self.random_success is not None:
            axes.axvline(self.random_success, color=theme.faint, linestyle=":", linewidth=1.4)
            axes.text(self.random_success, -0.62, " random", color=theme.faint, fontsize=8, va="center")
        self._rows(axes, self.arms)
        _unit_axis(axes, SUCCESS)
        title_above(figure, self.title, "after training")

    def offline(self, figure: Any, theme: Theme) -> None:
        """Draw the offline average precision of each arm, a row an arm, a mark a set of negatives."""
        axes = figure.subplots()
        arms = [(arm, colour) for arm, colour in self._coloured(theme) if arm.offline]
        sets = self._negatives()
        for row, (arm, colour) in enumerate(arms):
            for number, negatives in enumerate(sets):
                if negatives in arm.offline:
                    offset = (number - (len(sets) - 1) / 2) * 0.24
                    _point(axes, row + offset, arm.offline[negatives], colour, MARKERS[number % 4], number)
        self._rows(axes, [arm for arm, _ in arms])
        _negatives_legend(figure, sets, theme)
        _unit_axis(axes, "offline average precision")
        title_above(figure, self.title, "the reward on recorded trajectories")

    def offline_against_final(self, figure: Any, theme: Theme) -> None:
        """Draw final success against offline average precision, a point an arm and set of negatives."""
        axes = figure.subplots()
        sets = self._negatives()
        for arm, colour in self._coloured(theme):
            if arm.final is None or not arm.offline:
                continue
            # The points of an arm stand at one height: a line joins them.
            y = arm.final.value
            places = [x for x, _, _ in arm.offline.values()]
            axes.plot([min(places), max(places)], [y, y], color=colour, linewidth=0.8, alpha=0.6)
            for number, negatives in enumerate(sets):
                if negatives not in arm.offline:
                    continue
                x, left, right = arm.offline[negatives]
                hollow = {"markerfacecolor": theme.background} if number else {}
                axes.errorbar(
                    [x],
                    [y],
                    xerr=_error(x, left, right),
                    yerr=_error(y, arm.final.low, arm.final.high),
                    color=colour,
                    marker=MARKERS[number % 4],
                    markersize=7,
                    elinewidth=1.2,
                    **hollow,
                )
        # Names beside the points would cover each other where arms are alike.
        _negatives_legend(figure, sets, theme, [(a, c) for a, c in self._coloured(theme) if a.final and a.offline])
        _unit_axis(axes, "offline average precision")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.06), ylabel="success rate, held-out goals")
        title_above(figure, self.title, "recorded trajectories against training")
        tidy(axes)

    def _coloured(self, theme: Theme) -> list[tuple[Arm, Any]]:
        shades = iter(theme.ordered_colours(sum(not arm.reference for arm in self.arms)))
        return [(arm, theme.faint if arm.reference else next(shades)) for arm in self.arms]

    def _negatives(self) -> list[str]:
        return sorted({negatives for arm in self.arms for negatives in arm.offline}, reverse=True)

    def _rows(self, axes: Any, arms: Sequence[Arm]) -> None:
        """Name the rows, the first on top."""
        axes.set_yticks(range(len(arms)), [textwrap.fill(arm.label, ROW_CHARACTERS) for arm in arms], fontsize=9)
        axes.set_ylim(len(arms) - 0.5, -0.9)
        tidy(axes)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)


def _point(
    axes: Any, row: float, value: tuple[float, float, float], colour: Any, marker: str, number: int | None
) -> None:
    x, low, high = value
    hollow = {"markerfacecolor": axes.get_facecolor()} if number else {}
    axes.errorbar(
        [x], [row], xerr=_error(x, low, high), color=colour, marker=marker, markersize=7, elinewidth=2, **hollow
    )
    edge = max(x, high) if np.isfinite(high) else x
    axes.annotate(f"{x:.2f}", (edge, row), textcoords="offset points", xytext=(7, 0), fontsize=8, va="center")


def _unit_axis(axes: Any, label: str) -> None:
    """Show [0, 1] along x, with room for what is written beside a mark at 1."""
    axes.set(xlabel=label, xlim=(-0.03, 1.12), xticks=np.linspace(0, 1, 6))


def _error(value: float, low: float, high: float) -> list[list[float]] | None:
    """Return an interval as matplotlib wants it: distances, not below 0 by rounding; None where it is unknown."""
    if not np.isfinite([low, high]).all():
        return None
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]


def _negatives_legend(figure: Any, sets: Sequence[str], theme: Theme, arms: Sequence[tuple[Arm, Any]] = ()) -> None:
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], color=colour, linewidth=3, label=arm.label) for arm, colour in arms]
    marks += [
        Line2D(
            [],
            [],
            color=theme.ink,
            linestyle="none",
            marker=MARKERS[number % 4],
            markerfacecolor=theme.background if number else theme.ink,
            label=f"negatives: {negatives.replace('_', ' ')}",
        )
        for number, negatives in enumerate(sets)
    ]
    legend_below(figure, marks, [str(mark.get_label()) for mark in marks])
