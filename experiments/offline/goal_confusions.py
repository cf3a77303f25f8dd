"""What one reward makes of each goal's successes when it is asked for the other goals of their family."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.offline.rewards import FamilyRewards
from experiments.shared.cells import csv_cell
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.evaluation.offline.goal_confusion import GoalTrajectoryConfusion, goal_trajectory_confusion


def goal_confusions(
    rewards: FamilyRewards, states: States, images: npt.NDArray[np.float32]
) -> dict[str, GoalTrajectoryConfusion]:
    """Return the confusion of each family: its successful trajectories under every goal that the dataset has of it.

    Args:
        rewards: The reward.
        states: N states in order of trajectory and step, trajectories whole.
        images: float32 (N, D), embeddings of their frames.
    """
    clips = rewards.pooled(states, images)
    reached = np.flatnonzero(states.goal_achieved)
    # The first state of each trajectory in which its goal holds.
    _, first = np.unique(states.trajectory[reached], return_index=True)
    reached = reached[first]
    found = {}
    for family, model in rewards.models.items():
        goals = sorted({str(goal) for goal in states.goal_id[states.family == family]})
        rows = reached[states.family[reached] == family]
        scores = np.empty((len(rows), len(goals)))
        for column, goal in enumerate(goals):
            scores[:, column] = model.score_embeddings(clips[rows], [goal] * len(rows))
        own = np.searchsorted(goals, states.goal_id[rows].astype(str))
        found[family] = goal_trajectory_confusion(scores, own, goals)
    return found


def write_goal_confusion(path: Path, confusions: dict[str, GoalTrajectoryConfusion]) -> None:
    """Write a row for each goal that was reached and each goal that was asked for."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["family", "reached", "asked", "trajectories", "mean_score"])
        for family, confusion in confusions.items():
            for row, reached in enumerate(confusion.goals):
                for column, asked in enumerate(confusion.goals):
                    if confusion.trajectories[row]:
                        names = [csv_cell(name) for name in (family, reached, asked)]
                        writer.writerow([*names, confusion.trajectories[row], f"{confusion.scores[row, column]:.6g}"])
