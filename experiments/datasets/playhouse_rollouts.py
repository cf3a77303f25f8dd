"""Scripted trajectories in the playhouse, for `experiments.collect`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from envs.playhouse import PlayhouseEnv
from envs.playhouse.policies import POLICIES, make_policy
from envs.playhouse.presets import FAMILIES, Family
from experiments.datasets.rows import check_shares, draw_policy, state_row
from vlm_rewards.strict_config import StrictConfig


class CollectConfig(StrictConfig):
    """What is collected.

    Attributes:
        name: Name of the dataset.
        env_preset: Preset of the playhouse.
        split: Goals and homes, "train" or "held_out".
        trajectories: How many of each family.
        policies: Share of the trajectories by scripted policy; they sum to 1.
        max_steps: Time limit by family.
        observation_size: (height, width) of the policy's picture, pixels (not stored).
        reward_size: (height, width) of the stored picture, pixels.
        stop_after_success: Steps recorded after the goal first holds.
        seed: Everything is drawn from it.
    """

    name: str
    env_preset: str
    split: Literal["train", "held_out"]
    trajectories: dict[Family, int]
    policies: dict[str, float]
    max_steps: dict[Family, int]
    observation_size: tuple[int, int]
    reward_size: tuple[int, int]
    stop_after_success: int = Field(ge=0)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_sound(self) -> CollectConfig:
        check_shares(self.policies, POLICIES)
        missing = set(self.trajectories) - set(self.max_steps)
        if missing:
            raise ValueError(f"max_steps lacks {sorted(missing)}")
        return self

    @property
    def total_trajectories(self) -> int:
        """Trajectories of the whole dataset."""
        return sum(self.trajectories.values())


def playhouse_trajectories(config: CollectConfig) -> Iterator[list[dict[str, Any]]]:
    """Give all trajectories in order; which policy acts in which is drawn from the seed."""
    index = 0
    for family in FAMILIES:
        count = config.trajectories.get(family, 0)
        if not count:
            continue
        env = PlayhouseEnv(
            family,
            config.env_preset,
            split=config.split,
            observation_size=config.observation_size,
            reward_size=config.reward_size,
            max_episode_steps=config.max_steps[family],
            terminate_on_success=False,
        )
        try:
            for _ in range(count):
                rng = np.random.default_rng([config.seed, index])
                name = draw_policy(config.policies, rng)
                yield _trajectory(env, index, name, rng, config.stop_after_success)
                index += 1
        finally:
            env.close()


def _trajectory(
    env: PlayhouseEnv, index: int, policy_name: str, rng: np.random.Generator, tail: int
) -> list[dict[str, Any]]:
    _, info = env.reset(seed=int(rng.integers(2**31)))
    policy = make_policy(policy_name, env, rng)
    policy.reset()
    assert env.episode is not None
    goal = env.episode.goal.worded()
    fixed = {
        "trajectory": index,
        "family": env.family,
        "goal_id": goal.id,
        "instruction": goal.instruction,
        "subject": goal.subject,
        "policy": policy_name,
        "home_seed": env.episode.home.seed,
    }
    rows = [state_row(env, fixed, 0, -1, 0.0, info)]
    truncated, after = False, 0
    while not truncated and after <= tail:
        action = policy.act()
        _, reward, _, truncated, info = env.step(action)
        rows.append(state_row(env, fixed, len(rows), action, reward, info))
        after += info["is_success"]
    return rows
