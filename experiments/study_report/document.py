"""What a report is made of, before it becomes HTML, Markdown and files."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.shared.cells import csv_cell, markdown_text
from experiments.study_report.figures.theme import Drawing
from vlm_rewards.evaluation.statistics import Estimate

MISSING = "\u2013"
MINUS = "\u2212"


@dataclass(frozen=True)
class Table:
    """A table for people and for programs.

    Attributes:
        name: Name of its CSV file, without the ending.
        caption: One sentence.
        rows: What people read, by heading; the same headings in each row.
        records: The same with full numbers and plain keys.
    """

    name: str
    caption: str
    rows: Sequence[Mapping[str, str]]
    records: Sequence[Mapping[str, Any]]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [map(markdown_text, row) for row in (list(self.rows[0]), *(list(row.values()) for row in self.rows))]
        rule = ["---"] * len(self.rows[0])
        return "".join("| " + " | ".join(line) + " |\n" for line in (lines[0], rule, *lines[1:]))

    def csv(self) -> str:
        """Return the records as CSV; what is undefined is empty, and no cell is a formula."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in record.items()} for record in self.records)
        return file.getvalue()


@dataclass(frozen=True)
class Figure:
    """One panel, with what a reader has to know of it.

    Attributes:
        name: Name of its PNG file, without the ending.
        drawing: What draws it.
        description: In words, for those who cannot see it.
    """

    name: str
    drawing: Drawing
    description: str


@dataclass(frozen=True)
class Findings:
    """What a kind of study shows.

    Attributes:
        statements: The results in sentences.
        figures: Panels, in reading order.
        caption: What they show and how: bands, smoothing, comparisons.
        tables: Numbers.
        columns: Panels in a row, where all of them are drawn in one picture.
    """

    statements: Sequence[str]
    figures: Sequence[Figure]
    caption: str
    tables: Sequence[Table]
    columns: int


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for people; a dash where there is none."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", MINUS)


def interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Return a number with its interval for people."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(value, digits)
    return f"{number(value, digits)} ({number(low, digits)} to {number(high, digits)})"


def estimate(value: Estimate | None) -> str:
    """Return an estimate with its interval for people."""
    return MISSING if value is None else interval(value.value, value.low, value.high)


def duration(seconds: float | None) -> str:
    """Return a wall time for people."""
    if seconds is None:
        return MISSING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; NaN where none is."""
    defined = [value for value in values if math.isfinite(value)]
    return sum(defined) / len(defined) if defined else math.nan


def slug(text: str) -> str:
    """Return text as a file name."""
    return "_".join("".join(c if c.isalnum() else " " for c in text.lower()).split()) or "unnamed"


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else csv_cell(value)
