"""The agent's sixty actions, each a short sequence of AndroidEnv's raw ones."""

import dataclasses

import numpy as np
from android_env.components import action_type
from android_env.proto import adb_pb2

ROWS, COLUMNS = 9, 6
"""The grid of tap cells."""

RawAction = dict[str, action_type.ActionType | tuple[float, float]]
"""An action of AndroidEnv: `action_type`, and `touch_position` (x, y) in [0, 1] from the upper left."""

_BUTTONS = adb_pb2.AdbRequest.PressButton.Button

# Device seconds. A finger that rests longer than about 0.5 s is a long press on Android.
_TAP_S = 0.05
_DRAG_STEP_S = 0.03
_DRAG_STEPS = 5

# Where a swipe starts and ends, as (x, y) in [0, 1]. It stays off the edges, which belong to the system's gestures.
_SWIPES = {
    "swipe_up": ((0.5, 0.75), (0.5, 0.25)),
    "swipe_down": ((0.5, 0.25), (0.5, 0.75)),
    "swipe_left": ((0.8, 0.5), (0.2, 0.5)),
    "swipe_right": ((0.2, 0.5), (0.8, 0.5)),
}


@dataclasses.dataclass(frozen=True)
class RawStep:
    """One step of AndroidEnv, or one adb call, and the device time that passes after it.

    Attributes:
        action: Action for `AndroidEnv.step`, or None where `press` is given.
        press: Call for `AndroidEnv.execute_adb_call`, or None.
        wait_s: Seconds of device time until the next raw step; None stands for as long as a screen takes to settle.
    """

    action: RawAction | None = None
    press: adb_pb2.AdbRequest | None = None
    wait_s: float | None = 0.0


@dataclasses.dataclass(frozen=True)
class MacroAction:
    """One action of the agent.

    Attributes:
        name: Such as `tap_8_2` (row 8 from the top, column 2 from the left), `swipe_up`, `home` or `back`.
        steps: What is done; the last one only looks, once the screen has settled.
    """

    name: str
    steps: tuple[RawStep, ...]


def _raw(kind: action_type.ActionType, position: tuple[float, float] = (0.0, 0.0)) -> RawAction:
    # Plain numbers, not arrays: AndroidEnv handles them one by one, and arrays of one number cost 30 us an agent step.
    return {"action_type": kind, "touch_position": position}


_LOOK = RawStep(_raw(action_type.ActionType.REPEAT))


def _gesture(name: str, path: list[tuple[float, float]], wait_s: float) -> MacroAction:
    touches = tuple(RawStep(_raw(action_type.ActionType.TOUCH, point), wait_s=wait_s) for point in path)
    lift = RawStep(_raw(action_type.ActionType.LIFT, path[-1]), wait_s=None)
    return MacroAction(name, (*touches, lift, _LOOK))


def _tap(row: int, column: int) -> MacroAction:
    return _gesture(f"tap_{row}_{column}", [((column + 0.5) / COLUMNS, (row + 0.5) / ROWS)], _TAP_S)


def _swipe(name: str) -> MacroAction:
    start, end = np.array(_SWIPES[name])
    points = [start + (end - start) * step / _DRAG_STEPS for step in range(_DRAG_STEPS + 1)]
    return _gesture(name, [(float(x), float(y)) for x, y in points], _DRAG_STEP_S)


def _press(name: str, button: int) -> MacroAction:
    request = adb_pb2.AdbRequest(press_button=adb_pb2.AdbRequest.PressButton(button=button))
    return MacroAction(name, (RawStep(press=request, wait_s=None), _LOOK))


MACRO_ACTIONS: tuple[MacroAction, ...] = (
    *(_tap(row, column) for row in range(ROWS) for column in range(COLUMNS)),
    *(_swipe(name) for name in _SWIPES),
    _press("home", _BUTTONS.HOME),
    _press("back", _BUTTONS.BACK),
)
"""Action i of the environment's `Discrete(60)`."""

ACTION_INDEX: dict[str, int] = {action.name: index for index, action in enumerate(MACRO_ACTIONS)}
"""From an action's name to its number."""


def tap_index(x: float, y: float) -> int:
    """Return the action that taps the cell in which the point (x, y), each in [0, 1], lies."""
    row = min(int(y * ROWS), ROWS - 1)
    column = min(int(x * COLUMNS), COLUMNS - 1)
    return row * COLUMNS + column
