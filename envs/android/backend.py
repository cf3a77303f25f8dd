"""What the Gymnasium adapter needs of a phone, simulated or not."""

from typing import Protocol

import numpy as np
from android_env import env_interface


class AndroidBackend(Protocol):
    """AndroidEnv over some device, and the few things about the device that AndroidEnv has no call for.

    Attributes:
        android: AndroidEnv itself.
        settle_s: Seconds of device time after which a screen has come to rest.
    """

    android: env_interface.AndroidEnvInterface
    settle_s: float

    def begin_episode(self, seed: int) -> None:
        """Begin an episode, before each reset of AndroidEnv; `seed` names the screens' content where it can be chosen.

        Raises:
            VLMRewardsError: There is no working device.
        """

    def report_failure(self) -> None:
        """Say that the device has failed, so that the next `begin_episode` gets a working one or raises."""

    def wait(self, seconds: float) -> None:
        """Let device time pass."""

    def freeze_display(self, is_frozen: bool) -> None:
        """Say that the coming screenshots are not looked at, so that they need not be drawn."""

    def observation(self, pixels: np.ndarray) -> np.ndarray:
        """Return the agent's frame, uint8 (height, width, 3), from AndroidEnv's pixels."""

    def view(self, height: int, width: int) -> np.ndarray:
        """Return the current state at another size, uint8 (height, width, 3)."""

    def close(self) -> None:
        """Free threads, processes and connections. May be called again."""
