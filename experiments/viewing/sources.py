"""What a command line may mean by a run or dataset, and the recording that it stands for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.shared.run_folder import CONFIG_FILE, RunFolder
from experiments.viewing.datasets import DatasetChoice, dataset_recording
from experiments.viewing.page import PAGE, write_page
from experiments.viewing.tracked import tracked_recording
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.dataset import MANIFEST
from vlm_rewards.evaluation.recording import RECORDING_FILE, Recording
from vlm_rewards.strict_config import near_matches


@dataclass(frozen=True)
class Found:
    """What is shown.

    Attributes:
        recording: The episodes.
        source: Where they come from, by heading.
        name: For the page's file.
    """

    recording: Recording
    source: Mapping[str, str]
    name: str


def is_path(wanted: str) -> bool:
    """Tell whether a file or folder is meant, and not a run in MLflow."""
    return "/" in wanted or Path(wanted).exists()


def find(wanted: str, uri: str, choice: DatasetChoice, progress: Callable[[int, int], None]) -> Found:
    """Return what is meant by a folder of a run, evaluation or dataset, a recording's file, or a run in MLflow.

    Args:
        wanted: As it was written.
        uri: The MLflow store.
        choice: What of a dataset is shown, and what scores it.
        progress: Told of the episodes of a dataset that were read, of how many.

    Raises:
        ConfigError: There is no such thing, it has no recording, or that cannot be read.
        TrackingError: The MLflow store does not answer.
    """
    path = Path(wanted).expanduser()
    if not is_path(wanted):
        choice.refuse_for("a run in MLflow")
        found = tracked_recording(uri, wanted)
        return Found(found.recording, {"run": found.run_name, "MLflow run": found.run_id}, found.run_name)
    if (path / MANIFEST).is_file():
        recording = dataset_recording(path, choice, progress)
        return Found(recording, {"dataset": path.name}, path.name)
    choice.refuse_for("a recording")
    file = path if path.is_file() else path / RECORDING_FILE
    if file.is_file():
        return Found(Recording.load(file), _source(file.parent), file.parent.name)
    raise ConfigError(_why_none(path))


def write_page_beside(file: Path) -> Path:
    """Write the page of a recording into the recording's folder, and return it.

    Raises:
        ConfigError: The recording cannot be read.
    """
    return write_page(Recording.load(file), file.with_name(PAGE), _source(file.parent))


def _source(folder: Path) -> dict[str, str]:
    """Return what a run's folder says of itself; an evaluation's lies in that of its run."""
    for place in (folder, folder.parent):
        if (place / CONFIG_FILE).is_file():
            state = RunFolder(place).state()
            if state is not None:
                name = place.name if place == folder else f"{place.name}, {folder.name}"
                return {"run": name, "trained": f"{state.env_steps:,} steps", "MLflow run": state.mlflow_run_id}
    return {"folder": folder.name}


def _why_none(path: Path) -> str:
    if (path / CONFIG_FILE).is_file():
        return (
            f"the run in {path} has no {RECORDING_FILE}: it is not evaluated yet, or was before there were recordings; "
            f"record it with python -m experiments.evaluate {path}"
        )
    if path.is_dir():
        return (
            f"{path} holds neither {RECORDING_FILE} nor {MANIFEST}: name the folder of a run, of an evaluation or of a "
            "dataset, or the id of a run in MLflow"
        )
    names = [found.name for found in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"there is no {path}; in its folder {near_matches(path.name, names)}"
