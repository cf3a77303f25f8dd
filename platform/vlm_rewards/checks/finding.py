"""What a check has to say."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        level: `ok`; `note`, a measurement or something to know; `warn`, likely a mistake; `fail`, does not work.
        what: What was looked at and found.
        fix: What to change; empty where there is nothing to.
    """

    level: Literal["ok", "note", "warn", "fail"]
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the line as it is printed."""
        return f"{self.level:4}  {self.what}" + (f"; {self.fix}" if self.fix else "")
