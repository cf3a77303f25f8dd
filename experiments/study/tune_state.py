"""What Tune keeps of a study, looked at before it is trusted: Tune begins a study anew where it cannot read it."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution import tune_controller

from vlm_rewards.errors import ConfigError

# What Tune logs where the state of an experiment cannot be read.
_NOT_RESTORED = "Failed to restore the run state."


def restored(path: str, trainable: Any) -> tune.Tuner | None:
    """Return the tuner of a study that was cut off; None where none has begun.

    Tune's files are pickled: they run code as they are read.

    Args:
        path: The folder, or its address, in the study's storage.
        trainable: What a trial does.

    Raises:
        ConfigError: The folder is damaged.
    """
    folder = Path(path)
    if tune.Tuner.can_restore(path):
        if folder.is_dir() and not _trials_can_be_read(folder):
            raise _damaged(path, "the state of its trials cannot be read")
        try:
            return tune.Tuner.restore(path, trainable=trainable, resume_unfinished=True, resume_errored=True)
        except Exception as error:  # whatever a damaged pickle raises
            raise _damaged(path, type(error).__name__) from error
    if folder.is_dir() and any(folder.iterdir()):
        # Tune would begin all trials anew.
        raise _damaged(path, "tuner.pkl is missing")
    return None


@contextmanager
def taking_up_trials(path: str) -> Iterator[None]:
    """Stop where Tune cannot take up its trials: it would log a traceback and begin all of them anew.

    Args:
        path: As for `restored`.

    Raises:
        ConfigError: It cannot.
    """

    def stop(record: logging.LogRecord) -> bool:
        if record.getMessage() == _NOT_RESTORED:
            error = record.exc_info[1] if record.exc_info else None
            raise _damaged(path, type(error).__name__) from error
        return True

    log = logging.getLogger(tune_controller.__name__)
    level = log.level
    log.setLevel(logging.ERROR)  # however quiet those above it are
    log.addFilter(stop)
    try:
        yield
    finally:
        log.removeFilter(stop)
        log.setLevel(level)


def _trials_can_be_read(folder: Path) -> bool:
    """Tell whether Tune will find its trials in a folder of its own: where it does not, it takes up none of them."""
    states = sorted(folder.glob("experiment_state-*.json"))
    try:
        return bool(json.loads(states[-1].read_text(encoding="utf-8"))["trial_data"])
    except (IndexError, KeyError, TypeError, ValueError, OSError, RecursionError):
        return False


def _damaged(path: str, why: str) -> ConfigError:
    return ConfigError(
        f"what Tune knows of the study, in {path}, is damaged ({why}): bring the folder back from a copy, or "
        "delete it to begin the trials anew"
    )
