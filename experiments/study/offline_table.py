"""Average precision from recorded trajectories, beside the returns of a study."""

import csv
from collections.abc import Sequence
from pathlib import Path

from experiments.offline.report import write_csv
from experiments.shared.cells import csv_cell
from experiments.study.trials import Trial
from vlm_rewards.errors import ConfigError


def write_offline_table(source: Path, trials: Sequence[Trial], target: Path) -> None:
    """Write the average precision of each arm's reward model, out of a table of `experiments.offline_pr`.

    Args:
        source: CSV with a row for each model, template, negative set and family. A table of a prompt set calls
            templates by their names there; an arm of such a name is that template.
        trials: Trials of the study.
        target: CSV with columns arm, family, negatives, average_precision, low, high.

    Raises:
        ConfigError: The table cannot be read, or has no row of any arm.
    """
    try:
        with source.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"cannot read offline_table {source}: {error.strerror}") from error
    arms = {trial.arm: trial.train.reward_model for trial in trials if not trial.train.uses_ground_truth}
    lines = [
        {
            "arm": arm,
            "family": row["family"],
            "negatives": row["negatives"],
            "average_precision": row["average_precision"],
            "low": row["average_precision_low"],
            "high": row["average_precision_high"],
        }
        for arm, reward in arms.items()
        for row in rows
        if row["model"] == Path(reward.model).name and row["template"] in map(csv_cell, (reward.template, arm))
    ]
    if not lines:
        raise ConfigError(f"{source} has no row for any model and template of the study; make it with offline_pr")
    write_csv(target, lines)
