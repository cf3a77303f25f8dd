"""AndroidEnv's own layers over the embedded phone, in virtual time."""

from collections.abc import Mapping
from typing import Any, Protocol

import dm_env
import numpy as np
from android_env import environment
from android_env.components import (
    adb_call_parser,
    config_classes,
    coordinator,
    device_settings,
    specs,
    task_manager,
)
from android_env.proto import task_pb2

from envs.android.simulator import Device, EmbeddedSimulator, EmbeddedSimulatorConfig
from envs.android.virtual_time import VirtualClock, private_copy

_INTERPRETER = "android_env.components.setup_step_interpreter"
_SCREEN_CHECKER = "android_env.components.app_screen_checker"


class _VirtualTaskManager(task_manager.TaskManager):
    """AndroidEnv's task manager, whose set-up and reset steps wait in virtual time."""

    def __init__(self, task: task_pb2.Task, clock: VirtualClock):
        # The screen check of `dumpsys_check_frequency` starts a thread pool each time, only to find that
        # `expected_app_screen` is empty.
        super().__init__(task, config_classes.TaskManagerConfig(dumpsys_check_frequency=0))
        checker = private_copy(_SCREEN_CHECKER, time=clock)
        self._interpreter = private_copy(_INTERPRETER, time=clock, app_screen_checker=checker)

    def _start_setup_step_interpreter(self, adb_call_parser: adb_call_parser.AdbCallParser) -> None:
        self._setup_step_interpreter = self._interpreter.SetupStepInterpreter(adb_call_parser=adb_call_parser)


class _EmbeddedDeviceSettings(device_settings.DeviceSettings):
    """AndroidEnv's device settings for a display that is finer than its screenshots, and never turns."""

    _is_known = False

    def _update_screen_size(self) -> None:
        self._screen_height, self._screen_width = self._simulator.display_size

    def get_orientation(self) -> np.ndarray:
        # The parent compares arrays at every step to find out that it knows the orientation.
        result: np.ndarray = self._orientation if self._is_known else super().get_orientation()
        return result

    def _update_orientation(self) -> None:
        super()._update_orientation()
        self._is_known = bool(self._orientation.any())


class _VirtualCoordinator(coordinator.Coordinator):
    """AndroidEnv's coordinator, with `timedelta` in virtual time and pixels of the screenshots' size."""

    def __init__(
        self,
        simulator: EmbeddedSimulator,
        manager: task_manager.TaskManager,
        settings: device_settings.DeviceSettings,
        config: config_classes.CoordinatorConfig,
        clock: VirtualClock,
    ):
        self._clock = clock
        self._latest_observation_time = 0.0
        super().__init__(simulator, manager, settings, config)

    def observation_spec(self) -> dict[str, dm_env.specs.Array]:
        result: dict[str, Any] = specs.base_observation_spec(*self._simulator.screenshot_size)
        return result

    def _gather_simulator_signals(self) -> dict[str, np.ndarray]:
        now = self._clock.time()
        elapsed_s = now - self._latest_observation_time if self._latest_observation_time else 0.0
        self._latest_observation_time = now
        return {
            "pixels": self._simulator.get_screenshot(),
            "orientation": self._device_settings.get_orientation(),
            "timedelta": np.array(round(elapsed_s * 1e6), dtype=np.int64),
        }


class SeededDevice(Device, Protocol):
    """A phone whose content a seed decides."""

    def reset(self, seed: int) -> None:
        """Return to the home screen with no app running and the content of `seed`."""


class EmbeddedBackend:
    """AndroidEnv over a simulated phone in this process.

    Attributes:
        android: The environment; its pixels have the size asked for.
        device: The phone.
        settle_s: Seconds of virtual time after which animations have ended.
    """

    settle_s = 0.75

    def __init__(
        self,
        device: SeededDevice,
        activities: Mapping[str, str],
        task: task_pb2.Task,
        screenshot_size: tuple[int, int],
    ):
        """Start AndroidEnv.

        Args:
            device: The phone.
            activities: Main activity of each installed package.
            task: How AndroidEnv resets the phone and reads its log.
            screenshot_size: (height, width) of the pixels in an observation.
        """
        self.device = device
        self._clock = VirtualClock(device.tick)
        config = EmbeddedSimulatorConfig(screenshot_size=screenshot_size)
        self._simulator = EmbeddedSimulator(config, device, activities)
        manager = _VirtualTaskManager(task, self._clock)
        settings = _EmbeddedDeviceSettings(self._simulator)
        shown = config_classes.CoordinatorConfig(
            device_settings=config_classes.DeviceSettingsConfig(
                show_touches=False, show_pointer_location=False, show_status_bar=True, show_navigation_bar=True
            )
        )
        self.android = environment.AndroidEnv(
            simulator=self._simulator,
            coordinator=_VirtualCoordinator(self._simulator, manager, settings, shown, self._clock),
            task_manager=manager,
        )

    def begin_episode(self, seed: int) -> None:
        """Give the phone the content, theme and (where it is shuffled) the layout named by `seed`."""
        self.device.reset(seed)

    def report_failure(self) -> None:
        """Do nothing: a simulated phone is as good as new after a reset."""

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._clock.sleep(seconds)

    def freeze_display(self, is_frozen: bool) -> None:
        """Stop or start drawing; see `EmbeddedSimulator.is_display_frozen`."""
        self._simulator.is_display_frozen = is_frozen

    def observation(self, pixels: np.ndarray) -> np.ndarray:
        """Return AndroidEnv's pixels as they are: the phone has drawn them at the agent's size, in a fresh array."""
        return pixels

    def view(self, height: int, width: int) -> np.ndarray:
        """Draw the current state at another size."""
        return self.device.render(height, width)

    def close(self) -> None:
        """Stop AndroidEnv's log thread."""
        self.android.close()
