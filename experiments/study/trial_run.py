"""The function that Tune runs: one training, in Tune's own process for it."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.tune import Checkpoint

from experiments.shared.driver_environment import take_over
from experiments.shared.run_folder import RunFolder, RunState
from experiments.study.remote_storage import outlasting
from experiments.study.trials import Trial
from experiments.training.run import Training
from vlm_rewards.rllib.metrics import RolloutMetrics


class TrialWatcher:
    """Progress of a trial is what it reports to Tune with each checkpoint."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Keep it in the log of the trial's process."""
        logging.getLogger(__name__).warning(text)

    def iteration(self, env_steps: int, metrics: RolloutMetrics) -> None:
        """Say nothing."""


def run_trial(config: dict[str, Any], environment: Mapping[str, str] | None = None) -> None:
    """Train, from the last checkpoint that Tune has of this trial, and evaluate.

    The run's whole folder is the checkpoint, its MLflow run id included, so a trial can go on on another node.

    Args:
        config: `{"trial": ...}`, the fields of a `Trial`.
        environment: What the study's own environment has for its trials.
    """
    take_over(environment or {})
    trial = Trial(**config["trial"])
    trial_dir = Path(tune.get_context().get_trial_dir())
    # Not in the trial's own: that is copied to the study's storage at any time, and a run's folder changes meanwhile.
    with TemporaryDirectory(prefix="trial-") as path:
        folder = _folder(trial, Path(path, "run"))

        def report(state: RunState) -> None:
            outlasting(lambda: tune.report(_progress(state), checkpoint=Checkpoint.from_directory(str(folder.path))))

        state = folder.state()
        if state is not None and state.finished:
            # Killed between the end of the run and Tune's note of it.
            report(state)
            return
        Training(
            trial.train,
            folder,
            TrialWatcher(),
            served_by=trial.way_to_reward(),
            mlflow_run_id=trial.mlflow_run_id,
            spill_folder=trial_dir,
            on_checkpoint=report,
        ).execute()


def _folder(trial: Trial, path: Path) -> RunFolder:
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return RunFolder.at(path, trial.train.model_dump(mode="json"))
    outlasting(lambda: checkpoint.to_directory(str(path)))
    return RunFolder.existing(path)


def _progress(state: RunState) -> dict[str, Any]:
    latest = asdict(state.curve[-1]) if state.curve else {}
    held_out = state.held_out[-1].success_rate if state.held_out else 0.0
    return {**latest, "held_out_success_rate": held_out, "env_steps": state.env_steps, "finished": state.finished}
