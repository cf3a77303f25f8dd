"""AndroidEnv as a Gymnasium environment: importing this package registers `android/OpenApp-v0`."""

import sys
from typing import Any

import gymnasium

from vlm_rewards.errors import ConfigError


def open_app(**settings: Any) -> gymnasium.Env[Any, Any]:
    """Make an `OpenAppEnv` for `gymnasium.make`.

    Gymnasium keeps `max_episode_steps` to itself and ends episodes by a wrapper of its own (after 20 steps unless told
    otherwise), so the environment made here has no limit. AndroidEnv is imported only now: it is an optional extra.

    Raises:
        ConfigError: AndroidEnv is not installed, or a setting cannot be used.
    """
    try:
        from envs.android.env import OpenAppEnv
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("android_env", "immutabledict", "grpc", "google"):
            raise
        raise ConfigError(
            f"the Android environment needs the package {missing!r}; pip install 'vlm-rewards[android]'"
        ) from error
    return OpenAppEnv(**{"max_episode_steps": sys.maxsize} | settings)


if "android/OpenApp-v0" not in gymnasium.registry:
    gymnasium.register(id="android/OpenApp-v0", entry_point="envs.android:open_app", max_episode_steps=20)
