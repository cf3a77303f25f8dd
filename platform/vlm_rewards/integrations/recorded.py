"""What a dataset of somebody else's must show for a reward to be added to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, TaskSet


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode, as far as a reward needs it.

    Attributes:
        frames: uint8 (T, H, W, 3), the picture of each state in order.
        goal: What was asked for, as the dataset has it: an id or words; None where it says nothing.
    """

    frames: npt.NDArray[np.uint8]
    goal: str | None


@dataclass(frozen=True)
class EpisodeRewards:
    """What a reward makes of one episode.

    Attributes:
        scores: float32 (T,), in the head's score range.
        rewards: float32 (T,), of each state by itself: 0 or 1, or a dense form's score.
    """

    scores: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]


class Recording(Protocol):
    """A dataset of somebody else's.

    Attributes:
        record: Where in its folder it says what it is.
    """

    record: str

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def identity(self) -> str:
        """Hex sha256 of what it holds."""
        ...

    def episodes(self) -> Iterator[RecordedEpisode]:
        """Yield its episodes in order.

        Raises:
            ConfigError: It has no pictures, or some that no reward reads.
        """
        ...

    def write(self, out: Path, name: str, rewards: Sequence[EpisodeRewards], fingerprint: str) -> None:
        """Write a copy of it with rewards.

        Args:
            out: A folder that does not exist.
            name: What that folder is going to be called.
            rewards: Of each episode in order.
            fingerprint: Of the reward.
        """
        ...


def checked_pictures(frames: np.ndarray, where: str) -> npt.NDArray[np.uint8]:
    """Return the pictures of an episode, if a reward reads them.

    Raises:
        ConfigError: Not uint8 (T, H, W, 3) with at least one picture.
    """
    if frames.dtype != np.uint8:
        raise ConfigError(f"{where} holds pictures of {frames.dtype}; a reward reads uint8 in 0..255: record them so")
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ConfigError(
            f"{where} holds pictures of shape {frames.shape[1:]}; a reward reads (H, W, 3), and at least one"
        )
    return frames


def goal_of(words: str | None, task_set: TaskSet, goals: dict[str, str], only: str | None, where: str) -> Goal:
    """Return the goal that an episode's words mean.

    Args:
        words: As the dataset has them: a goal's id, its subject or its instruction.
        task_set: The goals.
        goals: Goal ids by words that mean them and are none of these.
        only: The goal of every episode, whatever the dataset says.
        where: The episode, for messages.

    Raises:
        ConfigError: No goal, or none that is known.
    """
    if only is not None:
        return task_set.goal(only)
    if words is None:
        raise ConfigError(f"{where} does not say its goal; name it for all: --goal ID")
    if words in goals:
        return task_set.goal(goals[words])
    wanted = _plain(words)
    for goal in task_set.all_goals:
        if wanted in (_plain(goal.id), _plain(goal.subject), _plain(goal.instruction)):
            return goal
    known = ", ".join(goal.id for goal in task_set.all_goals[:12])
    raise ConfigError(
        f"{where} asks for {words[:100]!r}, which is no goal of task set {task_set.name!r} ({known}); say which it is: "
        f"--set \"data.goals={{'{words[:40]}': ID}}\", or --goal ID for all"
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")
