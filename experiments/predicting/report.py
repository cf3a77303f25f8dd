"""Reading the stores, and writing what was found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.offline.report import write_csv
from experiments.predicting.figure import draw
from experiments.predicting.ranking import misled, table
from experiments.predicting.settings import EXACT, gather
from experiments.shared.cells import markdown_text
from experiments.shared.stored_runs import runs_of
from experiments.study_report.document import interval, number
from vlm_rewards.errors import ConfigError


def write(stores: Sequence[str], folder: Path, loose: bool, resamples: int, seed: int) -> str:
    """Write `predictors.csv`, `misled.csv`, `predictors.png` and `predictors.md`, and return the last.

    Args:
        stores: MLflow stores.
        folder: For the files; made.
        loose: Let tau and beta differ between training and measuring.
        resamples: Resamples of the bootstrap.
        seed: Seed of the halves and the bootstrap.

    Raises:
        ConfigError: No setting was both trained and measured.
        TrackingError: A store cannot be read.
    """
    found = gather((run for uri in stores for _, run in runs_of(uri)), () if loose else EXACT)
    if not found:
        raise ConfigError(
            "no reward in these stores was both measured by offline_pr or pressure and used to train an agent to its "
            "end; name further stores with --also, or --loose where tau and beta differ"
        )
    rows, wrong = table(found, resamples, seed), misled(found)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "predictors.csv", rows)
    if wrong:
        write_csv(folder / "misled.csv", wrong)
    (folder / "predictors.png").write_bytes(draw(found, rows, seed))
    agents = sum(len(measured.success) for measured in found.values())
    text = f"{len(found)} settings with {agents} agents. {_verdict(rows)}\n\n{_measures(rows)}"
    if wrong:
        text += f"\nWhere each measure misled most: it prefers the first, whose agents are worse.\n\n{_wrong(wrong)}"
    (folder / "predictors.md").write_text(text, encoding="utf-8")
    return text


def _verdict(rows: Sequence[dict[str, Any]]) -> str:
    best = rows[0]
    if not np.isfinite(best["chosen_on_spearman"]) or not np.isfinite(best["reported_on_spearman"]):
        return "Too few on either half to choose a measure on the one and report it on the other."
    return (
        f"Best on the half that measures are chosen on: {best['measure']}. On the other half: "
        f"{_interval(best, 'reported_on')}, {best['reported_on_settings']} settings."
    )


def _measures(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["measure | settings | Spearman, all | Kendall, all | chosen on | reported on", " | ".join(["---"] * 6)]
    for row in rows:
        cells = [row["measure"], row["all_settings"], _interval(row, "all"), number(row["all_kendall"])]
        cells += [number(row["chosen_on_spearman"]), _interval(row, "reported_on")]
        lines.append(" | ".join(markdown_text(str(cell)) for cell in cells))
    return "".join(f"| {line} |\n" for line in lines)


def _wrong(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["measure | family | preferred | success | better | success | pairs wrong", " | ".join(["---"] * 7)]
    for row in rows:
        first = f"{row['preferred']}: {row['preferred_measure']:.3g}"
        second = f"{row['better']}: {row['better_measure']:.3g}"
        cells = [row["measure"], row["family"], first, f"{row['preferred_success']:.2f}", second]
        cells += [f"{row['better_success']:.2f}", str(row["pairs_wrong"])]
        lines.append(" | ".join(markdown_text(cell) for cell in cells))
    return "".join(f"| {line} |\n" for line in lines)


def _interval(row: dict[str, Any], part: str) -> str:
    return interval(row[f"{part}_spearman"], row[f"{part}_low"], row[f"{part}_high"])
