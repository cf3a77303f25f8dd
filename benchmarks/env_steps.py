"""Processor milliseconds of one environment's steps under random actions: a script for the Python that has it.

python benchmarks/env_steps.py MODULE:ID '{"option": 1}' SECONDS
"""

import json
import sys
import time
from typing import Any

import gymnasium as gym


def main(env_id: str, options: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Step for so long, episode after episode.

    Args:
        env_id: As for `gymnasium.make`; a module before its colon is imported first.
        options: For the environment's constructor.
        seconds: Of processor time; one step is taken at least.

    Returns:
        `step_ms` and `reset_ms`, processor time of one; `steps`; `shape` of the picture.
    """
    env = gym.make(env_id, disable_env_checker=True, **options)
    env.action_space.seed(0)
    spent = {"step": 0.0, "reset": 0.0}
    counts = {"step": 0, "reset": 0}
    observation, _ = env.reset(seed=0)  # loads what is loaded once
    until, over = time.process_time() + seconds, True
    while time.process_time() < until or not counts["step"]:
        what, action = ("reset", None) if over else ("step", env.action_space.sample())
        start = time.process_time()
        if over:
            (observation, _), over = env.reset(), False
        else:
            observation, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
        spent[what] += time.process_time() - start
        counts[what] += 1
    env.close()
    picture = observation["image"] if isinstance(observation, dict) else observation
    return {
        **{f"{what}_ms": 1000 * spent[what] / counts[what] for what in spent},
        "steps": counts["step"],
        "shape": list(picture.shape),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3]))))
