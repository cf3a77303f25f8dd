"""The settings that a run's folder was started with."""

from pathlib import Path
from typing import Any


def run_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a run from its folder.

    Raises:
        ConfigError: The folder is none of a run.
    """
    # Imported here: what a run's folder holds besides takes seconds to import.
    from experiments.shared.run_folder import RunFolder

    return RunFolder.existing(folder).config()
