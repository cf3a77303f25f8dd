"""A reward goal by goal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.offline.evaluation import confusions
from experiments.offline.rewards import FamilyRewards
from experiments.reward_cards.known_results import Row
from experiments.shared.cells import markdown_text
from experiments.study_report.document import number
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.evaluation.offline.precision_recall import average_precision, precision_and_recall
from vlm_rewards.goals import TaskSet

# Rows that a page shows; the file beside it has all.
_SHOWN = 24


def goal_rows(
    tasks: TaskSet,
    states: States,
    images: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    rewards: FamilyRewards,
) -> list[dict[str, Any]]:
    """Return a row for each goal that the states have, in the order of the task set.

    Args:
        tasks: The goals.
        states: N states of one family, in order of trajectory and step, trajectories whole.
        images: float32 (N, D), embeddings of their frames.
        scores: float32 (N,), the reward's.
        rewards: The reward.

    Returns:
        Counts of states by goal: `holds` are those in which it does, `paid` those above beta, `false` are paid and do
        not hold, `missed` hold and are not paid. `precision` and `recall` of the reward, and the average precision of
        the score, in [0, 1]; NaN where nothing is paid or holds. `next_caption` is the negative nearest to winning in
        falsely paid states, `winner` the one that wins where the goal holds, with how often.
    """
    negatives = {}
    if rewards.config.head.uses_negatives:
        negatives = {goal.goal_id: goal.row() for goal in confusions(states, images, scores, rewards)}
    rows = []
    for goal in tasks.all_goals:
        own = states.goal_id == goal.id
        if not own.any():
            continue
        labels, paid = states.goal_achieved[own], scores[own] > np.float32(rewards.config.beta)
        precision, recall = precision_and_recall(paid, labels)
        defined = labels.any() and not labels.all()
        other = negatives.get(goal.id, {})
        rows.append(
            {
                "goal": goal.subject,
                "trajectories": len(np.unique(states.trajectory[own])),
                "states": len(labels),
                "holds": int(labels.sum()),
                "paid": int(paid.sum()),
                "false": int((paid & ~labels).sum()),
                "missed": int((labels & ~paid).sum()),
                "precision": precision,
                "recall": recall,
                "average_precision": average_precision(scores[own], labels) if defined else np.nan,
                "next_caption": other.get("most_frequent_runner_up", ""),
                "next_caption_times": other.get("times", 0),
                "winner": other.get("most_frequent_winner", ""),
                "winner_times": other.get("wins", 0),
            }
        )
    return rows


def worst_goals(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the table of a page: the goals with the most mistakes first, and of equal ones the first."""
    worst = sorted(rows, key=lambda row: -row["false"] - row["missed"])[:_SHOWN]
    return [
        {
            "goal": markdown_text(row["goal"]),
            **{name: str(row[name]) for name in ("trajectories", "states", "holds", "paid", "false", "missed")},
            "precision": number(row["precision"]),
            "recall": number(row["recall"]),
            "AP": number(row["average_precision"]),
            "next caption where it is false": _times(row["next_caption"], row["next_caption_times"]),
            "winner where it holds": _times(row["winner"], row["winner_times"]),
        }
        for row in worst
    ]


def _times(caption: str, times: int) -> str:
    return f"{markdown_text(caption)} ({times})" if caption else ""
