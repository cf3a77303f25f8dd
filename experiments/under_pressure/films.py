"""Films of the worst false positives: what a search would pick, and is paid for nothing."""

from pathlib import Path

import numpy as np

from experiments.under_pressure.config import TaskSpec
from experiments.under_pressure.outcomes import Outcomes
from experiments.under_pressure.recording import Recording, task_env
from vlm_rewards.evaluation.videos import RecordedEpisode, write_gif
from vlm_rewards.goals import TaskSet


def worst_false_positives(found: Outcomes, count: int) -> list[tuple[int, int]]:
    """Return (start, try) of those that each start's search prefers, as far as they are paid for nothing.

    Args:
        found: Arrays (P, N).
        count: Most of them; those that are paid soonest come first.
    """
    picked = found.value.argmax(axis=1)
    rows = np.arange(len(picked))
    false = np.flatnonzero(found.paid[rows, picked] & ~found.true[rows, picked])
    order = false[np.argsort(-found.value[false, picked[false]], kind="stable")]
    return [(int(start), int(picked[start])) for start in order[:count]]


def film(
    task: TaskSpec,
    task_set: TaskSet,
    recording: Recording,
    scores: np.ndarray,
    found: Outcomes,
    beta: float,
    chosen: list[tuple[int, int]],
    path: Path,
) -> None:
    """Play recorded episodes again, to where the reward ended them, and write them side by side.

    Args:
        task: Their task.
        task_set: Its goals.
        recording: The episodes.
        scores: float32 (P, N, T), the reward's.
        found: How it ended them.
        beta: Its threshold.
        chosen: (start, try) of at least one episode.
        path: The GIF to write.
    """
    env = task_env(task, (96, 96), render_mode="rgb_array")
    episodes = []
    try:
        for start, number in chosen:
            begin = recording.starts[start]
            env.reset(seed=begin.seed, options={"goal_id": begin.goal_id})
            pictures = []
            for action in recording.actions[start, number, : found.end[start, number] + 1]:
                env.step(int(action))
                pictures.append(np.asarray(env.render()))
            title = task_set.goal(begin.goal_id).instruction
            shown = scores[start, number, : len(pictures)]
            reached = bool(found.truth[start, number])
            episodes.append(RecordedEpisode(title, np.stack(pictures), shown, beta, reached))
    finally:
        env.close()
    write_gif(episodes, path)
