"""What a replay is made of, and how much memory that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from vlm_rewards.environment.action_memory import PAST_ACTIONS
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.training_goals import TrainingGoals
from vlm_rewards.strict_config import StrictConfig


class Hindsight(StrictConfig):
    """How steps are relabelled with other goals (Andrychowicz et al. 2017, over all goals that one embedding scores).

    Attributes:
        share: Share of a batch that is relabelled, in [0, 1].
        future: Share of these that gets a goal which is achieved later in the same episode, drawn uniformly from
            those that are. The others, and steps after which nothing is achieved, get any training goal: most of them
            are negatives.
        alike: Share of those others that gets a goal which is easily taken for one that is achieved later in the
            episode, the other things of its colour, say: a negative that the agent can learn to tell apart
            (`TrainingGoals.alike`). Where there is none, as among apps whose names share no word, any goal does.
    """

    share: float = Field(default=0.8, ge=0, le=1)
    future: float = Field(default=0.7, ge=0, le=1)
    alike: float = Field(default=0.0, ge=0, le=1)


@dataclass(frozen=True)
class ReplaySettings:
    """What a replay is made of.

    Attributes:
        capacity: Observations that it holds; one episode of T steps takes T + 1.
        n_step: Steps of a return before it relies on the value of the state arrived at.
        gamma: Discount factor per step.
        hindsight: How steps are relabelled; None leaves each with its episode's goal.
        keeps_log_probs: Whether it keeps how probable each action was where it was taken, for off-policy corrections.
    """

    capacity: int
    n_step: int
    gamma: float
    hindsight: Hindsight | None = None
    keeps_log_probs: bool = False


def check_hindsight(hindsight: Hindsight | None, goals: TrainingGoals | None) -> None:
    """Refuse hindsight that has nothing to relabel with.

    Raises:
        ConfigError: No training goals, or one alone.
    """
    if hindsight is not None and (goals is None or len(goals) < 2):
        known = "none were given" if goals is None else f"there is only {goals.ids[0]!r}"
        raise ConfigError(
            f"hindsight relabels steps with other training goals, and {known}; "
            "train on two goals at least, or leave algorithm.hindsight out"
        )


def slot_columns(
    settings: ReplaySettings, image_shape: Sequence[int], goals: TrainingGoals | None, remembered_actions: int = 0
) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return shape and type of what a slot holds, by name."""
    columns: dict[str, tuple[tuple[int, ...], type]] = {
        "image": (tuple(image_shape), np.uint8),
        "action": ((), np.int32),
        "reward": ((), np.float32),
        "end": ((), np.bool_),
        "goal": ((), np.int32),
    }
    if settings.keeps_log_probs:
        columns["log_prob"] = ((), np.float32)
    if remembered_actions:
        columns[PAST_ACTIONS] = ((remembered_actions,), np.int16)
    if goals is None:
        columns["tokens"] = ((GOAL_LENGTH,), np.int64)
    elif settings.hindsight is not None:
        columns["achieved"] = columns["later"] = ((len(goals),), np.bool_)
    if goals is not None and goals.captions is not None:
        columns["embedding"] = ((goals.embedding_dim,), np.float32)
    return columns


def replay_bytes(
    settings: ReplaySettings, image_shape: Sequence[int], goals: TrainingGoals | None, remembered_actions: int = 0
) -> int:
    """Return the size of a replay's memory."""
    slot = sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        for shape, dtype in slot_columns(settings, image_shape, goals, remembered_actions).values()
    )
    return settings.capacity * slot
