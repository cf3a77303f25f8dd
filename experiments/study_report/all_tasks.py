"""One number an arm over all tasks of a study, in the manner in which benchmarks of several tasks are reported."""

from experiments.study_report.document import Table, estimate
from experiments.study_report.records import Study
from vlm_rewards.evaluation.statistics import success_over_tasks


def all_tasks_table(study: Study) -> list[Table]:
    """Return the table of the arms that have three finished seeds of each task; no table where no arm has."""
    rows, records = [], []
    for arm in dict.fromkeys(arm for task in study.tasks for arm in study.arms(task)):
        tasks = [task for task in study.tasks if arm in study.arms(task)]
        rates = [[trial.final[0] for trial in study.finished(task, arm) if trial.final] for task in tasks]
        found = success_over_tasks(rates)
        if found is None:
            continue
        rows.append(
            {
                "arm": arm,
                "tasks": str(len(tasks)),
                "trials": str(found.seeds),
                "success rate, held-out": estimate(found),
            }
        )
        records.append(
            {
                "arm": arm,
                "tasks": len(tasks),
                "trials": found.seeds,
                "held_out_success_rate_iqm": found.value,
                "held_out_success_rate_iqm_low": found.low,
                "held_out_success_rate_iqm_high": found.high,
            }
        )
    caption = (
        "All tasks together: interquartile mean of the final held-out success rates of all tasks and seeds, with its "
        "95 % bootstrap interval, drawn within each task."
    )
    return [Table("all_tasks", caption, rows, records)] if rows else []
