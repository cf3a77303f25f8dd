"""Episodes of random actions, kept whole so that two of them can be compared."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt


@dataclass
class Episode:
    """What an environment showed and said in one episode, each list with an entry for the reset and for each step.

    Attributes:
        images: The learner's pictures, uint8 (H, W, 3).
        goals: The learner's goals, as tokens int64 (L,).
        frames: The reward model's pictures, uint8 (H, W, 3); empty where nobody looked.
        rewards: The environment's own rewards, 0 at the reset.
        ends: Whether it terminated, and whether it was truncated.
        success: `is_success`.
        achieved: `goal_achieved`.
        goal_ids: `goal_id`.
    """

    images: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    goals: list[npt.NDArray[np.int64]] = field(default_factory=list)
    frames: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    ends: list[tuple[bool, bool]] = field(default_factory=list)
    success: list[bool] = field(default_factory=list)
    achieved: list[bool] = field(default_factory=list)
    goal_ids: list[str] = field(default_factory=list)

    def cut(self, count: int) -> "Episode":
        """Return its first entries."""
        return Episode(*(values[:count] for values in vars(self).values()))

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong about an episode that success should not have ended, and what to do."""
        if any(terminated for terminated, _ in self.ends):
            yield (
                "an episode terminated though terminate_on_success is False",
                "end it by truncation alone: a learner reads the truth from how it ends",
            )
        if len(set(self.goal_ids)) > 1 or any(not np.array_equal(goal, self.goals[0]) for goal in self.goals):
            yield "the goal changed during an episode", "draw it in reset() and keep it"
        if self.success != sorted(self.success):
            yield (
                "is_success was taken back",
                "keep it True once the goal has been reached; goal_achieved says whether it holds",
            )
        if any(now and not by_now for now, by_now in zip(self.achieved, self.success, strict=True)):
            yield "goal_achieved holds where is_success does not", "set is_success whenever the goal holds"
        first = [
            float(now and not before)
            for before, now in zip([self.success[0], *self.success], self.success, strict=False)
        ]
        if self.rewards != first:
            yield "the environment's reward is not 1 at the first success and else 0", "give 1.0 at that step alone"


def play(env: gym.Env[Any, Any], seed: int, most_steps: int, look: bool = True) -> Episode:
    """Play an episode of random actions, which the seed fixes.

    Args:
        env: A rewardable environment.
        seed: Seed of the episode, and of the actions.
        most_steps: Steps after which to stop.
        look: Whether to draw the reward frame, twice, at each step.
    """
    episode = Episode()
    env.action_space.seed(seed)
    observation, info = env.reset(seed=seed)
    _note(episode, env, observation, 0.0, (False, False), info, look)
    for _ in range(most_steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        _note(episode, env, observation, float(reward), (bool(terminated), bool(truncated)), info, look)
        if terminated or truncated:
            break
    return episode


def differs(first: Episode, second: Episode, ignore: Collection[str] = ()) -> str:
    """Return in words where two episodes differ first; empty if nowhere. Frames count where both were looked at."""
    names = {
        "images": "image",
        "goals": "goal",
        "rewards": "reward",
        "ends": "end",
        "success": "is_success",
        "goal_ids": "goal_id",
    }
    for step in range(max(len(first.images), len(second.images))):
        for attribute, name in names.items():
            if name in ignore:
                continue
            pair = getattr(first, attribute)[step : step + 1], getattr(second, attribute)[step : step + 1]
            if len(pair[0]) != len(pair[1]) or not np.array_equal(*pair):
                return f"{name} at step {step}"
        if first.frames and second.frames and not np.array_equal(first.frames[step], second.frames[step]):
            return f"reward frame at step {step}"
    return ""


def _note(
    episode: Episode,
    env: gym.Env[Any, Any],
    observation: dict[str, Any],
    reward: float,
    end: tuple[bool, bool],
    info: dict[str, Any],
    look: bool,
) -> None:
    episode.images.append(np.array(observation["image"]))
    episode.goals.append(np.array(observation["goal"]))
    if look:
        unwrapped: Any = env.unwrapped
        unwrapped.reward_frame()
        episode.frames.append(np.array(unwrapped.reward_frame()))
    episode.rewards.append(reward)
    episode.ends.append(end)
    episode.success.append(bool(info["is_success"]))
    episode.achieved.append(bool(info["goal_achieved"]))
    episode.goal_ids.append(str(info["goal_id"]))
