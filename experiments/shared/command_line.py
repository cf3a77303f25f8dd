"""What the commands share: how they start, and how they end when something is wrong."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from vlm_rewards.errors import ConfigError, VLMRewardsError

if TYPE_CHECKING:
    from vlm_rewards.service.served_by import ServedByKind


@contextmanager
def clear_errors(again: str) -> Iterator[None]:
    """Turns what can go wrong into one line and an exit status: 2 for what was asked, 1 for what failed.

    Args:
        again: how to continue after an interruption.
    """
    try:
        yield
    except ConfigError as error:
        _fail(error, 2)
    except VLMRewardsError as error:
        _fail(error, 1)
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        _fail(f"the disk is full ({error.filename}): free some space and {again}", 1)
    except KeyboardInterrupt:
        _fail(f"interrupted; {again}", 130)


def stop_on_sigterm() -> None:
    """Lets SIGTERM end a run as an interrupt does: what is written stands, and MLflow is told."""
    signal.signal(signal.SIGTERM, _stop)


def ray_for(served_by: "ServedByKind", beside: float = 0.0) -> Any:
    """Return a context with Ray where the way to the reward uses it, and without where it does not.

    Args:
        served_by: The way to the reward.
        beside: CPUs for what runs beside the reward's replicas.
    """
    if not served_by.uses_ray:
        return nullcontext()
    from experiments.shared.ray_session import ray_session

    return ray_session(served_by.least_cpus + beside, served_by.most_cpus + beside)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _fail(error: Any, code: int) -> None:
    typer.secho(f"error: {error}", fg="red", err=True)
    raise typer.Exit(code)
