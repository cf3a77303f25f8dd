"""The figure of predictors: how well each measure orders settings, and the best one against success."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.predicting.ranking import halves, measure_of
from experiments.predicting.settings import Measured, Setting
from experiments.study_report.figures.theme import LIGHT, Theme, legend_below, render, tidy, title_above

_MOST_MEASURES = 16


def draw(found: Mapping[Setting, Measured], rows: Sequence[Mapping[str, Any]], seed: int) -> bytes:
    """Return a PNG of two panels.

    Args:
        found: Settings in which an agent was trained and its reward measured.
        rows: As `ranking.table` gives them, the best on the half that measures are chosen on first.
        seed: Seed of the halves.
    """

    def ranks(figure: Any, theme: Theme) -> None:
        shown = [row for row in rows if np.isfinite(row["all_spearman"])][:_MOST_MEASURES][::-1]
        axes = figure.subplots()
        for part, colour, mark in (("chosen_on", theme.faint, "o"), ("reported_on", theme.truth, "D")):
            values = np.array([row[f"{part}_spearman"] for row in shown], np.float64)
            places = np.arange(len(shown)) + (0.15 if part == "chosen_on" else -0.15)
            label = "half that measures are chosen on" if part == "chosen_on" else "the other half"
            if part == "reported_on":
                ends = np.array([[row[f"{part}_low"], row[f"{part}_high"]] for row in shown], np.float64).T
                errors = np.clip(np.stack([values - ends[0], ends[1] - values]), 0, None)
                axes.errorbar(values, places, xerr=errors, fmt=mark, color=colour, markersize=4, label=label)
            else:
                axes.plot(values, places, mark, color=colour, markersize=4, label=label)
        axes.set_yticks(range(len(shown)), [row["measure"].replace("_", " ") for row in shown], fontsize=7.5)
        axes.axvline(0, color=theme.faint, linewidth=0.8)
        axes.set_xlabel("rank correlation with success (Spearman)")
        axes.set_xlim(-1.05, 1.05)
        tidy(axes)
        title_above(figure, "How well each measure orders rewards by their agents")
        legend_below(figure, *axes.get_legend_handles_labels())

    def scatter(figure: Any, theme: Theme) -> None:
        best = rows[0]["measure"]
        axes, settings = figure.subplots(), list(found)
        values = np.array([measure_of(measured, best) for measured in found.values()], np.float64)
        success = np.array([np.mean(measured.success) for measured in found.values()], np.float64)
        chosen_on = halves(settings, seed)
        families = sorted({setting.family for setting in settings})
        for family, mark in zip(families, "osD^vP*X" * len(families), strict=False):
            own = np.array([setting.family == family for setting in settings])
            for half, colour, words in (
                (chosen_on, theme.faint, "chosen on"),
                (~chosen_on, theme.truth, "reported on"),
            ):
                name = family.replace("_", " ")
                axes.plot(
                    values[own & half], success[own & half], mark, color=colour, markersize=5, label=f"{name}, {words}"
                )
        axes.set_xlabel(best.replace("_", " "))
        axes.set_ylabel("success rate (ground truth), held-out")
        axes.set_ylim(-0.03, 1.03)
        tidy(axes)
        title_above(figure, "The one that is best on the half that measures are chosen on")
        legend_below(figure, *axes.get_legend_handles_labels())

    return render([ranks, scatter], LIGHT, columns=2)
