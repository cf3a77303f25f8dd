"""Tables of the offline commands."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.shared.cells import csv_cell, markdown_text
from vlm_rewards.encoders.loading import resolve_model

# Columns of the tables for people, and their headings.
_SHORT = {
    "model": "model",
    "parameters": "parameters",
    "template": "template",
    "negatives": "negatives",
    "family": "family",
    "states": "states",
    "positives": "positives",
    "average_precision": "AP",
    "average_precision_low": "AP low",
    "average_precision_high": "AP high",
    "roc_auc": "ROC AUC",
    "calibration_error": "ECE",
    "recall_at_precision_0.9": "recall at precision 0.9",
    "precision": "precision",
    "recall": "recall",
    "epic_distance": "EPIC",
    "epic_distance_best": "least EPIC",
    "dard_distance": "DARD",
    "negative_predictive_value": "NPV",
    "value_order_correlation": "VOC",
    "time_kendall_tau": "tau, time",
    "value_spearman": "rho, value",
    "value_kendall": "tau, value",
    "success_gap": "gap",
    "preference_accuracy": "preference accuracy",
    "paid_rightly": "ended rightly",
    "paid_wrongly": "ended wrongly",
    "own_goal_first": "own goal first",
    "own_goal_gap": "own goal gap",
}


def parameters_of(model: str) -> int | None:
    """Return how many numbers a model's weights have, where they are in a folder; None elsewhere."""
    if model == "fake":
        return None
    from safetensors import safe_open

    folder = Path(resolve_model(model))
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                total += int(np.prod(file.get_slice(name).get_shape()))
    return total or None


def plain_name(label: str) -> str:
    """Return a label as file names and MLflow's keys may have it."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in label)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of equal keys."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the main columns as a Markdown table."""
    names = [name for name in _SHORT if name in rows[0]]
    lines = [" | ".join(_SHORT[name] for name in names), " | ".join("---" for _ in names)]
    lines += [" | ".join(markdown_text(_shown(row[name], 3)) for name in names) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def summary_table(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the numbers a person looks at first, for the terminal."""
    from rich.table import Table

    names = ["model", "template", "negatives", "family"]
    if len({row["template"] for row in rows}) == 1:
        names.remove("template")
    left = len(names)
    names += ["average_precision", "roc_auc", "recall_at_precision_0.9", "epic_distance_best"]
    table = Table(title="Offline: agreement of the reward with the truth")
    for name in names:
        table.add_column(_SHORT[name], justify="left" if name in names[:left] else "right")
    for row in rows:
        cells = {name: _shown(row[name], 3) for name in names}
        low, high = (_shown(row[f"average_precision_{end}"], 3) for end in ("low", "high"))
        cells["average_precision"] += f" ({low}-{high})"
        table.add_row(*cells.values())
    return table


def _plain(value: Any) -> str:
    return str(csv_cell(value)) if isinstance(value, str) else _shown(value, 6)


def _shown(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.{digits}f}" if digits < 6 else f"{value:.6g}"
    return str(value)
