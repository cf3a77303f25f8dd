"""Questions to the Serve controller, asked once for all callers of a process and not again for a while.

A controller is one process. Where each of a thousand callers asks it at each failed attempt, an outage ends in another:
of the controller.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Questions of one kind that all callers together may ask in a second.
_MOST_A_SECOND = 10.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 20.0
# Who could have asked for so long and did not comes with another outage.
_FORGOTTEN_AFTER_S = 40.0


class Pace:
    """When a process may ask again: at once, and then after pauses that grow for as long as it goes on asking.

    With `callers` processes that may all ask, each waits for its share of ten questions a second, and they do not begin
    together.

    Attributes:
        callers: Processes that have a pace of their own.
    """

    def __init__(
        self,
        first_s: float = 0.0,
        callers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] | None = None,
    ) -> None:
        """Begin without an outage.

        Args:
            first_s: Seconds from the first wish to ask to the first question.
            callers: Processes that have a pace of their own.
            clock: Returns seconds.
            draw: Draws uniformly between two numbers; None takes a generator of its own, for a seeded run's draws must
                not depend on outages.
        """
        self.callers = callers
        self._first_s = first_s
        self._clock = clock
        self._draw = draw or random.Random().uniform
        self._pause_s = 0.0
        self._asks_at: float | None = None

    def is_due(self) -> bool:
        """Tell whether to ask now; whoever is told so does."""
        now, share_s = self._clock(), self.callers / _MOST_A_SECOND
        if self._asks_at is None or now > self._asks_at + _FORGOTTEN_AFTER_S:
            self._pause_s = 0.0
            self._asks_at = now + max(self._first_s, self._draw(0.0, share_s) if share_s > _FIRST_PAUSE_S else 0.0)
        if now < self._asks_at:
            return False
        self._pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * self._pause_s))
        self._asks_at = now + max(self._pause_s, share_s) * self._draw(1.0, 1.5)
        return True


class Shared(Generic[T]):
    """An answer that all threads of a process share, asked for at a pace.

    Attributes:
        pace: When it may be asked for.
    """

    def __init__(self, ask: Callable[[], T], pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        """Get ready; nothing is asked yet.

        Args:
            ask: Asks; raises whatever goes wrong.
            pace: When it may.
            clock: Returns seconds.
        """
        self.pace = pace
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: T | None = None
        self._asked_at = -float("inf")

    def get(self) -> tuple[T | None, float]:
        """Return the newest answer and its age in seconds; None and infinity where there is none yet.

        Whoever comes while another is asking, or before the pause is over, gets what there was before.

        Raises:
            Exception: Whatever `ask` raises.
        """
        if self._lock.acquire(blocking=False):
            try:
                if self.pace.is_due():
                    # The time that the answer takes is part of its age.
                    asked_at = self._clock()
                    self._answer = self._ask()
                    self._asked_at = asked_at
            finally:
                self._lock.release()
        return self._answer, self._clock() - self._asked_at
