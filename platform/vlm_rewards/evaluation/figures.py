"""Learning-curve figures in the manner of the paper's figure 3."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.plain_text import plain
from vlm_rewards.extras import needs_extra

REWARD_COLOUR, TRUTH_COLOUR, PRECISION_COLOUR = "#1f77b4", "#d95f02", "#4d4d4d"


def plot_learning_curve(
    points: Sequence[CurvePoint],
    path: Path,
    title: str,
    random_success_rate: float | None = None,
    has_reward_model: bool = True,
) -> None:
    """Write a PNG with reward return and success rate over environment steps, and online precision below them.

    Args:
        points: One a training iteration, by rising `env_steps`.
        path: The PNG to write.
        title: Headline of the figure; plain text, whatever it holds.
        random_success_rate: Success rate of the random policy, drawn as a dotted line.
        has_reward_model: False for an agent that trained on ground truth: only that is drawn.
    """
    # A figure of its own, not pyplot's: no global state, and no display is needed.
    with needs_extra("offline"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.2 if has_reward_model else 4), dpi=130, layout="constrained")
    panels = figure.subplots(
        1 + has_reward_model, 1, sharex=True, height_ratios=(3, 1)[: 1 + has_reward_model], squeeze=False
    )[:, 0]
    returns = panels[0]
    steps = np.array([point.env_steps for point in points]) / 1000
    # A good reward's curve lies on that of the truth: the one is drawn broad and pale, the other thin and over it.
    broad = {"linewidth": 5, "alpha": 0.4, "solid_capstyle": "round"}
    if has_reward_model:
        label = "reward return (the only reward)"
        returns.plot(steps, [p.reward_return for p in points], color=REWARD_COLOUR, label=label, **broad)
        panels[1].plot(steps, [p.online_precision for p in points], color=PRECISION_COLOUR)
        panels[1].set(ylabel="precision", ylim=(0, 1.05))
    returns.plot(
        steps,
        [p.success_rate for p in points],
        color=TRUTH_COLOUR,
        label="success rate (ground truth, " + ("never seen)" if has_reward_model else "the reward)"),
    )
    if random_success_rate is not None:
        returns.axhline(
            random_success_rate, color="grey", linestyle=":", label=f"random policy ({random_success_rate:.2f})"
        )
    returns.set(
        ylabel="reward return, success rate" if has_reward_model else "success rate",
        ylim=(-0.02, 1.03),
        title=plain(title),
    )
    returns.legend(loc="lower right", frameon=False)
    panels[-1].set(xlabel="environment steps (thousands)")
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
