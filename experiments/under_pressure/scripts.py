"""Scripted actors that know the truth, for labelled pilot episodes; no search uses them."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.under_pressure.recording import act_at_random
from vlm_rewards.errors import ConfigError

# Share of arbitrary actions in a scripted episode: it passes through states that a script alone never shows.
_NOISE = 0.2


def act_by_script(env: gym.Env[Any, Any], rng: np.random.Generator) -> Iterator[int]:
    """Give the actions of the domain's own script with arbitrary ones in between; random ones where it has ended.

    Raises:
        ConfigError: The environment has no script.
    """
    script = _script(env.unwrapped, rng)
    arbitrary = act_at_random(env, rng)
    while True:
        if rng.random() < _NOISE:
            yield next(arbitrary)
            script = _script(env.unwrapped, rng)
        else:
            yield next(script, next(arbitrary))


def _script(env: Any, rng: np.random.Generator) -> Iterator[int]:
    # Each domain's imports are its own: the other's dependencies may not be installed.
    if hasattr(env, "phone"):
        from envs.android.actions import ACTION_INDEX
        from envs.android.selftest import ScriptWriter

        # Wherever it is, home is where the way begins.
        package = env.phone.apps.by_name[env.goal.subject].package
        return iter([ACTION_INDEX["home"], *ScriptWriter(env.phone.layout, env.phone.apps).shortest(package)])
    if hasattr(env, "truth"):
        from envs.playhouse.policies import Oracle

        oracle = Oracle(env, rng)
        oracle.reset()
        return iter(oracle.act, None)
    raise ConfigError(f"{env} has no script to play pilot episodes; use an environment of the playhouse or the phone")
