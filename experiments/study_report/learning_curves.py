"""Findings of studies that follow both returns along training, task by task: figure 3 of the paper."""

import math
from collections.abc import Sequence
from typing import Any

from experiments.study_report.all_tasks import all_tasks_table
from experiments.study_report.document import (
    MISSING,
    Figure,
    Findings,
    Table,
    estimate,
    mean,
    number,
    slug,
)
from experiments.study_report.figures.learning_curve_panel import LearningCurvePanel
from experiments.study_report.records import (
    HELD_OUT,
    ONLINE_PRECISION,
    REWARD_RETURN,
    Study,
    Trial,
)
from vlm_rewards.evaluation.statistics import (
    Estimate,
    SeedBand,
    band_over_seeds,
    success_over_seeds,
    training_agreement,
)

# Width of the running mean of training curves, as a share of the trial's steps.
SMOOTHING = 0.05
INTERVALS = (
    "from three seeds on their interquartile mean with a 95 % stratified bootstrap; of two, their range; of one, 95 % "
    "Wilson over its episodes"
)


def learning_curve_findings(study: Study) -> Findings:
    """Return a panel and a row of numbers for each task and arm with a VLM reward."""
    figures, rows, records, statements = [], [], [], []
    bands: set[str] = set()
    for task in study.tasks:
        arms = study.compared(task)
        for arm in arms:
            title = task if len(arms) == 1 else f"{task}, {arm}"
            panel = _panel(study, task, arm, title)
            bands |= band_kinds([panel.reward_return, panel.held_out])
            if (
                panel.reward_return or panel.held_out
            ):  # an empty pair of axes says nothing of a trial that has not begun
                figures.append(Figure(f"learning_curve_{slug(title)}", panel, _description(panel)))
            row, record = _numbers(study, task, arm)
            rows.append(row)
            records.append(record)
            if study.finished(task, arm):
                statements.append(_statement(title, record))
    caption = (
        "Figure 3 of the paper. Reward return: mean return of the training episodes under the reward model, which is "
        "all that the agent trains on. Success rate: by ground truth, on held-out goals, which nothing trains on. "
        f"Lines and bands: {'; '.join(sorted(bands)) or 'none'}. The reward return and the precision are running means "
        f"over {SMOOTHING:.0%} of training. Online precision: share of the reward's successes that are true."
    )
    table = Table(
        "summary",
        "Final values, and how far the reward return tells the success rate along training: correlations over the "
        "held-out evaluations of a trial, mean over seeds. Reward return and online precision: last quarter of "
        f"training. Success rate: by ground truth, with its interval ({INTERVALS}).",
        rows,
        records,
    )
    tables = [table] if rows else []
    return Findings(statements, figures, caption, [*tables, *all_tasks_table(study)], columns=3)


def running_mean_band(trials: Sequence[Trial], key: str) -> SeedBand | None:
    """Return the band of a metric that is logged at each training iteration."""
    window = SMOOTHING * max((trial.env_steps for trial in trials), default=0)
    return band_over_seeds([trial.curves[key] for trial in trials if key in trial.curves], window)


def held_out_band(trials: Sequence[Trial]) -> SeedBand | None:
    """Return the band of the success rate on held-out goals."""
    return band_over_seeds([trial.curves[HELD_OUT] for trial in trials if HELD_OUT in trial.curves])


def band_kinds(bands: Sequence[SeedBand | None]) -> set[str]:
    """Return what bands are, in words."""
    return {band.kind for band in bands if band is not None}


def random_success(study: Study, task: str) -> float:
    """Return the random policy's success rate on a task, over all its trials; NaN before any evaluation."""
    key = "evaluation/random_success_rate"
    return mean([trial.metrics[key] for trial in study.trials if trial.task == task and key in trial.metrics])


def finals(trials: Sequence[Trial]) -> list[tuple[float, float, float]]:
    """Return the final success rate of those trials that were evaluated."""
    return [trial.final for trial in trials if trial.final is not None]


def _panel(study: Study, task: str, arm: str, title: str) -> LearningCurvePanel:
    trials = study.shown(task, arm)
    chance = random_success(study, task)
    unfinished = "" if study.finished(task, arm) else " (unfinished)"
    return LearningCurvePanel(
        title=title + unfinished,
        reward_return=running_mean_band(trials, REWARD_RETURN),
        held_out=held_out_band(trials),
        precision=running_mean_band(trials, ONLINE_PRECISION),
        true_reward_agent=held_out_band(study.finished_references(task)),
        random_success=None if math.isnan(chance) else chance,
        alarms=tuple(float(trial.alarm_at) for trial in trials if trial.alarm_at is not None),
    )


def _numbers(study: Study, task: str, arm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    trials = study.finished(task, arm)
    final = success_over_seeds(finals(trials))
    reference = success_over_seeds(finals(study.finished_references(task)))
    chance = random_success(study, task)
    agreements = [
        agreement
        for trial in trials
        if REWARD_RETURN in trial.curves and HELD_OUT in trial.curves
        if (agreement := training_agreement(trial.curves[REWARD_RETURN], trial.curves[HELD_OUT])) is not None
    ]
    alarms = [trial.alarm_at for trial in trials if trial.alarm_at is not None]
    record: dict[str, Any] = {
        "task": task,
        "arm": arm,
        "seeds": len(trials),
        "reward_return_last_quarter": mean([trial.late_reward_return for trial in trials]),
        "held_out_success_rate": final.value if final else math.nan,
        "held_out_success_rate_low": final.low if final else math.nan,
        "held_out_success_rate_high": final.high if final else math.nan,
        "interval": final.kind if final else "",
        "random_success_rate": chance,
        "true_reward_agent_success_rate": reference.value if reference else math.nan,
        "share_of_true_reward_agent": _ratio(final, reference),
        "pearson": mean([agreement.pearson for agreement in agreements]),
        "spearman": mean([agreement.spearman for agreement in agreements]),
        "online_precision_last_quarter": mean([trial.late_precision for trial in trials]),
        "alarms": len(alarms),
        "first_alarm_env_steps": min(alarms) if alarms else None,
    }
    row = {
        "task": task,
        "reward": arm,
        "seeds": str(len(trials)),
        "reward return": number(record["reward_return_last_quarter"]),
        "success rate, held-out": estimate(final),
        "random": number(chance),
        "true-reward agent": number(record["true_reward_agent_success_rate"]),
        "Pearson": number(record["pearson"]),
        "Spearman": number(record["spearman"]),
        "online precision": number(record["online_precision_last_quarter"]),
        "alarm": f"{len(alarms)} of {len(trials)}" if trials else MISSING,
    }
    return row, record


def _ratio(final: Estimate | None, reference: Estimate | None) -> float:
    return final.value / reference.value if final and reference and reference.value else math.nan


def _statement(title: str, record: dict[str, Any]) -> str:
    success, chance = number(record["held_out_success_rate"]), number(record["random_success_rate"])
    text = f"{title}: held-out success rate {success}, random {chance}"
    if math.isfinite(record["true_reward_agent_success_rate"]):
        text += f", true-reward agent {number(record['true_reward_agent_success_rate'])}"
    if math.isfinite(record["pearson"]):
        text += f"; correlation of reward return and success rate along training r = {number(record['pearson'])}"
    if record["alarms"]:
        text += (
            f"; the reward-hacking alarm fired in {record['alarms']} of {record['seeds']} trials, "
            f"first at {record['first_alarm_env_steps']:,} steps"
        )
    return text + "."


def _description(panel: LearningCurvePanel) -> str:
    ends = [
        f"{name} from {number(band.value[0])} to {number(band.value[-1])}"
        for name, band in (("reward return", panel.reward_return), ("held-out success rate", panel.held_out))
        if band is not None
    ]
    return f"Learning curve, {panel.title}: " + "; ".join(ends) + "."
