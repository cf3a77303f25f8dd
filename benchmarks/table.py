"""The table as text, Markdown and JSON."""

import json
import math
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.row import Row

_MARKS = {True: "yes", False: "NO", None: "-"}


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on; nothing that names a machine or its owner."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _value(row: Row) -> str:
    return "not measurable" if math.isnan(row.measured) else f"{row.measured:.3g} {row.unit}".strip()


def _cells(row: Row) -> tuple[str, ...]:
    target = f"{row.sense} {row.target:g} {row.unit}".strip().replace(">=", "≥").replace("<=", "≤")
    if math.isnan(row.target):
        target = "reported"
    return row.name, row.what, target, _value(row), _MARKS[row.met], row.note


def as_text(rows: Sequence[Row]) -> str:
    """Return aligned columns for a terminal."""
    cells = [("row", "what", "target", "measured", "met", "behind it"), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join(
        "  ".join([*(line[column].ljust(widths[column]) for column in range(5)), line[5]]).rstrip() for line in cells
    )


def store(rows: Sequence[Row], on: dict[str, Any], quick: bool, folder: Path) -> list[Path]:
    """Write bench.md and bench.json.

    Args:
        rows: Measured in one run.
        on: As `machine` gave it.
        quick: Whether the numbers are rough.
        folder: Where to.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    data = {"when": when, "quick": quick, "machine": on, "rows": [row.as_dict() for row in rows]}
    as_json = folder / "bench.json"
    as_json.write_text(json.dumps(data, indent=2) + "\n")
    lines = [
        "# Benchmarks of the reward service",
        "",
        f"Made by `python -m benchmarks{' --quick' if quick else ''}` on {when}; do not edit.",
        f"{on['cores']} cores ({on['processor']}), GPU: {on['gpu'] or 'none'}, torch {on['torch']}, Python "
        f"{on['python']}; load average before the run {on['load_average_before']}.",
        "",
        "Every number is a ratio, a count or a time, what is compared measured in turns in this one run. On busy cores "
        "even ratios swing.",
        "",
        "| row | what | target | measured | met | behind it | command |",
        "|---|---|---|---|---|---|---|",
        *("| " + " | ".join([*_cells(row), f"`{row.command}`"]) + " |" for row in rows),
    ]
    as_markdown = folder / "bench.md"
    as_markdown.write_text("\n".join(lines) + "\n")
    return [as_markdown, as_json]
