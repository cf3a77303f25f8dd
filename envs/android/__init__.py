"""AndroidEnv as a Gymnasium environment: importing this package registers `android/OpenApp-v0`."""

from typing import Any

import gymnasium

from vlm_rewards.errors import ConfigError


def open_app(**settings: Any) -> gymnasium.Env:
    """Makes an `OpenAppEnv`; AndroidEnv is imported only now, since not every installation has it.

    Raises:
        ConfigError: AndroidEnv is not installed, or a setting cannot be used.
    """
    try:
        from envs.android.env import OpenAppEnv
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("android_env", "immutabledict", "grpc", "google"):
            raise
        raise ConfigError(
            f"the Android environment needs the package {error.name!r}; pip install 'vlm-rewards[android]'"
        ) from error
    return OpenAppEnv(**settings)


if "android/OpenApp-v0" not in gymnasium.registry:
    gymnasium.register(id="android/OpenApp-v0", entry_point="envs.android:open_app")
