"""Ground-truth evaluation of a policy over a fixed list of episodes.

No reward model takes part: an episode's outcome is the environment's own. Each episode has its own seed, so the result
does not depend on how many environments run side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Observations = dict[str, npt.NDArray[Any]]


class Policy(Protocol):
    """What chooses actions for a batch of environments."""

    def start(self, slots: Sequence[int], seeds: Sequence[int]) -> None:
        """Forget all that is remembered of the environments `slots`: their next episodes, with `seeds`, begin."""

    def act(self, observations: Observations, slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return one action (n,) for each of the n environments `slots`, given arrays (n, ...).

        Args:
            observations: By name, (n, ...) of the dtype that the environments have.
            slots: Numbers of the environments.
        """


@dataclass(frozen=True)
class EpisodeSpec:
    """One episode to run.

    Attributes:
        goal_id: The goal, fixed for the episode.
        seed: Passed to the environment's reset; decides everything else in it.
    """

    goal_id: str
    seed: int


@dataclass(frozen=True)
class EpisodeResult:
    """The outcome of one episode.

    Attributes:
        goal_id: The goal.
        seed: The episode's seed.
        success: Whether the ground truth says that the goal was reached.
        length: Steps taken.
        env_return: Sum of the environment's own rewards.
    """

    goal_id: str
    seed: int
    success: bool
    length: int
    env_return: float


class Watcher(Protocol):
    """What looks on while episodes are played, and changes nothing; see `vlm_rewards.evaluation.recording`."""

    def begin(
        self, slot: int, number: int, goal_id: str, seed: int, env: gym.Env[Any, Any], first: Observations, info: Any
    ) -> None:
        """Take note that episode `number` has begun in environment `slot`.

        Args:
            slot: Index of the environment.
            number: Index of the episode in the plan.
            goal_id: Its goal.
            seed: Its seed.
            env: The environment, which shows the episode's first state.
            first: What the agent is shown of it: arrays as the observation space has them, such as uint8 (H, W, 3).
            info: The environment's info.
        """

    def step(
        self, slot: int, env: gym.Env[Any, Any], action: int, seen: Observations, reward: float, info: Any, ended: bool
    ) -> None:
        """Take note of a step in environment `slot`: its action, and what followed.

        Args:
            slot: Index of the environment.
            env: The environment, which shows the state that the action led to.
            action: What was done, index of a discrete action space.
            seen: What the agent is shown of it: arrays as the observation space has them, such as uint8 (H, W, 3).
            reward: The environment's own reward for the step.
            info: The environment's info.
            ended: Whether the episode is over.
        """


class RandomPolicy:
    """Uniform over a discrete action space, by a generator of each episode's own."""

    def __init__(self, num_actions: int) -> None:
        self._num_actions = num_actions
        self._generators: dict[int, np.random.Generator] = {}

    def start(self, slots: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin episodes: each gets a generator seeded by its episode's seed."""
        for slot, seed in zip(slots, seeds, strict=True):
            self._generators[slot] = np.random.default_rng([seed, 0x52414E44])

    def act(self, observations: Observations, slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return int64 (n,), uniform in [0, num_actions)."""
        return np.array([self._generators[slot].integers(self._num_actions) for slot in slots], dtype=np.int64)


def plan_episodes(goal_ids: Sequence[str], episodes: int, first_seed: int) -> list[EpisodeSpec]:
    """Return `episodes` specs that go through the goals in turn, so that each goal gets its equal share."""
    return [EpisodeSpec(goal_ids[i % len(goal_ids)], first_seed + i) for i in range(episodes)]


def run_episodes(
    make_env: Callable[[], gym.Env[Any, Any]],
    policy: Policy,
    specs: Sequence[EpisodeSpec],
    num_envs: int = 16,
    on_episode: Callable[[EpisodeResult], None] | None = None,
    watcher: Watcher | None = None,
) -> list[EpisodeResult]:
    """Run every episode of `specs` to its end.

    Args:
        make_env: Builds a `RewardableEnv` that ends its episode on ground-truth success.
        policy: Chooses the actions of all environments in one call a step.
        specs: The episodes.
        num_envs: Environments stepped side by side in this process.
        on_episode: Called after each episode, for progress.
        watcher: Looks on.

    Returns:
        Results in the order of `specs`.
    """
    waiting = list(enumerate(specs))[::-1]
    results: dict[int, EpisodeResult] = {}
    envs = [make_env() for _ in range(min(num_envs, len(specs)))]
    running: dict[int, tuple[int, EpisodeSpec]] = {}
    latest: dict[int, Observations] = {}
    lengths: dict[int, int] = {}
    returns: dict[int, float] = {}

    def begin(slots: list[int]) -> None:
        started = []
        for slot in slots:
            if waiting:
                running[slot] = waiting.pop()
                index, spec = running[slot]
                latest[slot], info = envs[slot].reset(seed=spec.seed, options={"goal_id": spec.goal_id})
                lengths[slot], returns[slot] = 0, 0.0
                if watcher is not None:
                    watcher.begin(slot, index, spec.goal_id, spec.seed, envs[slot], latest[slot], info)
                started.append(slot)
        policy.start(started, [running[slot][1].seed for slot in started])

    try:
        begin(list(range(len(envs))))
        while running:
            slots = sorted(running)
            batch = {key: np.stack([latest[slot][key] for slot in slots]) for key in latest[slots[0]]}
            ended = []
            for slot, action in zip(slots, policy.act(batch, slots), strict=True):
                latest[slot], reward, terminated, truncated, info = envs[slot].step(int(action))
                lengths[slot] += 1
                returns[slot] += float(reward)
                if watcher is not None:
                    over = bool(terminated or truncated)
                    watcher.step(slot, envs[slot], int(action), latest[slot], float(reward), info, over)
                if terminated or truncated:
                    index, spec = running.pop(slot)
                    success = bool(info["is_success"])
                    results[index] = EpisodeResult(spec.goal_id, spec.seed, success, lengths[slot], returns[slot])
                    ended.append(slot)
                    if on_episode is not None:
                        on_episode(results[index])
            if ended:
                begin(ended)
    finally:
        for env in envs:
            env.close()
    return [results[index] for index in range(len(specs))]
