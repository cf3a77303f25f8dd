"""AndroidEnv's simulator interface over the embedded phone."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from android_env.components import config_classes, errors
from android_env.components.simulators import base_simulator

from envs.android.adb import AdbDevice, EmbeddedAdbController
from envs.android.log_stream import EmbeddedLogStream, LogLine

# Linux keycodes, which `KEYPRESS` of AndroidEnv's action space carries.
_KEYS = {110: "HOME", 9: "BACK"}


class Device(AdbDevice, Protocol):
    """What the simulator needs of a phone."""

    def touch_move(self, x: float, y: float) -> None:
        """Move the finger that is down."""

    def tick(self, dt_seconds: float) -> None:
        """Let time pass on the phone."""

    def render(self, height: int, width: int) -> np.ndarray:
        """Return the screen, uint8 (height, width, 3)."""

    def log_events(self) -> list[Any]:
        """Return the log lines written since the last call, and forget them."""


@dataclasses.dataclass
class EmbeddedSimulatorConfig(config_classes.SimulatorConfig):
    """Settings of an `EmbeddedSimulator`."""

    # Height and width of AndroidEnv's screenshots, in pixels. The phone draws at this size; nothing is resized.
    screenshot_size: tuple[int, int] = (96, 60)
    # Height and width of the display in pixels, the unit of touches: four to one of the phone's own. What a touch hits
    # must not depend on the size of the agent's frames.
    display_size: tuple[int, int] = (2304, 1440)


class EmbeddedSimulator(base_simulator.BaseSimulator):
    """A simulated phone in this process, under AndroidEnv's own task manager, coordinator and environment."""

    def __init__(self, config: EmbeddedSimulatorConfig, device: Device, activities: Mapping[str, str]):
        """Put a phone under AndroidEnv.

        Args:
            config: Settings; `interaction_rate_sec` must stay 0, since the phone has no time of its own to run in.
            device: The phone.
            activities: Main activity of each installed package, such as {"com.example": ".Main"}.
        """
        super().__init__(config)
        self._device = device
        self._activities = activities
        self.screenshot_size = config.screenshot_size
        self.display_size = config.display_size
        self._finger_is_down = False
        self._log_stream: EmbeddedLogStream | None = None
        self._frame: np.ndarray | None = None
        self.is_display_frozen = False
        """While True, screenshots repeat the last frame and cost nothing. A macro action looks at its last one only."""

    def adb_device_name(self) -> str:
        """Return the name that adb would know this device by."""
        return "embedded"

    def create_adb_controller(self) -> EmbeddedAdbController:
        """Return a controller whose answers come from the phone."""
        return EmbeddedAdbController(self._device, self._activities, self.display_size)

    def create_log_stream(self) -> EmbeddedLogStream:
        """Return the phone's log; an earlier stream gets no more lines."""
        self._log_stream = EmbeddedLogStream(self._read_log)
        return self._log_stream

    def send_touch(self, touches: list[tuple[int, int, bool, int]]) -> None:
        """Move the first finger; further ones are ignored.

        A lift has no position of its own: AndroidEnv lifts at (0, 0) before each episode.
        """
        x_pixel, y_pixel, is_down, _ = touches[0]
        if not is_down:
            if self._finger_is_down:
                self._device.touch_up()
        else:
            # The centre of the pixel, so that the mapping back from pixels has no bias.
            height, width = self.display_size
            x, y = (x_pixel + 0.5) / width, (y_pixel + 0.5) / height
            if self._finger_is_down:
                self._device.touch_move(x, y)
            else:
                self._device.touch_down(x, y)
        self._finger_is_down = is_down

    def send_key(self, keycode: np.int32, event_type: str) -> None:
        """Press HOME (Linux keycode 110) or BACK (9).

        Raises:
            SendActionError: The phone has no such key.
        """
        if int(keycode) not in _KEYS:
            raise errors.SendActionError(f"the embedded phone has no key with the Linux keycode {keycode}")
        if event_type in ("keydown", "keypress"):
            self._device.key(_KEYS[int(keycode)])

    def _launch_impl(self) -> None:
        self._finger_is_down = False
        self._frame = None

    def _get_screenshot_impl(self) -> np.ndarray:
        # AndroidEnv reads the task's signals right after the screenshot, so the log must have been read by now.
        if self._log_stream is not None:
            self._log_stream.drain()
        if self._frame is None or not self.is_display_frozen:
            self._frame = self._device.render(*self.screenshot_size)
        return self._frame

    def _read_log(self) -> list[LogLine]:
        return [(event.time, event.level, event.tag, event.message) for event in self._device.log_events()]
