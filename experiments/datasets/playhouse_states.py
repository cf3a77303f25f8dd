"""States of scripted episodes in the playhouse by what holds in them: finer than whether the goal does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.playhouse import PlayhouseEnv
from envs.playhouse.ground_truth import NEAR
from envs.playhouse.policies import make_policy
from envs.playhouse.presets import Family
from experiments.datasets.rows import draw_policy
from vlm_rewards.goals import TaskSet

#: Share of the episodes by scripted policy, and their length by family: those of the collected datasets.
POLICIES = {"oracle": 0.3, "noisy": 0.3, "wanderer": 0.25, "random": 0.15}
STEPS: dict[Family, int] = {"find": 40, "lift": 45, "pick_place": 70}
#: Kinds of state by family; the goal holds in the first ones.
ACHIEVED: dict[Family, tuple[str, ...]] = {
    "find": ("near",),
    "lift": ("lifted",),
    "pick_place": ("placed, both in sight", "placed, not both in sight"),
}
#: Steps recorded after the goal first holds.
_TAIL = 3


@dataclass(frozen=True)
class PlayhouseStates:
    """States of one family.

    Attributes:
        frames: uint8 (N, H, W, 3), as the reward model sees them.
        goals: N goal ids.
        kinds: N kinds of state, see `kind_of`.
        task_set: Task set of the goals.
    """

    frames: npt.NDArray[np.uint8]
    goals: tuple[str, ...]
    kinds: tuple[str, ...]
    task_set: TaskSet


def sample_states(
    family: Family, preset: str, episodes: int, seed: int, size: tuple[int, int] = (96, 96)
) -> PlayhouseStates:
    """Roll out scripted policies and say of every state what holds in it.

    Args:
        family: Family of the goals.
        preset: Preset of the playhouse; training homes and goals, as in the collected datasets.
        episodes: How many.
        seed: Decides everything.
        size: (height, width) of the frames, pixels.
    """
    env = PlayhouseEnv(
        family,
        preset,
        observation_size=(16, 16),
        reward_size=size,
        max_episode_steps=STEPS[family],
        terminate_on_success=False,
    )
    frames, goals, kinds = [], [], []
    try:
        for episode in range(episodes):
            rng = np.random.default_rng([seed, episode])
            name = draw_policy(POLICIES, rng)
            env.reset(seed=int(rng.integers(2**31)))
            policy = make_policy(name, env, rng)
            policy.reset()
            truncated, after = False, 0
            while True:
                frames.append(env.reward_frame())
                goals.append(env.goal_id)
                kinds.append(kind_of(env))
                if truncated or after > _TAIL:
                    break
                _, _, _, truncated, info = env.step(policy.act())
                after += info["is_success"]
        return PlayhouseStates(np.array(frames), tuple(goals), tuple(kinds), env.task_set)
    finally:
        env.close()


def kind_of(env: PlayhouseEnv) -> str:
    """Return what holds in the present state, of the things that its goal names."""
    truth, scene = env.truth, env.scene
    seen, held = truth.is_visible(0), env.agent.held == 0
    x, y, _, _ = env.agent.pose
    away = float(np.hypot(*(scene.centre(0)[:2] - (x, y))))
    if env.family == "find":
        if not seen:
            return "near, not in sight" if away <= NEAR else "not in sight"
        return "near" if away <= NEAR else "to 1.4 m" if away <= 1.4 else "to 1.8 m" if away <= 1.8 else "further"
    if env.family == "lift":
        if held:
            return "lifted" if truth.is_lifted(0) else "held, not lifted"
        return "not in sight" if not seen else "near" if away <= NEAR else "in sight"
    both = seen and truth.is_visible(1)
    gap = float(np.hypot(*(scene.centre(0) - scene.centre(1))[:2]))
    if truth.is_placed(0, 1):
        return "placed, both in sight" if both else "placed, not both in sight"
    if held:
        return "carried" if not both else "carried to 0.9 m, both in sight" if gap < 0.9 else "carried, both in sight"
    return "not both in sight" if not both else "apart to 1 m" if gap < 1.0 else "apart"
