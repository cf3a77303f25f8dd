"""What a model takes for what, as a picture."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm_rewards.extras import needs_extra

# With more rows than these the names are smaller than a person reads.
_NAMED_ROWS = 60


def plot_confusions(panels: Mapping[str, tuple[Sequence[str], Sequence[str]]], path: Path, title: str) -> None:
    """Write a PNG with a matrix for each panel: rows are what is shown, columns what it was taken for.

    Args:
        panels: Panels by heading, the right answer and the given answer of each picture.
        path: The PNG to write.
        title: Headline of the figure.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    with needs_extra("pretraining"):
        from matplotlib.figure import Figure

    sizes = {heading: len(set(right)) for heading, (right, _) in panels.items()}
    widths = [max(2.6, 0.16 * size) for size in sizes.values()]
    figure = Figure(figsize=(sum(widths) + 1.6 * len(panels), max(widths) + 1.5), dpi=130, layout="constrained")
    axes_of = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    for axes, (heading, (right, given)) in zip(axes_of, panels.items(), strict=True):
        names = sorted({*right, *given})
        row = {name: i for i, name in enumerate(names)}
        counts = np.zeros((len(names), len(names)))
        for (shown, taken), count in Counter(zip(right, given, strict=True)).items():
            counts[row[shown], row[taken]] = count
        shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        # A square root: one in a hundred is still seen.
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
        for i, j in zip(*np.nonzero((shares >= 0.01) & (len(names) <= 16)), strict=True):
            axes.text(j, i, f"{shares[i, j]:.2f}"[1:] if shares[i, j] < 1 else "1", ha="center", va="center",
                      fontsize=5, color="white" if shares[i, j] > 0.4 else "black")  # fmt: skip
        if len(names) <= _NAMED_ROWS:
            small = 7 if len(names) <= 16 else 5
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
            axes.set_yticks(range(len(names)), names, fontsize=small)
        axes.set(xlabel=f"{heading} it was taken for", ylabel=f"{heading} shown")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)
