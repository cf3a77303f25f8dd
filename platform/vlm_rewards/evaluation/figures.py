"""Learning-curve figures in the manner of the paper's figure 3."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VLM_COLOUR, TRUTH_COLOUR, PRECISION_COLOUR = "#1f77b4", "#d95f02", "#4d4d4d"


@dataclass(frozen=True)
class CurvePoint:
    """One training iteration.

    Attributes:
        env_steps: Environment steps so far.
        vlm_return: Mean return under the reward model, in [0, 1].
        ground_truth_return: Mean return by ground truth, in [0, 1].
        online_precision: Share of VLM successes that are true, in [0, 1]; NaN where there was none.
    """

    env_steps: int
    vlm_return: float
    ground_truth_return: float
    online_precision: float


def plot_learning_curve(
    points: Sequence[CurvePoint], path: Path, title: str, random_success: float | None = None, vlm: bool = True
) -> None:
    """Write a PNG with both returns over environment steps, and the reward's online precision below them.

    Args:
        points: One a training iteration, by rising `env_steps`.
        path: The PNG to write.
        title: Headline of the figure.
        random_success: Success rate of the random policy, drawn as a dotted line.
        vlm: False for an agent that trained on ground truth: only that is drawn.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.2 if vlm else 4), dpi=130, layout="constrained")
    panels = figure.subplots(1 + vlm, 1, sharex=True, height_ratios=(3, 1)[: 1 + vlm], squeeze=False)[:, 0]
    returns = panels[0]
    steps = np.array([point.env_steps for point in points]) / 1000
    # A good reward's curve lies on that of the truth: the one is drawn broad and pale, the other thin and over it.
    broad = {"linewidth": 5, "alpha": 0.4, "solid_capstyle": "round"}
    if vlm:
        label = "VLM return (the only reward)"
        returns.plot(steps, [p.vlm_return for p in points], color=VLM_COLOUR, label=label, **broad)
        panels[1].plot(steps, [p.online_precision for p in points], color=PRECISION_COLOUR)
        panels[1].set(ylabel="precision", ylim=(0, 1.05))
    returns.plot(
        steps,
        [p.ground_truth_return for p in points],
        color=TRUTH_COLOUR,
        label="ground-truth return " + ("(never seen)" if vlm else "(the reward)"),
    )
    if random_success is not None:
        returns.axhline(random_success, color="grey", linestyle=":", label=f"random policy ({random_success:.2f})")
    returns.set(ylabel="mean episode return", ylim=(-0.02, 1.03), title=title)
    returns.legend(loc="lower right", frameon=False)
    panels[-1].set(xlabel="environment steps (thousands)")
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
