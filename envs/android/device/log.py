"""The phone's log."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogEvent:
    """One line of the phone's log.

    Attributes:
        time: virtual seconds on the phone's `clock_seconds`.
        level: Android's letter, "I" for info.
        tag: who logs, such as "ActivityTaskManager".
        message: e.g. "Displayed com.google.android.gm/.Main: +312ms".
    """

    time: float
    level: str
    tag: str
    message: str
