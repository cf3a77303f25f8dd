"""Figures of the benchmark: curves over the nats of selection, and what is kept at the highest level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.under_pressure.config import AS_SELDOM, is_control
from experiments.under_pressure.levels import CEM, PERTURBED, RANDOM

_COLOURS = ("#4d4d4d", "#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#a6761d")
_TRUTH = "#bbbbbb"
_STYLES = {RANDOM: ("-", "o"), PERTURBED: (":", "s"), CEM: ("--", "D")}


def plot_curves(rows: Sequence[dict[str, Any]], model: str, negatives: str, path: Path) -> None:
    """Write a PNG with true reward and precision over nats: a column a task, a colour a head; controls are left out.

    Args:
        rows: As `report.level_rows` gives them.
        model: Label of the model that is shown.
        negatives: Label of the negative set that is shown.
        path: The PNG to write.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    from matplotlib.figure import Figure

    shown = [row for row in rows if not row["model"] or (row["model"], row["negatives"]) == (model, negatives)]
    tasks = list(dict.fromkeys(row["task"] for row in shown))
    heads = list(dict.fromkeys(row["head"] for row in shown if row["model"] and not is_control(row["head"])))
    colours = dict(zip(heads, _COLOURS * len(heads), strict=False))
    figure = Figure(figsize=(1.2 + 3.1 * len(tasks), 6.2), dpi=130, layout="constrained")
    panels = figure.subplots(2, len(tasks), sharex="col", sharey="row", squeeze=False)
    for column, task in enumerate(tasks):
        for line, measure in enumerate(("true_reward", "precision")):
            axes = panels[line, column]
            for head in [*heads, "truth"]:
                own = [row for row in shown if (row["task"], row["head"]) == (task, head)]
                if head == "truth" and measure == "precision":
                    continue
                for search, (style, mark) in _STYLES.items():
                    points = [row for row in own if row["search"] == search]
                    if not points:
                        continue
                    nats = [row["nats"] for row in points]
                    values = [row[measure] for row in points]
                    colour = colours.get(head, _TRUTH)
                    label = head if search == RANDOM and line == column == 0 else None
                    axes.plot(nats, values, style, color=colour, marker=mark, markersize=3.5, label=label)
                    if search == RANDOM and head != "truth":
                        low, high = ([row[f"{measure}_{end}"] for row in points] for end in ("low", "high"))
                        axes.fill_between(nats, low, high, color=colour, alpha=0.08, linewidth=0)
            axes.set_ylim(-0.03, 1.03)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0, column].set_title(task.replace("_", " "))
        # Acting at random is 0; a searcher goes from one nat to tens.
        panels[1, column].set_xscale("symlog", linthresh=1)
        panels[1, column].set_xlabel("nats of selection")
    panels[0, 0].set_ylabel("episodes paid where the goal holds")
    panels[1, 0].set_ylabel("precision of what is paid")
    figure.legend(loc="outside lower center", ncols=min(len(heads) + 1, 2 * len(tasks)), frameon=False)
    space = " " if len(tasks) > 2 else "\n"
    figure.suptitle(
        f"Search against {model}, {negatives}:{space}best of n (solid) and of perturbed starts (dotted), cross-entropy "
        "(dashed)",
        fontsize=11,
    )
    figure.savefig(path)


def plot_kept(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a PNG with the truth kept at the highest level of best-of-n: a column a task, a row a negative set.

    Beside each safer head, hollow and of its colour, is the paper's head where it pays as seldom.

    Args:
        rows: As `report.kept_rows` gives them.
        path: The PNG to write.
    """
    from matplotlib.figure import Figure

    shown = [row for row in rows if row["search"] == RANDOM]
    tasks, sets, models, heads = (
        list(dict.fromkeys(row[name] for row in shown)) for name in ("task", "negatives", "model", "head")
    )
    heads = [head for head in heads if not is_control(head)]
    figure = Figure(figsize=(1.2 + 3.1 * len(tasks), 0.9 + 2.7 * len(sets)), dpi=130, layout="constrained")
    panels = figure.subplots(len(sets), len(tasks), sharex=True, sharey=True, squeeze=False)
    # A lucky search on a reward may reach more than that on the truth.
    top = 1.05 * max([1.0, *(row["kept_high"] for row in shown if np.isfinite(row["kept_high"]))])
    for line, negatives in enumerate(sets):
        for column, task in enumerate(tasks):
            axes = panels[line, column]
            for index, (head, colour) in enumerate(zip(heads, _COLOURS * len(heads), strict=False)):
                x = np.arange(len(models)) + (index - (len(heads) - 1) / 2) * 0.14
                for name, shift, fill in ((head, 0.0, colour), (AS_SELDOM + head, 0.06, "white")):
                    own = {
                        row["model"]: row
                        for row in shown
                        if (row["task"], row["negatives"], row["head"]) == (task, negatives, name)
                    }
                    if not own:  # the paper's head has no control
                        continue
                    y = np.array([own[model]["kept"] for model in models])
                    ends = np.array([[own[model]["kept_low"], own[model]["kept_high"]] for model in models]).T
                    errors = np.clip(np.stack([y - ends[0], ends[1] - y]), 0, None)
                    label = name if line == column == 0 and name == head else None
                    style = {"fmt": "o", "color": colour, "markerfacecolor": fill, "markersize": 4, "linewidth": 1}
                    axes.errorbar(x + shift, y, errors, label=label, **style)
            axes.set_xticks(range(len(models)), models, rotation=20)
            axes.set_ylim(-0.03, top)
            axes.grid(alpha=0.25, axis="y")
            axes.spines[["top", "right"]].set_visible(False)
            if line == 0:
                axes.set_title(task.replace("_", " "))
        panels[line, 0].set_ylabel(f"truth kept\n({negatives})")
    figure.legend(loc="outside lower center", ncols=min(len(heads), 2 * len(tasks)), frameon=False)
    space = " " if len(tasks) > 2 else "\n"
    figure.suptitle(
        f"Truth kept at the highest level of best-of-n,{space}against the same search on the truth;{space}"
        "hollow: the paper's head, as seldom paid",
        fontsize=11,
    )
    figure.savefig(path)
