"""The recordings that MLflow keeps, by the id or the name of their run."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from experiments.shared.stored_runs import artifact, open_to_read
from vlm_rewards.errors import ConfigError, TrackingError
from vlm_rewards.evaluation.recording import RECORDING_FILE, Recording
from vlm_rewards.strict_config import near_matches
from vlm_rewards.tracking.store import first_line
from vlm_rewards.tracking.writes import STORE_ERRORS

_PARENT = "tags.`mlflow.parentRunId` = '{}'"
# Names of runs that a misspelt one is compared with.
_MOST_NAMES = 1000
_MOST_CHILDREN = 20


@dataclass(frozen=True)
class TrackedRecording:
    """A recording, and the run that it is of.

    Attributes:
        recording: The episodes.
        run_id: MLflow's id of the run.
        run_name: Its name.
    """

    recording: Recording
    run_id: str
    run_name: str


def tracked_recording(uri: str, wanted: str) -> TrackedRecording:
    """Return the recording of a run.

    Args:
        uri: The MLflow store.
        wanted: Id of the run, or its name, of which the newest is taken.

    Raises:
        ConfigError: There is no such run, it has no recording, or its recording cannot be read.
        TrackingError: The store does not answer, or has lost the file.
    """
    client, experiments = open_to_read(uri)
    try:
        run = _run(client, experiments, wanted)
        content = artifact(client, run.info.run_id, RECORDING_FILE)
        if content is None:
            raise ConfigError(_why_none(client, experiments, run))
    except STORE_ERRORS as error:
        raise TrackingError(f"the run {wanted} cannot be read from MLflow: {first_line(error)}") from error
    name = run.info.run_name or run.info.run_id
    return TrackedRecording(read_recording(content, f"{name} in MLflow"), run.info.run_id, name)


def read_recording(content: bytes, where: str) -> Recording:
    """Return the recording in these bytes.

    Raises:
        ConfigError: They are none; the error says `where` they come from.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, RECORDING_FILE)
        path.write_bytes(content)
        try:
            return Recording.load(path)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(path), f"of {where}")) from error


def _run(client: MlflowClient, experiments: list[str], wanted: str) -> Any:
    if len(wanted) == 32 and all(letter in "0123456789abcdef" for letter in wanted):
        try:
            return client.get_run(wanted)
        except STORE_ERRORS as error:
            if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                raise
    runs = client.search_runs(experiments, max_results=_MOST_NAMES, order_by=["attributes.start_time DESC"])
    for run in runs:
        if wanted in (run.info.run_name, run.info.run_id):
            return run
    names = dict.fromkeys(run.info.run_name for run in runs if run.info.run_name)
    raise ConfigError(
        f"there is no run, dataset or folder {wanted!r}: MLflow has no run of that name or id; "
        f"{near_matches(wanted, names)}"
    )


def _why_none(client: MlflowClient, experiments: list[str], run: Any) -> str:
    name = f"the run {run.info.run_name!r}"
    children = client.search_runs(
        experiments, _PARENT.format(run.info.run_id), max_results=_MOST_CHILDREN, order_by=["attributes.start_time"]
    )
    having = [
        child
        for child in children
        if any(file.path == RECORDING_FILE for file in client.list_artifacts(child.info.run_id))
    ]
    if having:
        listed = ", ".join(f"{child.info.run_id} ({child.info.run_name})" for child in having[:4])
        return f"{name} has no recording of its own; these of its runs have: {listed}"
    if run.data.tags.get("command") == "offline_pr":
        return (
            f"{name} is an offline evaluation, which keeps scores and no frames: show its dataset with "
            "python -m experiments.view DATASET_FOLDER --reward PRESET.yaml"
        )
    if run.info.status == "RUNNING":
        return f"{name} still runs: its episodes are recorded when it is evaluated, after training"
    return (
        f"{name} has no recording: it was made before there were any, with evaluation.recording.episodes=0, or ended "
        "before its evaluation; record it with python -m experiments.evaluate RUN_FOLDER"
    )
