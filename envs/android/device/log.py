"""The phone's log."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogEvent:
    """One line of the phone's log.

    Attributes:
        time: Virtual seconds on the phone's `clock_seconds`.
        level: Android's letter, "I" for info.
        tag: Who logs, such as "ActivityTaskManager".
        message: E.g. "Displayed com.google.android.gm/.Main: +312ms".
    """

    time: float
    level: str
    tag: str
    message: str
