"""Scripted trajectories on the phone, for `experiments.collect`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from experiments.datasets.rows import check_shares, draw_policy, state_row
from vlm_rewards.strict_config import StrictConfig

if TYPE_CHECKING:
    from envs.android.env import OpenAppEnv

POLICIES = ("scripted", "noisy", "random")
#: What the noisy policy does instead of its script now and then.
_NOISE = 0.3


class AndroidCollectConfig(StrictConfig):
    """What is collected on the phone.

    Attributes:
        name: Name of the dataset.
        domain: "android".
        task_set: A packaged task set, by name, which becomes the dataset's family. Goals of both splits take turns.
        content: What the screens show, "train" or "eval".
        layout: Layout of the launcher, "fixed" or "shuffled".
        trajectories: How many.
        policies: Share of the trajectories by policy; they sum to 1. `scripted` plays one of the scripts of
            `envs.android.selftest` (straight to the goal's app, by a detour, to other apps, nowhere), `noisy` goes
            straight to the app with random actions in between, `random` acts at random.
        max_steps: Time limit.
        after_script: Random taps and swipes after a script has ended: most stay within the app.
        reward_size: (height, width) of the stored picture, pixels.
        seed: Everything is drawn from it.
    """

    name: str
    domain: Literal["android"] = "android"
    task_set: str
    content: Literal["train", "eval"] = "eval"
    layout: Literal["fixed", "shuffled"] = "fixed"
    trajectories: int = Field(ge=1)
    policies: dict[str, float]
    max_steps: int = Field(ge=1)
    after_script: int = Field(ge=0)
    reward_size: tuple[int, int]
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_sound(self) -> AndroidCollectConfig:
        check_shares(self.policies, POLICIES)
        return self

    @property
    def total_trajectories(self) -> int:
        """Trajectories of the whole dataset."""
        return self.trajectories


def android_trajectories(config: AndroidCollectConfig) -> Iterator[list[dict[str, Any]]]:
    """Give all trajectories in order; which policy acts in which is drawn from the seed."""
    # Imported here: the playhouse is collected where the phone's dependencies are not installed.
    from envs.android.env import OpenAppEnv

    env = OpenAppEnv(
        config.task_set,
        layout=config.layout,
        content=config.content,
        reward_size=config.reward_size,
        max_episode_steps=config.max_steps,
        terminate_on_success=False,
    )
    goals = env.task_set.all_goals
    try:
        for index in range(config.trajectories):
            rng = np.random.default_rng([config.seed, index])
            name = draw_policy(config.policies, rng)
            yield _trajectory(env, config, index, name, goals[index % len(goals)].id, rng)
    finally:
        env.close()


def _trajectory(
    env: OpenAppEnv, config: AndroidCollectConfig, index: int, policy: str, goal_id: str, rng: np.random.Generator
) -> list[dict[str, Any]]:
    _, info = env.reset(seed=int(rng.integers(2**31)), options={"goal_id": goal_id})
    fixed = {
        "trajectory": index,
        "family": env.task_set.name,
        "goal_id": env.goal.id,
        "instruction": env.goal.instruction,
        "subject": env.goal.subject,
        "policy": policy,
        "home_seed": env.phone.profile.seed,
    }
    rows = [state_row(env, fixed, 0, -1, 0.0, info)]
    for action in _actions(env, config, policy, rng):
        _, reward, _, truncated, info = env.step(action)
        rows.append(state_row(env, fixed, len(rows), action, reward, info))
        if truncated:
            break
    return rows


def _actions(env: OpenAppEnv, config: AndroidCollectConfig, policy: str, rng: np.random.Generator) -> Iterator[int]:
    """Give the actions of one trajectory, as long as anyone asks."""
    from envs.android.actions import ACTION_INDEX, COLUMNS, MACRO_ACTIONS, ROWS
    from envs.android.selftest import KINDS, ScriptWriter

    if policy == "random":
        for _ in range(config.max_steps):
            yield int(rng.integers(len(MACRO_ACTIONS)))
        return
    package = env.phone.apps.by_name[env.goal.subject].package
    writer = ScriptWriter(env.phone.layout, env.phone.apps)
    if policy == "scripted":
        yield from writer.write(KINDS[int(rng.integers(len(KINDS)))], package, rng).actions
    else:
        for action in writer.shortest(package):
            if rng.random() < _NOISE:
                # Away and home again, so that the way to the app is what it was.
                yield int(rng.integers(len(MACRO_ACTIONS)))
                yield ACTION_INDEX["home"]
                yield from writer.shortest(package)
                break
            yield action
    swipes = [ACTION_INDEX["swipe_up"], ACTION_INDEX["swipe_down"]]
    for _ in range(config.after_script):
        yield int(rng.choice(swipes)) if rng.random() < 0.3 else int(rng.integers(ROWS * COLUMNS))
