"""The folder of one study: its settings, its trials with their MLflow runs, and Tune's own state."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from experiments.shared.atomic_files import write_atomically
from experiments.shared.run_folder import RunFolder
from experiments.study.study_config import StudyConfig
from experiments.study.trials import Trial
from vlm_rewards.errors import ConfigError

_RECORD = "study.json"


@dataclass(frozen=True)
class StudyRecord:
    """What a study has to find again after its death.

    Attributes:
        kind: Name of the kind of study.
        mlflow_run_id: Id of the parent run.
        trials: Trials with the ids of their runs.
    """

    kind: str
    mlflow_run_id: str
    trials: tuple[Trial, ...]


class StudyFolder:
    """Reads and writes one study's folder.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @classmethod
    def create(cls, parent: Path, config: StudyConfig) -> "StudyFolder":
        """Make a new folder `name-N` below `parent` with the first free number N."""
        return cls(RunFolder.create(parent, config.name, config.model_dump(mode="json")).path)

    @classmethod
    def existing(cls, path: Path, kind: str) -> "StudyFolder":
        """Open the folder of an earlier study.

        Raises:
            ConfigError: The folder is none of a study, of one of another kind, or of one that never began.
        """
        if not (path / _RECORD).is_file():
            raise ConfigError(f"{path} is no folder of a study that began (it has no {_RECORD}); start it anew")
        folder = cls(path)
        if folder.record().kind != kind:
            raise ConfigError(f"{path} holds a study of {folder.record().kind}; resume it with that command")
        return folder

    @property
    def tune_folder(self) -> Path:
        """Where Tune keeps its state and checkpoints, unless the study names a storage."""
        return self.path / "tune"

    def config(self) -> StudyConfig:
        """Return the settings that the study was started with."""
        return StudyConfig(**RunFolder(self.path).config())

    def has_begun(self) -> bool:
        """Tell whether there is anything to resume."""
        return (self.path / _RECORD).is_file()

    def remove_if_never_begun(self) -> None:
        """Delete the folder of a study that was refused before it began: there is nothing in it to resume."""
        if not self.has_begun():
            shutil.rmtree(self.path, ignore_errors=True)

    def record(self) -> StudyRecord:
        """Return the study's record.

        Raises:
            ConfigError: Its file is damaged.
        """
        path = self.path / _RECORD
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            kind, run_id = str(values["kind"]), str(values["mlflow_run_id"])
            trials = tuple(Trial(**trial) for trial in values["trials"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(
                f"{path} is damaged or of another version ({type(error).__name__}): bring it back from a copy, or "
                "start a new study"
            ) from error
        return StudyRecord(kind, run_id, trials)

    def write_record(self, record: StudyRecord) -> None:
        """Replace the record in one step."""
        trials = [trial.model_dump(mode="json") for trial in record.trials]
        text = json.dumps({"kind": record.kind, "mlflow_run_id": record.mlflow_run_id, "trials": trials}, indent=1)
        write_atomically(self.path / _RECORD, text)
