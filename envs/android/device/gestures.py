"""Turns a stream of touches into taps, drags and swipes."""

from dataclasses import dataclass
from enum import StrEnum

from envs.android.device.geometry import HEIGHT, STATUS_HEIGHT, WIDTH

# Movement below this is still a tap (dp).
TOUCH_SLOP = 12.0
# A drag must come this far (dp) to count as a swipe when the finger leaves the glass.
SWIPE_DISTANCE = 60.0


class Swipe(StrEnum):
    """Direction in which a finger travelled."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Tap:
    """A touch that did not travel; x and y in dp."""

    x: float
    y: float


@dataclass(frozen=True)
class Drag:
    """A finger on its way (or just lifted), along the axis that it first took.

    `travel` is signed, in dp: positive is right or down. `from_top` tells a drag out of the status bar.
    """

    horizontal: bool
    travel: float
    from_top: bool

    @property
    def swipe(self) -> Swipe | None:
        """The swipe that lifting the finger now would complete, None if it came not far enough."""
        if abs(self.travel) < SWIPE_DISTANCE:
            return None
        if self.horizontal:
            return Swipe.RIGHT if self.travel > 0 else Swipe.LEFT
        return Swipe.DOWN if self.travel > 0 else Swipe.UP


class GestureTracker:
    """Follows one finger. Coordinates come normalised to [0, 1] and are clipped to the screen."""

    def __init__(self) -> None:
        self._start: tuple[float, float] | None = None
        self._drag: Drag | None = None

    @property
    def drag(self) -> Drag | None:
        """The drag under way, None while nothing is touched or the finger has not travelled."""
        return self._drag

    def reset(self) -> None:
        """Forget the finger."""
        self._start = None
        self._drag = None

    def down(self, x: float, y: float) -> None:
        """Touch the glass at (x, y) with a finger."""
        self._start = _to_dp(x, y)
        self._drag = None

    def move(self, x: float, y: float) -> None:
        """Move the finger to (x, y). Without a finger on the glass this starts a touch."""
        if self._start is None:
            self.down(x, y)
            return
        x, y = _to_dp(x, y)
        dx, dy = x - self._start[0], y - self._start[1]
        if self._drag is None:
            if max(abs(dx), abs(dy)) < TOUCH_SLOP:
                return
            horizontal = abs(dx) > abs(dy)
        else:
            horizontal = self._drag.horizontal
        self._drag = Drag(horizontal, dx if horizontal else dy, self._start[1] < STATUS_HEIGHT * 1.5)

    def up(self) -> Tap | Drag | None:
        """Lift the finger from the glass; return what it did, None if there was no finger."""
        start, drag = self._start, self._drag
        self.reset()
        if start is None:
            return None
        return drag if drag is not None else Tap(*start)


def _to_dp(x: float, y: float) -> tuple[float, float]:
    return min(max(x, 0.0), 1.0) * WIDTH, min(max(y, 0.0), 1.0) * HEIGHT
