"""The MLflow run of a command that measures rewards, which one that was cut off goes on in."""

from pathlib import Path
from typing import Any

from experiments.shared.run_folder import RunFolder, RunState
from vlm_rewards.tracking import MlflowRun, provenance_tags

# What a run shows, by the command that made it.
_NOTES = {
    "offline_pr": (
        "Precision and recall of reward models on recorded states: a child run for each model, template and set of "
        "negatives."
    ),
    "calibrate": "Temperature and threshold of a reward, chosen on some trajectories and judged on others (`test/`).",
    "zero_shot": "How often a model names what pictures show, among all captions of their domain.",
    "pressure": "What is left of rewards when their mistakes are searched for: a child run a reward.",
}


def start_run(folder: RunFolder, uri: str, experiment: str, params: dict[str, Any], command: str) -> MlflowRun:
    """Start or continues the MLflow run of a run folder; a folder whose run never started does not stay.

    Raises:
        TrackingError: The store cannot be opened or written.
    """
    state = folder.state()
    try:
        run = MlflowRun.start(
            uri=uri,
            experiment=experiment,
            name=folder.path.name,
            params=params,
            tags={**provenance_tags(Path(__file__).parent), "command": command},
            spill_folder=folder.path,
            resume_run_id=state.mlflow_run_id if state else None,
            note=f"{_NOTES[command]} Folder: `{folder.path}`.",
        )
        folder.write_state(state or RunState(run.run_id))
        return run
    finally:
        folder.remove_if_never_started()
