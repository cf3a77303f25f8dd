"""Episodes of one task as they were played, with the embeddings of their frames: recorded once for all rewards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.registry import make_env
from experiments.under_pressure.config import TaskSpec
from experiments.under_pressure.outcomes import Episodes
from vlm_rewards.embedding_cache import distinct_frames
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet

Actor = Callable[[gym.Env[Any, Any], np.random.Generator], Iterator[int]]
"""Gives the actions of one episode that has just begun, as long as anyone asks."""

# The agent's own picture is drawn in every step, and nobody looks at it here.
_UNSEEN = (16, 16)


@dataclass(frozen=True)
class Start:
    """One start: the same goal and the same scene for all its episodes.

    Attributes:
        goal_id: The goal.
        seed: Passed to the environment's reset; decides everything else.
    """

    goal_id: str
    seed: int


@dataclass(frozen=True)
class Recording:
    """N episodes of each of P starts, T steps each.

    Attributes:
        starts: The starts.
        actions: int64 (P, N, T).
        episodes: What is true, (P, N, T).
        frame: int64 (P, N, T), which row of the embeddings shows the state after each action.
        first_row: int64 (P + 1,), rows of start p are those from `first_row[p]` on, before `first_row[p + 1]`.
        embeddings: By model float32 (F, D), of the distinct frames of each start.
    """

    starts: tuple[Start, ...]
    actions: npt.NDArray[np.int64]
    episodes: Episodes
    frame: npt.NDArray[np.int64]
    first_row: npt.NDArray[np.int64]
    embeddings: Mapping[str, npt.NDArray[np.float32]]

    def save(self, path: Path) -> None:
        """Write it in one step: a kill leaves all or nothing."""
        partial = path.with_name(f".{path.name}.partial.npz")
        arrays: dict[str, Any] = {f"embeddings/{model}": rows for model, rows in self.embeddings.items()}
        np.savez(
            partial,
            goal_ids=np.array([start.goal_id for start in self.starts]),
            seeds=np.array([start.seed for start in self.starts]),
            actions=self.actions,
            achieved=self.episodes.achieved,
            success=self.episodes.success,
            frame=self.frame,
            first_row=self.first_row,
            **arrays,
        )
        partial.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `save` wrote."""
        with np.load(path) as file:
            starts = zip(file["goal_ids"].tolist(), file["seeds"].tolist(), strict=True)
            prefix = "embeddings/"
            return cls(
                tuple(Start(goal_id, seed) for goal_id, seed in starts),
                file["actions"],
                Episodes(file["achieved"], file["success"]),
                file["frame"],
                file["first_row"],
                {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)},
            )


def task_env(task: TaskSpec, frame_size: tuple[int, int], seen: bool = False, **options: Any) -> gym.Env[Any, Any]:
    """Build a task's environment as it is searched: ground truth ends nothing, and time after `steps` actions.

    Args:
        task: The task.
        frame_size: (height, width) in pixels of the reward's frames, where the task does not say.
        seen: Whether an agent looks at its observations; else they are drawn as small as can be.
        options: Further options of the constructor.

    Raises:
        ConfigError: The environment refuses its options.
    """
    unseen = {} if seen else {"observation_size": _UNSEEN}
    own = {"reward_size": frame_size, **unseen, "max_episode_steps": task.steps, **task.options}
    return make_env(task.environment, **{**own, "terminate_on_success": False, **options})


def plan_starts(task_set: TaskSet, count: int, first_seed: int) -> list[Start]:
    """Return `count` starts that go through the training goals in turn."""
    goals = task_set.goals
    return [Start(goals[number % len(goals)].id, first_seed + number) for number in range(count)]


def perturbed(starts: Sequence[Start], count: int) -> list[Start]:
    """Return `count` starts for each, with its goal and everything else drawn anew; their seeds follow those of all."""
    first = max(start.seed for start in starts) + 1
    return [
        Start(start.goal_id, first + number * count + scene)
        for number, start in enumerate(starts)
        for scene in range(count)
    ]


def act_at_random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Iterator[int]:
    """Give uniformly random actions."""
    assert isinstance(env.action_space, gym.spaces.Discrete), "all of ours are"
    count = int(env.action_space.n)
    while True:
        yield int(rng.integers(count))


def follow(actions: Sequence[int] | npt.NDArray[np.int64]) -> Actor:
    """Return who gives these actions."""
    return lambda env, rng: iter(int(action) for action in actions)


class Recorder:
    """Plays episodes and embeds what they show, each distinct frame of a start once.

    Attributes:
        task: What is played.
    """

    def __init__(self, task: TaskSpec, encoders: Mapping[str, Encoder], env: gym.Env[Any, Any]) -> None:
        """Take an environment of `task_env`, which stays the caller's to close.

        Args:
            task: What is played.
            encoders: By model; none for episodes whose truth alone is asked for.
            env: Its environment.
        """
        self.task, self._encoders, self._env = task, encoders, env
        self._draw = env.get_wrapper_attr("reward_frame") if encoders else None

    def record(
        self,
        starts: Sequence[Start],
        actors: Sequence[Actor] | Callable[[int], Sequence[Actor]],
        seed: int,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Recording:
        """Play an episode by each actor from each start.

        Args:
            starts: P starts.
            actors: N of them, or a function from a start's number to N of them.
            seed: Of the actors' generators, beside the start's own and the actor's number.
            progress: Called with the number of starts played and of all.

        Raises:
            ConfigError: The environment ended an episode before its time.
        """
        actions, achieved, success, frame, first_row = [], [], [], [], [0]
        embedded: dict[str, list[npt.NDArray[np.float32]]] = {model: [] for model in self._encoders}
        for number, start in enumerate(starts):
            who = actors(number) if callable(actors) else actors
            played = [
                self._play(start, actor, np.random.default_rng([seed, start.seed, index]))
                for index, actor in enumerate(who)
            ]
            actions.append([one[0] for one in played])
            achieved.append([one[1] for one in played])
            success.append([one[2] for one in played])
            rows, pictures = _distinct([one[3] for one in played])
            frame.append(first_row[-1] + rows)
            first_row.append(first_row[-1] + len(pictures))
            for model, encoder in self._encoders.items():
                parts = [pictures[begin : begin + 256] for begin in range(0, len(pictures), 256)]
                embedded[model] += [encoder.embed_images(part) for part in parts]
            progress(number + 1, len(starts))
        return Recording(
            tuple(starts),
            np.array(actions, np.int64),
            Episodes(np.array(achieved, np.bool_), np.array(success, np.bool_)),
            np.array(frame, np.int64),
            np.array(first_row, np.int64),
            {model: np.concatenate(parts) for model, parts in embedded.items()},
        )

    def _play(
        self, start: Start, actor: Actor, rng: np.random.Generator
    ) -> tuple[list[int], list[bool], list[bool], list[npt.NDArray[np.uint8]]]:
        self._env.reset(seed=start.seed, options={"goal_id": start.goal_id})
        chooser = actor(self._env, rng)
        actions: list[int] = []
        achieved, success, frames = [], [], []
        for step in range(self.task.steps):
            actions.append(next(chooser))
            _, _, terminated, truncated, info = self._env.step(actions[-1])
            achieved.append(bool(info["goal_achieved"]))
            success.append(bool(info["is_success"]))
            if self._draw is not None:
                frames.append(self._draw())
            if (terminated or truncated) and step + 1 < self.task.steps:
                raise ConfigError(
                    f"environment {self.task.environment!r} ended an episode after {step + 1} of {self.task.steps} "
                    "steps; set the task's steps to its time limit"
                )
        return actions, achieved, success, frames


def _distinct(
    episodes: Sequence[Sequence[npt.NDArray[np.uint8]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return which distinct frame each state shows, int64 (N, T), and these frames, uint8 (F, h, w, 3)."""
    steps = max(map(len, episodes))
    if not steps:
        return np.zeros((len(episodes), 0), np.int64), np.zeros((0, 1, 1, 3), np.uint8)
    frames = np.stack([frame for episode in episodes for frame in episode])
    rows, inverse = distinct_frames(frames)
    return np.asarray(inverse, np.int64).reshape(len(episodes), steps), frames[rows]
