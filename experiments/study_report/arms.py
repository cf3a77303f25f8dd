"""Findings of studies that compare arms in an order: figures 4 (right) and 5 of the paper."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.study_report.all_tasks import all_tasks_table
from experiments.study_report.correlations import Ordering, correlation_findings
from experiments.study_report.document import MISSING, Figure, Findings, Table, estimate, interval, number, slug
from experiments.study_report.figures.arm_panels import Arm, ArmPanels
from experiments.study_report.learning_curves import INTERVALS, band_kinds, finals, held_out_band, random_success
from experiments.study_report.records import Study
from vlm_rewards.evaluation.statistics import success_over_seeds


@dataclass(frozen=True)
class Comparison:
    """How a kind of study is told.

    Attributes:
        fact: Fact of the arms that their order is claimed by.
        name: Name of that fact, in words.
        told: Fact that stands beside an arm's name.
        what: What an arm is.
        caption: Figure of the paper, and what that claims.
    """

    fact: str
    name: str
    told: str
    what: str
    caption: str


@dataclass(frozen=True)
class Group:
    """Arms of one task that are compared with each other.

    Attributes:
        task: Name of the task family.
        negatives: Set of negatives that all of them train with; empty where the facts name none.
        arms: Names in order, without the references.
        title: Name in figures and tables.
    """

    task: str
    negatives: str
    arms: tuple[str, ...]
    title: str


def arm_findings(study: Study, comparison: Comparison) -> Findings:
    """Return curves, final values, offline precision and rank correlations of each task."""
    figures: list[Figure] = []
    bands: set[str] = set()
    rows, records, orderings = [], [], []
    for group in _groups(study):
        panels = _panels(study, group, comparison)
        bands |= band_kinds([arm.held_out for arm in panels.arms])
        figures += _figures(group, panels)
        for name, arm in zip([*group.arms, *_references(study, group)], panels.arms, strict=True):
            row, record = _numbers(study, group, name, arm, comparison)
            rows.append(row)
            records.append(record)
        orderings += _orderings(study, group, panels, comparison)
    caption = (
        f"{comparison.caption} Success rate by ground truth on held-out goals; lines and bands: "
        f"{'; '.join(sorted(bands)) or 'none'}. Marks after training: {INTERVALS}."
    )
    if study.offline:
        caption += (
            " Offline average precision is measured on recorded trajectories before any training; its intervals are "
            "bootstraps over trajectories."
        )
    summary = Table(
        "summary",
        f"Final success rate (ground truth) on held-out goals of each {comparison.what}: {INTERVALS}.",
        rows,
        records,
    )
    correlations, statements = correlation_findings(orderings)
    tables = [*([summary] if rows else []), *all_tasks_table(study), *correlations]
    if not statements:
        statements.append("No rank correlation yet: it takes two arms and three finished trials of one task.")
    return Findings(statements, figures, caption, tables, columns=4 if study.offline else 2)


def _groups(study: Study) -> list[Group]:
    """Return the arms of each task; those trained with different negatives are not compared with each other."""
    groups = []
    for task in study.tasks:
        by_negatives: dict[str, list[str]] = {}
        for arm in study.compared(task):
            by_negatives.setdefault(str(_facts(study, task, arm).get("negatives") or ""), []).append(arm)
        for negatives, arms in by_negatives.items():
            title = f"{task}, negatives: {negatives.replace('_', ' ')}" if len(by_negatives) > 1 else task
            groups.append(Group(task, negatives, tuple(arms), title))
    return groups


def _facts(study: Study, task: str, arm: str) -> Any:
    return next(trial.facts for trial in study.trials if trial.task == task and trial.arm == arm)


def _panels(study: Study, group: Group, comparison: Comparison) -> ArmPanels:
    families = {row.family for row in study.offline}
    # A task whose goals are a family of the recorded trajectories is held against that; else all of them together.
    family = next((family for family in families if _key(family) == _key(group.task)), "all")
    arms = []
    for name in group.arms:
        label = _label(name, _facts(study, group.task, name), comparison)
        arms.append(
            Arm(
                label=label if study.finished(group.task, name) else f"{label} (unfinished)",
                held_out=held_out_band(study.shown(group.task, name)),
                final=success_over_seeds(finals(study.finished(group.task, name))),
                offline={row.negatives: row.value for row in study.offline if (row.arm, row.family) == (name, family)},
            )
        )
    references = _references(study, group)
    for name in references:
        trials = study.finished(group.task, name)
        label = "true-reward agent" if len(references) == 1 else f"true-reward agent: {name}"
        arms.append(Arm(label, held_out_band(trials), success_over_seeds(finals(trials)), reference=True))
    chance = random_success(study, group.task)
    return ArmPanels(group.title, arms, None if math.isnan(chance) else chance)


def _references(study: Study, group: Group) -> list[str]:
    """Return the agents on the true reward that have finished, to be compared with."""
    return [arm for arm in study.references(group.task) if study.finished(group.task, arm)]


def _key(name: str) -> str:
    """Return what `Pick and Place` and `pick_place` have in common."""
    return "_".join(word for word in slug(name).split("_") if word != "and")


def _label(name: str, facts: Any, comparison: Comparison) -> str:
    value = facts.get(comparison.told)
    if value is None or str(value) == name:
        return name
    return f"{name} ({_millions(value)})" if isinstance(value, int | float) else f"{name}: {value}"


def _millions(parameters: float) -> str:
    unit, name = (1e9, "B") if parameters >= 1e9 else (1e6, "M")
    return f"{parameters / unit:.2g}{name}"


def _figures(group: Group, panels: ArmPanels) -> list[Figure]:
    finals = "; ".join(f"{arm.label} {number(arm.final.value)}" for arm in panels.arms if arm.final)
    drawn: list[tuple[str, Callable[..., Any], str]] = [
        ("curves", panels.curves, "held-out success rate over training, a curve an arm"),
        ("final", panels.final, f"final success rate: {finals or 'none yet'}"),
    ]
    if any(arm.offline for arm in panels.arms):
        drawn.append(("offline", panels.offline, "offline average precision of each arm, by set of negatives"))
        drawn.append(
            ("offline_final", panels.offline_against_final, "final success rate against offline average precision")
        )
    return [Figure(f"{slug(group.title)}_{name}", draw, f"{group.title}: {text}.") for name, draw, text in drawn]


def _numbers(
    study: Study, group: Group, name: str, arm: Arm, comparison: Comparison
) -> tuple[dict[str, Any], dict[str, Any]]:
    fact = _facts(study, group.task, name).get(comparison.fact)
    record = {
        "task": group.task,
        "negatives": group.negatives,
        "arm": name,
        comparison.fact: fact,
        "seeds": arm.final.seeds if arm.final else 0,
        "held_out_success_rate": arm.final.value if arm.final else math.nan,
        "held_out_success_rate_low": arm.final.low if arm.final else math.nan,
        "held_out_success_rate_high": arm.final.high if arm.final else math.nan,
        "interval": arm.final.kind if arm.final else "",
        "random_success_rate": random_success(study, group.task),
    }
    sets = sorted({row.negatives for row in study.offline}, reverse=True)
    for negatives in sets:
        ends = arm.offline.get(negatives, (math.nan,) * 3)
        for key, value in zip(("", "_low", "_high"), ends, strict=True):
            record[f"offline_average_precision_{negatives}{key}"] = value
    row = {
        "task": group.title,
        comparison.what: arm.label,
        "seeds": str(record["seeds"]),
        "success rate, held-out": estimate(arm.final),
        "random": number(record["random_success_rate"]),
    }
    for negatives in sets:
        precision = arm.offline.get(negatives)
        row[f"offline AP, {negatives.replace('_', ' ')}"] = MISSING if precision is None else interval(*precision)
    return row, record


def _orderings(study: Study, group: Group, panels: ArmPanels, comparison: Comparison) -> list[Ordering]:
    """Return what a group's arms can be ordered by, beside the final success rates of their trials."""
    rates = {name: [rate for rate, _, _ in finals(study.finished(group.task, name))] for name in group.arms}
    properties: dict[str, dict[str, float]] = {comparison.name: {}}
    for name, arm in zip(group.arms, panels.arms, strict=False):
        fact = _facts(study, group.task, name).get(comparison.fact)
        if isinstance(fact, int | float):
            properties[comparison.name][name] = float(fact)
        for negatives, (value, _, _) in arm.offline.items():
            if math.isfinite(value):
                key = f"offline AP (negatives: {negatives.replace('_', ' ')})"
                properties.setdefault(key, {})[name] = value
    return [
        Ordering(group.task, group.negatives, group.title, what, values, {name: rates[name] for name in values})
        for what, values in properties.items()
    ]
