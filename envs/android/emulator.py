"""A real Android emulator under the same task files and the same Gymnasium adapter."""

import time
from functools import partial
from pathlib import Path

import grpc
import numpy as np
from android_env import environment, loader
from android_env.components import errors

from envs.android.emulator_options import EmulatorOptions
from envs.android.frame_fitting import fit_frame
from vlm_rewards.errors import VLMRewardsError


class EmulatorBackend:
    """AndroidEnv over its own `EmulatorSimulator`, on wall-clock time.

    Attributes:
        android: The environment, as AndroidEnv's loader builds it; its pixels have the device's own size.
        settle_s: Seconds to wait after an action.
    """

    def __init__(self, options: EmulatorOptions, task_path: Path, observation_size: tuple[int, int]):
        """Start the emulator, or connect to one.

        Args:
            options: Where it is.
            task_path: The task textproto, unless the options name another.
            observation_size: (height, width) of the agent's frames in pixels.

        Raises:
            ConfigError: A path or port is missing.
            VLMRewardsError: The emulator does not start or does not answer.
        """
        options.check()
        self._config = partial(options.android_env_config, task_path)
        self._has_failed = False
        self.settle_s = options.settle_s
        self._min_step_s = 1.0 / options.max_rate_hz if options.max_rate_hz else 0.0
        self._last_step = time.monotonic()
        self._observation_size = observation_size
        self._pixels: np.ndarray | None = None
        self.android = self._load()

    def _load(self) -> environment.AndroidEnv:
        try:
            return loader.load(self._config())
        except (errors.AndroidEnvError, grpc.RpcError, OSError) as error:
            reason = " ".join(str(error.__cause__ or error).split())
            raise VLMRewardsError(
                f"the Android emulator did not start ({reason}); check that `adb devices` lists it, or that "
                "emulator_path and avd_name start it by hand"
            ) from error

    def begin_episode(self, seed: int) -> None:
        """Start or connect anew after a failure. Otherwise do nothing: a real device has its own content.

        Raises:
            VLMRewardsError: The emulator does not start or does not answer.
        """
        if self._has_failed:
            self.android.close()
            self.android = self._load()
            self._has_failed = False

    def report_failure(self) -> None:
        """Have the next `begin_episode` start the emulator, or connect to it, anew."""
        self._has_failed = True

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, and longer where steps would come faster than `max_rate_hz`."""
        until_next = self._last_step + self._min_step_s - time.monotonic()
        time.sleep(max(seconds, until_next, 0.0))
        self._last_step = time.monotonic()

    def freeze_display(self, is_frozen: bool) -> None:
        """Do nothing: the emulator draws anyway."""

    def observation(self, pixels: np.ndarray) -> np.ndarray:
        """Return a screenshot at the agent's size."""
        self._pixels = pixels
        return fit_frame(pixels, *self._observation_size)

    def view(self, height: int, width: int) -> np.ndarray:
        """Return the last screenshot at another size."""
        if self._pixels is None:
            raise VLMRewardsError("there is no screenshot yet; call reset() first")
        return fit_frame(self._pixels, height, width)

    def close(self) -> None:
        """End the connection, and the emulator if it was started here."""
        self.android.close()
