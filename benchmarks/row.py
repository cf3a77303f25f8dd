"""One line of the table, and the registry of what measures them."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

MISSING = math.nan
# A target of rows that only report.
REPORTED = math.nan


@dataclass(frozen=True)
class Row:
    """One number with its target.

    Attributes:
        name: As `--only` selects it.
        what: What is compared with what, in words.
        measured: The number; NaN where this machine cannot tell.
        target: What it should be; NaN where nobody has said.
        sense: On which side of the target is good.
        unit: "x" for a ratio, "s" for seconds, "" for a count.
        note: The absolute figures behind it, or why there is none.
    """

    name: str
    what: str
    measured: float
    target: float
    sense: Literal[">=", "<="]
    unit: str = "x"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing could be measured, or nothing is asked for."""
        if math.isnan(self.measured) or math.isnan(self.target):
            return None
        return self.measured >= self.target if self.sense == ">=" else self.measured <= self.target

    @property
    def command(self) -> str:
        """What measures this row again."""
        return f"python -m benchmarks --only {self.name}"

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = asdict(self)
        values["measured"] = None if math.isnan(self.measured) else round(self.measured, 4)
        values["target"] = None if math.isnan(self.target) else self.target
        return {**values, "met": self.met, "command": self.command}


@dataclass(frozen=True)
class Benchmark:
    """A function and the rows it measures.

    Attributes:
        names: Names of its rows, in order.
        measure: Takes `quick` and returns the rows; quick is for trying it out, and its numbers are rough.
        needs_ray: Whether a local Ray must run.
    """

    names: tuple[str, ...]
    measure: Callable[[bool], list[Row]]
    needs_ray: bool


REGISTRY: list[Benchmark] = []


def benchmark(*names: str, needs_ray: bool = False) -> Callable[[Callable[[bool], list[Row]]], Callable[..., Any]]:
    """Register a function as the one that measures these rows."""

    def register(measure: Callable[[bool], list[Row]]) -> Callable[[bool], list[Row]]:
        REGISTRY.append(Benchmark(names, measure, needs_ray))
        return measure

    return register
