"""The settings that a run's folder was started with."""

from pathlib import Path
from typing import Any


def run_settings(folder: Path, elsewhere: bool = False) -> dict[str, Any]:
    """Return the settings of a run from its folder.

    Args:
        folder: The run's.
        elsewhere: Whether another MLflow store than the run's own is named.

    Raises:
        ConfigError: The folder is none of a run, or the run's MLflow store was left behind.
    """
    # Imported here: what a run's folder holds besides takes seconds to import.
    from experiments.shared.run_folder import RunFolder
    from experiments.shared.tracking_store import check_still_there

    run = RunFolder.existing(folder)
    values = run.config()
    tracking = values.get("tracking")
    if run.has_begun() and not elsewhere and isinstance(tracking, dict):
        check_still_there(str(tracking.get("uri")), folder)
    return values
