"""Agent steps a second in one process, with a random policy.

Run it as `python -m envs.android.benchmark [--task-set open_diverse_apps]`.
"""

import argparse
import multiprocessing
import time
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Discrete

from envs.android.env import OpenAppEnv


def steps_per_second(env: OpenAppEnv, steps: int, with_reward_frames: bool, seed: int = 0) -> tuple[float, float]:
    """Measure the environment, resets included.

    Args:
        env: Is left in the middle of an episode.
        steps: Agent steps to time.
        with_reward_frames: Whether each step also draws a reward frame, as training on a CLIP reward does.
        seed: Seed of the episodes and the policy.

    Returns:
        Steps a second, and the fraction of episodes that ended in success.
    """
    actions = np.random.default_rng(seed).integers(int(cast("Discrete[Any]", env.action_space).n), size=steps)
    episodes = successes = 0
    env.reset(seed=seed)
    started = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, info = env.step(action)
        if with_reward_frames:
            env.reward_frame()
        if terminated or truncated:
            episodes += 1
            successes += info["is_success"]
            env.reset()
    return steps / (time.perf_counter() - started), successes / max(episodes, 1)


def _case(task_set: str, layout: str, with_reward_frames: bool, steps: int, seed: int) -> str:
    env = OpenAppEnv(task_set, layout=layout)
    # Twice: a fresh process draws every icon and screen for the first time.
    cold, _ = steps_per_second(env, steps, with_reward_frames, seed)
    started = time.process_time()
    warm, success = steps_per_second(env, steps, with_reward_frames, seed + 1)
    # What a quiet core would give, told on a busy one.
    alone = steps / (time.process_time() - started)
    env.close()
    frames = "with a reward frame each step" if with_reward_frames else "agent frames only"
    return (
        f"{task_set}, layout {layout}, {frames}: {cold:,.0f} steps/s in the first {steps:,} steps, "
        f"{warm:,.0f} in the next, {alone:,.0f} a second of processor time (random policy: success {success:.3f})"
    )


def main() -> None:
    """Print a line for each case, each measured in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task-set", default="open_common_apps", help="a packaged task set or a .yaml file")
    args = parser.parse_args()
    cases = [
        (args.task_set, layout, frames, args.steps, args.seed)
        for layout in ("fixed", "shuffled")
        for frames in (False, True)
    ]
    for case in cases:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            print(process.apply(_case, case), flush=True)


if __name__ == "__main__":
    main()
