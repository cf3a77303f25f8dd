"""Cells of tables that people open: what a text holds stays text in a spreadsheet and in Markdown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_MARKUP = re.compile(r"([\\|`*<>\[\]~$])")


def csv_cell(value: Any) -> Any:
    """Return a value as a CSV file may hold it: a text that a spreadsheet would run begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def markdown_text(text: str) -> str:
    """Return a text for one line or cell of Markdown: no markup, no HTML, no end of the line or of the cell."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows of equal keys, whose cells are Markdown already, as a table with the keys above."""
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0]), *(" | ".join(row.values()) for row in rows)]
    return "".join(f"| {line} |\n" for line in lines)
