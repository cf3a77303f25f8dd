"""Figures of all measures side by side, and of goals against trajectories."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vlm_rewards.evaluation.offline.goal_confusion import GoalTrajectoryConfusion
from vlm_rewards.evaluation.plain_text import plain

MEASURES = {
    "average_precision": ("average precision", (0, 1), True),
    "roc_auc": ("area under ROC", (0, 1), True),
    "negative_predictive_value": ("negative predictive value", (0, 1), True),
    "preference_accuracy": ("preference accuracy", (0, 1), True),
    "paid_rightly": ("episodes ended rightly", (0, 1), True),
    "paid_wrongly": ("episodes ended wrongly", (0, 1), False),
    "own_goal_first": ("own goal scores highest", (0, 1), True),
    "value_order_correlation": ("value-order correlation", (-1, 1), True),
    "time_kendall_tau": ("Kendall's tau with time", (-1, 1), True),
    "value_spearman": ("rank correlation with value", (-1, 1), True),
    "value_kendall": ("Kendall's tau with value", (-1, 1), True),
    "success_gap": ("successes over failures", None, True),
    "calibration_error": ("calibration error", (0, 1), False),
    "epic_distance_best": ("least EPIC distance", (0, 1), False),
    "dard_distance": ("DARD distance", (0, 1), False),
}
"""Columns of the offline table that are drawn: name, range (None follows the values) and whether more is better."""

_COLOURS = ("#d95f02", "#1f77b4", "#4d4d4d", "#7570b3")
_MARKERS = ("o", "D", "s", "^")
_COLUMNS = 5
# With more goals than these the names are smaller than a person reads.
_NAMED_GOALS = 60


def plot_measures(rows: Mapping[tuple[str, str], Mapping[str, float]], path: Path, title: str) -> None:
    """Write a PNG with a panel for each measure: a row for each reward model, a mark for each set of negatives.

    Args:
        rows: Table row of each (model, set of negatives), as `OfflineMeasures.row` gives it: in [-1, 1], or NaN.
        path: The PNG to write.
        title: Headline of the figure.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for label, _ in rows))
    sets = list(dict.fromkeys(negatives for _, negatives in rows))
    lines = -(-len(MEASURES) // _COLUMNS)
    longest = max(map(len, labels))
    figure = Figure(
        figsize=(2.5 * _COLUMNS + 0.07 * longest, lines * (1.0 + 0.24 * len(labels)) + 0.9),
        dpi=130,
        layout="constrained",
    )
    panels = figure.subplots(lines, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axes, (name, (heading, ends, more)) in zip(panels, MEASURES.items(), strict=False):
        for number, negatives in enumerate(sets):
            offset = (number - (len(sets) - 1) / 2) * 0.22
            shown = [(rows[label, negatives][name], row + offset) for row, label in enumerate(labels)]
            axes.plot(
                *zip(*shown, strict=True),
                linestyle="none",
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=5,
                color=_COLOURS[number % len(_COLOURS)],
                label=f"negatives: {plain(negatives).replace('_', ' ')}",
            )
        axes.set_title(f"{heading} {'↑' if more else '↓'}", fontsize=9)
        axes.set_yticks(range(len(labels)), [plain(label) for label in labels], fontsize=8)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        if ends is not None:
            axes.set_xlim(ends[0] - 0.04 * (ends[1] - ends[0]), ends[1] + 0.04 * (ends[1] - ends[0]))
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(MEASURES) :]:
        axes.set_visible(False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(sets), frameon=False)
    figure.suptitle(f"{plain(title)}\n↑ more is better, ↓ less is better", fontsize=10)
    figure.savefig(path)


def plot_goal_confusion(confusions: Mapping[str, GoalTrajectoryConfusion], path: Path, title: str) -> None:
    """Write a PNG with a matrix for each family: rows are the goal that was reached, columns the goal asked for.

    Args:
        confusions: Confusion by family; those without a trajectory are left out.
        path: The PNG to write.
        title: Headline of the figure.
    """
    from matplotlib.figure import Figure

    shown = {family: found for family, found in confusions.items() if found.trajectories.any()}
    sides = [min(9.0, max(2.6, 0.17 * len(found.goals) + 1.6)) for found in shown.values()] or [2.6]
    height = max((min(9.0, 0.17 * np.count_nonzero(found.trajectories) + 2) for found in shown.values()), default=2)
    figure = Figure(figsize=(sum(sides) + 1.2, height + 1.0), dpi=130, layout="constrained")
    panels = figure.subplots(1, max(1, len(shown)), width_ratios=sides, squeeze=False)[0]
    finite = [found.scores[np.isfinite(found.scores)] for found in shown.values()]
    values = np.concatenate(finite) if finite else np.zeros(1)
    low, high = min(0.0, values.min()), max(1.0, values.max())
    for axes, (family, found) in zip(panels, shown.items(), strict=False):
        # Goals that nothing reached have no row.
        reached = np.flatnonzero(found.trajectories)
        picture = axes.imshow(found.scores[reached], cmap="Blues", vmin=low, vmax=high)
        names = [plain(goal) for goal in found.goals]
        if len(names) <= _NAMED_GOALS:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
            axes.set_yticks(range(len(reached)), [names[row] for row in reached], fontsize=6)
        axes.set(xlabel="goal asked for", ylabel="goal reached")
        axes.set_title(f"{plain(family)}: own goal first in {found.own_first:.2f}", fontsize=9)
    if shown:
        figure.colorbar(picture, ax=panels.tolist(), shrink=0.6, label="mean score")
    figure.suptitle(plain(title), fontsize=10)
    figure.savefig(path)
