"""The benchmark's tables, figures and page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import experiments.study_report
from experiments.offline.config import model_label
from experiments.offline.report import write_csv
from experiments.shared.atomic_files import write_atomically
from experiments.shared.cells import markdown_table
from experiments.study_report.document import interval, number
from experiments.under_pressure.config import AS_SELDOM, PAPER, PressureConfig, is_control
from experiments.under_pressure.figures import plot_curves, plot_kept
from experiments.under_pressure.levels import CEM, PERTURBED, RANDOM, Intervals, Level
from experiments.under_pressure.rewards import Calibration, Cell


@dataclass(frozen=True)
class Searched:
    """One reward, or the truth, and what searches found of it.

    Attributes:
        task: Name of the task.
        head: Name of the head; "truth" for the environment's own reward.
        cell: The reward; None for the truth.
        calibration: What its tau and beta were chosen by; None for the truth.
        levels: Of all searches, in order.
        pilot_paid: Share of the pilot's random episodes that it pays; None for the truth.
    """

    task: str
    head: str
    cell: Cell | None
    calibration: Calibration | None
    levels: list[Level]
    pilot_paid: float | None

    @property
    def columns(self) -> dict[str, Any]:
        """What tables say of it first."""
        if self.cell is None:
            return {"task": self.task, "model": "", "negatives": "", "head": self.head}
        return self.cell.columns


def level_rows(found: Sequence[Searched], intervals: Intervals) -> list[dict[str, Any]]:
    """Return a row for each reward and level; see `Intervals.row`."""
    rows = []
    for one in found:
        best = {(level.search, level.tries): level for level in _truth(found, one.task).levels}
        for level in one.levels:
            tau, beta = (one.cell.reward.tau, one.cell.reward.beta) if one.cell else (None, None)
            rows.append(
                {**one.columns, "tau": tau, "beta": beta, **intervals.row(level, best[level.search, level.tries])}
            )
    return rows


def kept_rows(found: Sequence[Searched], intervals: Intervals) -> list[dict[str, Any]]:
    """Return for each reward and search what it keeps of the truth at the highest level, and against the paper's head.

    The columns are those of `Intervals.row`, precision and recall of the paper's head on the pilot, the share of the
    pilot's random episodes that are paid, and with their 95 % intervals `against_paper`: its true reward as a multiple
    of the paper's head's with the same model and negatives; and `against_as_seldom`: as a multiple of its control's,
    NaN where it has none.
    """
    heads = {(one.cell.group, one.head): one for one in found if one.cell is not None}
    rows = []
    for one in found:
        if one.cell is None or one.calibration is None:
            continue
        truth = _truth(found, one.task)
        for search in dict.fromkeys(level.search for level in one.levels):
            last, best = _last(one, search), _last(truth, search)
            row = {**one.columns, "pilot_precision": one.calibration.precision, "pilot_recall": one.calibration.recall}
            row |= {"pilot_paid": one.pilot_paid, **intervals.row(last, best)}
            for column, head in (("against_paper", PAPER), ("against_as_seldom", AS_SELDOM + one.head)):
                peer = heads.get((one.cell.group, head))
                peers = [level for level in peer.levels if level.search == search] if peer else []
                multiple = intervals.ratio(last, peers[-1]) if peers else (np.nan, np.nan, np.nan)
                row |= dict(zip((column, f"{column}_low", f"{column}_high"), multiple, strict=True))
            rows.append(row)
    return rows


def write_report(found: Sequence[Searched], films: Sequence[Path], config: PressureConfig, folder: Path) -> list[Path]:
    """Write `pressure.csv`, `kept.csv`, `pressure.md`, figures and `report.html`.

    Returns:
        All of them, and the films.
    """
    intervals = Intervals(config.resamples, config.seed)
    levels, kept = level_rows(found, intervals), kept_rows(found, intervals)
    paths = [folder / "pressure.csv", folder / "kept.csv"]
    write_csv(paths[0], levels)
    write_csv(paths[1], kept)
    figures = []
    # The one that was searched by all means, where there is one.
    searched = [model for model in config.models if config.cem is not None and model in config.cem.models]
    model = model_label((searched or config.models)[-1])
    for negatives in dict.fromkeys(row["negatives"] for row in kept):
        figures.append(folder / f"curves-{negatives.partition('(')[0]}.png")
        plot_curves(levels, model, negatives, figures[-1])
    figures.append(folder / "kept.png")
    plot_kept(kept, figures[-1])
    tables = {search: _table(kept, search) for search in dict.fromkeys(row["search"] for row in kept)}
    statements = [_lead(config), *_statements(kept)]
    text = "".join(f"{line}\n\n" for line in statements)
    text += "".join(f"{_caption(search)}\n\n{markdown_table(rows)}\n" for search, rows in tables.items())
    write_atomically(folder / "pressure.md", text)
    page = _page(config.name, statements, figures, tables, films)
    write_atomically(folder / "report.html", page)
    return [*paths, folder / "pressure.md", folder / "report.html", *figures, *films]


def _lead(config: PressureConfig) -> str:
    tries = ", ".join(f"{name} {config.tries_of(task)}" for name, task in config.searched.items())
    return (
        f"{config.starts} starts a task (seeds {config.seed} to {config.seed + config.starts - 1}); random episodes of "
        f"each: {tries}. tau and beta were chosen, or checked, on {config.pilot.starts} other starts, from seed "
        f"{config.pilot.seed}. Intervals: 95 %, {config.resamples} resamples of the starts. One seed of each model."
    )


def _statements(kept: Sequence[dict[str, Any]]) -> list[str]:
    """Say for each task which head keeps most at the highest level of best-of-n, by the largest model."""
    result = []
    for task in dict.fromkeys(row["task"] for row in kept):
        own = [row for row in kept if row["task"] == task and row["search"] == RANDOM]
        for negatives in dict.fromkeys(row["negatives"] for row in own):
            rows = [row for row in own if row["negatives"] == negatives and row["model"] == own[-1]["model"]]
            paper = next(row for row in rows if row["head"] == PAPER)
            safer = [
                row for row in rows if row["head"] != PAPER and not is_control(row["head"]) and np.isfinite(row["kept"])
            ]
            text = (
                f"{task}, {negatives}, {paper['model']}: the paper's head keeps {_interval(paper, 'kept')} of the truth"
            )
            if safer:
                best = max(safer, key=lambda row: row["kept"])
                text += (
                    f"; {best['head']} keeps the most of the others, {_interval(best, 'kept')}, "
                    f"{_interval(best, 'against_paper')} times as much, and {_interval(best, 'against_as_seldom')} "
                    "times what the paper's head keeps where it pays as seldom"
                )
            result.append(f"{text}.")
    return result


def _table(kept: Sequence[dict[str, Any]], search: str) -> list[dict[str, str]]:
    return [
        {
            "task": row["task"],
            "model": row["model"],
            "negatives": row["negatives"],
            "head": row["head"],
            "paid": number(row["reward"]),
            "truth": number(row["truth"]),
            "precision": _interval(row, "precision"),
            "truth kept": _interval(row, "kept"),
            "against paper": _interval(row, "against_paper"),
            "against as seldom": _interval(row, "against_as_seldom"),
        }
        for row in kept
        if row["search"] == search
    ]


def _caption(search: str) -> str:
    if search == RANDOM:
        return "The best of the most random episodes."
    if search == PERTURBED:
        return (
            "The best of the most scenes: the goal of each start, everything else drawn anew, one random episode each."
        )
    if search == CEM:
        return "The last iteration of the scripted searcher, mean over its episodes."
    return f"The newest checkpoint of {search}, mean over its episodes."


def _interval(row: dict[str, Any], name: str) -> str:
    return interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _page(
    title: str,
    statements: Sequence[str],
    figures: Sequence[Path],
    tables: dict[str, list[dict[str, str]]],
    films: Sequence[Path],
) -> str:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.filters["data"] = lambda path: base64.b64encode(path.read_bytes()).decode()
    return pages.get_template("page.html.j2").render(
        title=title,
        style=(Path(experiments.study_report.__file__).parent / "page.css").read_text(encoding="utf-8"),
        statements=statements,
        figures=figures,
        tables={_caption(search): rows for search, rows in tables.items()},
        films=films,
    )


def _truth(found: Sequence[Searched], task: str) -> Searched:
    return next(one for one in found if one.task == task and one.cell is None)


def _last(one: Searched, search: str) -> Level:
    return [level for level in one.levels if level.search == search][-1]
