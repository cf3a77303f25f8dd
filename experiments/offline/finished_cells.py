"""Which cells of an evaluation have their run in MLflow, so that a resumed one gives none a second."""

import json
from pathlib import Path

from experiments.shared.atomic_files import write_atomically
from vlm_rewards.errors import ConfigError

_FILE = "children.json"


class FinishedCells:
    """A file in the evaluation's run folder.

    Attributes:
        path: The file; there is none before the first cell is finished.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def runs(self) -> dict[str, str]:
        """Return the id of each finished cell's MLflow run.

        Raises:
            ConfigError: The file is damaged.
        """
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(cell): str(run_id) for cell, run_id in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"{self.path} is damaged: bring it back from a copy, or delete it, and finished cells get a second run "
                "in MLflow"
            ) from error

    def add(self, cell: str, run_id: str) -> None:
        """Note that a cell is finished."""
        write_atomically(self.path, json.dumps({**self.runs(), cell: run_id}))
