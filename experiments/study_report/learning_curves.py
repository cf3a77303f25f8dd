"""Findings of a `learning_curves` study: figure 3 of the paper."""

import math
from collections.abc import Sequence

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
    GROUND_TRUTH_ARM,
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


def learning_curve_findings(study: Study) -> Findings:
    """Return a panel and a row of numbers for each task and arm with a VLM reward."""
    figures, rows, records, statements = [], [], [], []
    bands: set[str] = set()
    for task in study.tasks:
        arms = [arm for arm in study.arms(task) if arm != GROUND_TRUTH_ARM]
        for arm in arms:
            title = task if len(arms) == 1 else f"{task}, {arm}"
            panel = _panel(study, task, arm, title)
            bands |= band_kinds([panel.vlm, panel.held_out])
            if panel.vlm or panel.held_out:  # an empty pair of axes says nothing of a trial that has not begun
                figures.append(Figure(f"learning_curve_{slug(title)}", panel, _description(panel)))
            row, record = _numbers(study, task, arm)
            rows.append(row)
            records.append(record)
            if study.finished(task, arm):
                statements.append(_statement(title, record))
    caption = (
        "Figure 3 of the paper. VLM return of the training episodes, whose only reward it is, and ground-truth return "
        "on held-out goals, which nothing trains on, over environment steps. "
        f"Lines: mean over seeds; band: {', '.join(sorted(bands)) or 'none'}. The VLM return and the precision are "
        f"running means over {SMOOTHING:.0%} of training. Online precision: share of the VLM's successes that are "
        "true."
    )
    table = Table(
        "summary",
        "Final values, and how far the VLM return tells the ground truth along training: correlations over the "
        "held-out evaluations of a trial, mean over seeds. VLM return and online precision: last quarter of training. "
        "In brackets: the interval of the held-out success.",
        rows,
        records,
    )
    return Findings(statements, figures, caption, [table] if rows else [], columns=3)


def running_mean_band(trials: Sequence[Trial], key: str) -> SeedBand | None:
    """Return the band of a metric that is logged at each training iteration."""
    window = SMOOTHING * max((trial.env_steps for trial in trials), default=0)
    return band_over_seeds([trial.curves[key] for trial in trials if key in trial.curves], window)


def held_out_band(trials: Sequence[Trial]) -> SeedBand | None:
    """Return the band of the ground-truth success on held-out goals."""
    return band_over_seeds([trial.curves[HELD_OUT] for trial in trials if HELD_OUT in trial.curves])


def band_kinds(bands: Sequence[SeedBand | None]) -> set[str]:
    """Return what bands are, in words."""
    return {band.kind for band in bands if band is not None}


def random_success(study: Study, task: str) -> float:
    """Return the random policy's success on a task, over all its trials; NaN before any evaluation."""
    key = "evaluation/random_success_rate"
    return mean([trial.metrics[key] for trial in study.trials if trial.task == task and key in trial.metrics])


def finals(trials: Sequence[Trial]) -> list[tuple[float, float, float]]:
    """Return the final success of those trials that were evaluated."""
    return [trial.final for trial in trials if trial.final is not None]


def _panel(study: Study, task: str, arm: str, title: str) -> LearningCurvePanel:
    trials = study.shown(task, arm)
    chance = random_success(study, task)
    unfinished = "" if study.finished(task, arm) else " (unfinished)"
    return LearningCurvePanel(
        title=title + unfinished,
        vlm=running_mean_band(trials, REWARD_RETURN),
        held_out=held_out_band(trials),
        precision=running_mean_band(trials, ONLINE_PRECISION),
        ground_truth_agent=held_out_band(study.finished(task, GROUND_TRUTH_ARM)),
        random_success=None if math.isnan(chance) else chance,
        alarms=tuple(float(trial.alarm_at) for trial in trials if trial.alarm_at is not None),
    )


def _numbers(study: Study, task: str, arm: str) -> tuple[dict, dict]:
    trials = study.finished(task, arm)
    final = success_over_seeds(finals(trials))
    reference = success_over_seeds(finals(study.finished(task, GROUND_TRUTH_ARM)))
    chance = random_success(study, task)
    agreements = [
        agreement
        for trial in trials
        if REWARD_RETURN in trial.curves and HELD_OUT in trial.curves
        if (agreement := training_agreement(trial.curves[REWARD_RETURN], trial.curves[HELD_OUT])) is not None
    ]
    alarms = [trial.alarm_at for trial in trials if trial.alarm_at is not None]
    record = {
        "task": task,
        "arm": arm,
        "seeds": len(trials),
        "reward_return_last_quarter": mean([trial.late_reward_return for trial in trials]),
        "held_out_success_rate": final.mean if final else math.nan,
        "held_out_success_rate_low": final.low if final else math.nan,
        "held_out_success_rate_high": final.high if final else math.nan,
        "interval": final.kind if final else "",
        "random_success_rate": chance,
        "ground_truth_agent_success": reference.mean if reference else math.nan,
        "share_of_ground_truth_agent": _ratio(final, reference),
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
        "VLM return": number(record["reward_return_last_quarter"]),
        "held-out success": estimate(final),
        "random": number(chance),
        "true-reward agent": number(record["ground_truth_agent_success"]),
        "Pearson": number(record["pearson"]),
        "Spearman": number(record["spearman"]),
        "online precision": number(record["online_precision_last_quarter"]),
        "alarm": f"{len(alarms)} of {len(trials)}" if trials else MISSING,
    }
    return row, record


def _ratio(final: Estimate | None, reference: Estimate | None) -> float:
    return final.mean / reference.mean if final and reference and reference.mean else math.nan


def _statement(title: str, record: dict) -> str:
    success, chance = number(record["held_out_success_rate"]), number(record["random_success_rate"])
    text = f"{title}: held-out success {success}, random {chance}"
    if math.isfinite(record["ground_truth_agent_success"]):
        text += f", true-reward agent {number(record['ground_truth_agent_success'])}"
    if math.isfinite(record["pearson"]):
        text += f"; correlation of VLM return and held-out truth along training r = {number(record['pearson'])}"
    if record["alarms"]:
        text += (
            f"; the reward-hacking alarm fired in {record['alarms']} of {record['seeds']} trials, "
            f"first at {record['first_alarm_env_steps']:,} steps"
        )
    return text + "."


def _description(panel: LearningCurvePanel) -> str:
    ends = [
        f"{name} from {number(band.mean[0])} to {number(band.mean[-1])}"
        for name, band in (("VLM return", panel.vlm), ("ground truth on held-out goals", panel.held_out))
        if band is not None
    ]
    return f"Learning curve, {panel.title}: " + "; ".join(ends) + "."
