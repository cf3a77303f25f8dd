"""The folder of one training run: its settings, its progress and its newest checkpoint, never half-written."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from experiments.shared.atomic_files import write_atomically
from experiments.shared.sealed_folder import damage, flush, seal
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.strict_config import read_yaml

CONFIG_FILE = "config.yaml"
STATE_FILE = "state.json"
# The newest, and the one before in case the newest is damaged.
CHECKPOINTS_KEPT = 2
# Without it a file that was copied in part could be read, and settings at its end be others than those of the start.
_LAST_LINE = "# end of the settings"


@dataclass(frozen=True)
class HeldOutPoint:
    """A short evaluation in training, on held-out episodes.

    Attributes:
        env_steps: Environment steps trained until then.
        success_rate: By ground truth, in [0, 1].
    """

    env_steps: int
    success_rate: float


@dataclass(frozen=True)
class RunState:
    """Where a run stands, written with each checkpoint.

    Attributes:
        mlflow_run_id: The run's id, so that a resumed training continues it.
        env_steps: Environment steps trained.
        seconds: Wall-clock seconds spent training.
        checkpoint: Name of the checkpoint folder, or None before the first.
        curve: One point a training iteration.
        held_out: The short evaluations in training.
        finished: Whether the run has ended and its results stand.
    """

    mlflow_run_id: str
    env_steps: int = 0
    seconds: float = 0.0
    checkpoint: str | None = None
    curve: tuple[CurvePoint, ...] = ()
    held_out: tuple[HeldOutPoint, ...] = ()
    finished: bool = False


class RunFolder:
    """Reads and writes one run's folder.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        # Absolute: RLlib takes a relative checkpoint path for a URI without a scheme.
        self.path = path.resolve()

    @classmethod
    def create(cls, parent: Path, name: str, config: dict[str, Any]) -> "RunFolder":
        """Make a new folder `name-N` below `parent` with the first free number N, and store `config` in it."""
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = parent / f"{name}-{number}"
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
        return cls.at(path, config)

    @classmethod
    def at(cls, path: Path, config: dict[str, Any]) -> "RunFolder":
        """Make the folder `path` if there is none, and store `config` in it."""
        path.mkdir(parents=True, exist_ok=True)
        write_atomically(path / CONFIG_FILE, f"{yaml.safe_dump(config, sort_keys=False)}{_LAST_LINE}\n")
        return cls(path)

    @classmethod
    def existing(cls, path: Path) -> "RunFolder":
        """Open the folder of an earlier run.

        Raises:
            ConfigError: The folder is none of a run.
        """
        if not (path / CONFIG_FILE).is_file():
            raise ConfigError(
                f"{path} is no folder of a run (it has no {CONFIG_FILE}); name one below the output folder"
            )
        return cls(path)

    def config(self) -> dict[str, Any]:
        """Return the settings the run was started with.

        Raises:
            ConfigError: Their file is damaged.
        """
        path = self.path / CONFIG_FILE
        values = read_yaml(path)
        if path.read_text(encoding="utf-8").rstrip().rpartition("\n")[2] != _LAST_LINE:
            raise ConfigError(
                f"{path} is cut off: bring it back from a copy; if it is whole all the same, its last line must be "
                f"{_LAST_LINE!r}"
            )
        return values

    def has_begun(self) -> bool:
        """Tell whether there is anything to resume."""
        return (self.path / STATE_FILE).is_file() or bool(self._checkpoints())

    def state(self) -> RunState | None:
        """Return where the run stands, or None if it never got to train.

        Raises:
            ConfigError: Its file is damaged, or missing beside checkpoints.
        """
        path = self.path / STATE_FILE
        if path.is_file():
            return _read_state(path)
        checkpoints = self._checkpoints()
        if checkpoints:
            raise ConfigError(
                f"{path} is missing: bring it back from a copy, or take the one that the newest checkpoint keeps, "
                f"{checkpoints[0] / STATE_FILE}"
            )
        return None

    def restorable(self, warn: Callable[[str], None]) -> RunState | None:
        """Return the newest state whose checkpoint is whole, or None if the run never got to train.

        Args:
            warn: Told in one line where a damaged checkpoint makes an older one count.

        Raises:
            ConfigError: There are checkpoints, and none is whole.
        """
        state = self.state()
        if state is None or state.checkpoint is None:
            return state
        newest = self.path / state.checkpoint
        wrong = damage(newest)
        if wrong is None:
            return state
        for older in self._checkpoints():
            if older != newest and damage(older) is None:
                warn(f"the newest checkpoint is damaged ({wrong}): going on from {older.name}, the one before")
                return replace(_read_state(older / STATE_FILE), mlflow_run_id=state.mlflow_run_id)
        raise ConfigError(
            f"no checkpoint in {self.path} is whole ({wrong}): copy the folder again, or start a new run; going on "
            "would start from random weights"
        )

    def remove_if_never_started(self) -> None:
        """Delete the folder of a run that was refused before it began: there is nothing in it to resume."""
        if not self.has_begun():
            shutil.rmtree(self.path, ignore_errors=True)

    def write_state(self, state: RunState) -> None:
        """Replace the state in one step: a kill leaves the old or the new, never a part."""
        write_atomically(self.path / STATE_FILE, json.dumps(asdict(state)))

    def write_checkpoint(self, state: RunState, save: Callable[[Path], Any]) -> RunState:
        """Write a checkpoint with `save(folder)`, point the state at it, and only then delete old ones.

        The last `CHECKPOINTS_KEPT` stay. Each holds the state that belongs to it and checksums of all its files.

        Returns:
            The state as written.

        Raises:
            OSError: It could not be written; the checkpoint before still counts, and nothing half-written stays.
        """
        name = f"checkpoint-{state.env_steps:09d}"
        target = self.path / name
        partial = self.path / f".{name}.partial"
        for stale in (target, partial):
            if stale.exists():
                shutil.rmtree(stale)
        written = replace(state, checkpoint=name)
        try:
            save(partial)
            (partial / STATE_FILE).write_text(json.dumps(asdict(written)))
            seal(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(target)
        flush(self.path)
        self.write_state(written)
        for old in self._checkpoints()[CHECKPOINTS_KEPT:]:
            shutil.rmtree(old)
        return written

    def _checkpoints(self) -> list[Path]:
        """Return the folders of the checkpoints, newest first."""
        return sorted(self.path.glob("checkpoint-*"), reverse=True)


def _read_state(path: Path) -> RunState:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(values) - {field.name for field in fields(RunState)}
        if unknown:
            raise KeyError(*unknown)
        state = _STATE.validate_python(values)
        if state.env_steps < 0 or not _CHECKPOINT.fullmatch(state.checkpoint or "checkpoint-0"):
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError, RecursionError, ValidationError) as error:
        raise ConfigError(
            f"{path} is damaged or of another version ({type(error).__name__}): bring it back from a copy "
            "(each checkpoint keeps one), or start a new run"
        ) from error
    return state


_STATE = TypeAdapter(RunState)
_CHECKPOINT = re.compile(r"checkpoint-\d+")
