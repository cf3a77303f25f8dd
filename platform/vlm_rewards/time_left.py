"""How long a piece of work will still take, in words for a person who waits."""

import time
from collections.abc import Callable


class TimeLeft:
    """Foretells from how much has been done since it began; what was done before that costs nothing."""

    def __init__(self, total: float, done: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            total: How much there is to do, in any unit; at least 0.
            done: How much of it is done already, at least 0, in the same unit.
            clock: Returns seconds.
        """
        self._total, self._before = total, done
        self._clock = clock
        self._begun = clock()

    def seconds(self, done: float) -> float | None:
        """Return the seconds that the rest will take; None while nothing tells.

        Args:
            done: How much is done, at least 0, in the unit of the total.
        """
        new = done - self._before
        return (self._clock() - self._begun) * (self._total - done) / new if new > 0 else None

    def text(self, done: float) -> str:
        """Return `about 3 min left`, or nothing where nothing tells or nothing is left.

        Args:
            done: How much is done, at least 0, in the unit of the total.
        """
        seconds = self.seconds(done)
        return f"about {duration(seconds)} left" if seconds else ""


def duration(seconds: float) -> str:
    """Return a duration in the unit that a person would take.

    Args:
        seconds: At least 0.
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
