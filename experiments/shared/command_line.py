"""What the commands share: how they start, and how they end when something is wrong."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import typer

from vlm_rewards.errors import ConfigError, VLMRewardsError


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


def ray_for(transport: str, num_cpus: float) -> Any:
    """Returns a context with Ray for `serve`, and none for `in_process`."""
    if transport == "in_process":
        return nullcontext()
    from experiments.shared.ray_session import ray_session

    return ray_session(num_cpus)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _fail(error: Any, code: int) -> None:
    typer.secho(f"error: {error}", fg="red", err=True)
    raise typer.Exit(code)
