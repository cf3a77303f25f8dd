"""Figures of offline rewards: precision and recall in the manner of the paper's figure 4, left, and by model size."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlm_rewards.evaluation.offline.precision_recall import PrecisionRecallCurve
from vlm_rewards.evaluation.plain_text import plain
from vlm_rewards.extras import needs_extra

# Points drawn of a curve: more cannot be seen.
_POINTS = 400


def plot_precision_recall(
    curves: Mapping[tuple[str, str], Mapping[str, PrecisionRecallCurve]],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    title: str,
    base_rates: Mapping[str, float],
) -> None:
    """Write a PNG with a panel for each row (family) and column (negative set), and a curve for each model in it.

    Args:
        curves: Curve of each model by its label, by (row, column); every panel lists the same labels in order.
        rows: Panels from top to bottom.
        columns: Panels from left to right.
        path: The PNG to write.
        title: Headline of the figure.
        base_rates: Share of positive states of each row: the precision of a reward without skill, drawn dotted.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    with needs_extra("offline"):
        from matplotlib import colormaps
        from matplotlib.figure import Figure

    figure = Figure(figsize=(0.6 + 3.9 * len(columns), 1.1 + 3.2 * len(rows)), dpi=130, layout="constrained")
    panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    labels = list(dict.fromkeys(label for panel in curves.values() for label in panel))
    # Light to dark: with a ladder of sizes the order shows.
    shades = colormaps["viridis_r"](np.linspace(0.2, 0.95, max(2, len(labels))))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            axes = panels[i, j]
            for label, curve in curves[row, column].items():
                shown = curve.thinned(_POINTS)
                axes.plot(
                    shown.recall, shown.precision, color=shades[labels.index(label)], label=plain(label), linewidth=1.8
                )
            axes.axhline(base_rates[row], color="grey", linestyle=":", linewidth=1)
            axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if i == 0:
                axes.set_title(f"negatives: {plain(column.replace('_', ' '))}", fontsize=10)
            if i == len(rows) - 1:
                axes.set_xlabel("recall")
            if j == 0:
                axes.set_ylabel(f"{plain(row.replace('_', ' '))}\nprecision")
    # Curves end at the bottom right or the top right; the legend stands beside the panels, where it hides none.
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(plain(title), fontsize=11)
    figure.savefig(path)


@dataclass(frozen=True)
class SizePoint:
    """One model in a figure over model sizes.

    Attributes:
        label: Its name.
        parameters: Its size.
        value: What is drawn, in [0, 1], with its interval's ends.
        low: Lower end, at most `value`.
        high: Upper end, at least `value`.
    """

    label: str
    parameters: int
    value: float
    low: float
    high: float


def plot_average_precision(
    points: Mapping[tuple[str, str], Sequence[SizePoint]],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    title: str,
    base_rates: Mapping[str, float],
) -> None:
    """Write a PNG of average precision against model size, a panel a row (family) and a line a column (negative set).

    Args:
        points: Average precision of each model, by rising parameters, by (row, column).
        rows: Panels from left to right.
        columns: Lines.
        path: The PNG to write.
        title: Headline of the figure.
        base_rates: Share of positive states of each row: the average precision of a reward without skill.
    """
    with needs_extra("offline"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 + 3.1 * len(rows), 4.1), dpi=130, layout="constrained")
    panels = figure.subplots(1, len(rows), sharex=True, sharey=True, squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        for column, colour in zip(columns, ("#d95f02", "#1f77b4", "#4d4d4d", "#7570b3"), strict=False):
            shown = points[row, column]
            axes.errorbar(
                [point.parameters for point in shown],
                [point.value for point in shown],
                [[point.value - point.low for point in shown], [point.high - point.value for point in shown]],
                color=colour,
                label=f"negatives: {plain(column.replace('_', ' '))}",
                marker="o",
                markersize=4,
                capsize=3,
            )
        for point in points[row, columns[0]]:
            # Upright: names are longer than the steps between sizes.
            upright = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 7, "color": "grey"}
            axes.annotate(plain(point.label), (point.parameters, 0), (0, 4), textcoords="offset points", **upright)
        axes.axhline(base_rates[row], color="grey", linestyle=":", linewidth=1)
        axes.set(xscale="log", ylim=(0, 1.02), xlabel="parameters")
        axes.set_title(plain(row.replace("_", " ")), fontsize=10)
        axes.margins(x=0.15)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("average precision")
    beside = min(len(columns), len(rows) + 1) if len(rows) > 1 else 1
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=beside, frameon=False)
    figure.suptitle(plain(textwrap.fill(title, 45 * len(rows))), fontsize=11)
    figure.savefig(path)
