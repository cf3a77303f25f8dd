"""A relabelling of a dataset of somebody else's: in, scored as one of ours, and out in its own form."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.datasets.foreign import bring_in, rewards_by_episode
from experiments.offline.config import RelabelConfig
from experiments.offline.relabelling import Relabelling, RelabelOutcome
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.integrations.recorded import Recording


class ForeignRelabelling:
    """What `Relabelling` is for our own datasets; it works beside the result's folder, and leaves nothing there.

    Attributes:
        run_id: MLflow's id of the run that was cut off and is continued; None for a new one.
        record: File that says what was made, once it is.
    """

    def __init__(self, config: RelabelConfig, recording: Recording, out: Path) -> None:
        """Check everything, and bring the dataset in.

        Args:
            config: The relabelling.
            recording: Its dataset.
            out: Folder of the result: new or empty.

        Raises:
            ConfigError: A folder that is taken, several families, pictures or goals that cannot be used.
            VLMRewardsError: As `Relabelling`.
        """
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out} is not empty; name a new folder")
        if len(config.data.task_sets) != 1:
            raise ConfigError(
                f"{recording.name} needs one task set, not {len(config.data.task_sets)}: "
                '--set "data.task_sets={all: NAME_OR_FILE.yaml}"'
            )
        ((family, source),) = config.data.task_sets.items()
        self._recording, self._out = recording, out
        self._frames, self._scored = (out.parent / f".{out.name}.{part}" for part in ("frames", "scores"))
        data = config.data
        bring_in(recording, self._frames, family, TaskSet.named_or_from_yaml(source), data.goals, data.goal)
        values = {name: getattr(config, name) for name in config.model_fields_set}
        inside = RelabelConfig(**{**values, "data": data.model_copy(update={"dataset": str(self._frames)})})
        if (self._scored / "manifest.json").is_file():
            shutil.rmtree(self._scored)  # cut off while it was written out; scoring again is the shorter way to be sure
        self._inside = Relabelling(inside, self._scored)
        self.run_id = self._inside.run_id
        self.record = out / recording.record

    def params(self) -> dict[str, Any]:
        """Return what decides the result, for MLflow."""
        return {**self._inside.params(), "dataset": self._recording.name, "out": str(self._out)}

    def execute(self, progress: Callable[[int, int], None], run_id: str | None = None) -> RelabelOutcome:
        """Relabel what is left, and write the result; see `Relabelling.execute`."""
        outcome = self._inside.execute(progress, run_id)
        partial = self._out.parent / f".{self._out.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        fingerprints = set(self._inside.fingerprints)
        rewards = rewards_by_episode(self._scored)
        self._recording.write(partial, self._out.name, rewards, " ".join(sorted(fingerprints)))
        partial.replace(self._out)
        for folder in (self._frames, self._scored):
            shutil.rmtree(folder)
        return outcome
