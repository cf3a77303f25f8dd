"""How the commands end: one line where something is wrong, an exit status that says which kind, and signals obeyed.

| status | means |
|---|---|
| 0 | done |
| 1 | something failed |
| 2 | what was asked for cannot be done |
| 130 | interrupted from the keyboard |
| 143 | stopped by SIGTERM |
"""

import errno
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from vlm_rewards.cli.error_line import say_error
from vlm_rewards.errors import ConfigError, VLMRewardsError

if TYPE_CHECKING:
    from vlm_rewards.service.served_by import ServedByKind


# Signals that have stopped a command of this process.
_FIRED: list[int] = []


class Terminated(SystemExit):
    """SIGTERM has come: what is written stands, and MLflow is told."""

    def __str__(self) -> str:
        return "stopped by SIGTERM"


@contextmanager
def clear_errors(again: str | Callable[[], str]) -> Iterator[None]:
    """Turn what can go wrong into one line and an exit status.

    Args:
        again: How to continue after an interruption; a function where that is known only then.
    """
    known = _open_runs()
    try:
        try:
            with named_signals():
                yield
        except BaseException as error:
            # A `with` block has closed its own; this is for what comes between a run's start and that.
            for run in _open_runs() - known:
                run.__exit__(type(error), error, None)
            raise
    except ConfigError as error:
        _fail(error, 2)
    except VLMRewardsError as error:
        _fail(error, 1)
    except OSError as error:
        line = _os_error(error, _text(again))
        if line is None:
            raise
        _fail(line, 1)
    except KeyboardInterrupt:
        _fail(f"interrupted; {_text(again)}", 130)
    except Terminated as error:
        _fail(f"{error}; {_text(again)}", 128 + signal.SIGTERM)


def _open_runs() -> set[Any]:
    """Return the MLflow runs that are open; none where MLflow's room was never entered, which takes seconds."""
    room = sys.modules.get("vlm_rewards.tracking.mlflow_run")
    return room.open_runs() if room is not None else set()


def runs_begun() -> list[str]:
    """Return a line for each MLflow run that this process has begun, which says how to open it."""
    room = sys.modules.get("vlm_rewards.tracking.mlflow_run")
    return room.begun_runs() if room is not None else []


@contextmanager
def sigterm_stops() -> Iterator[None]:
    """Let SIGTERM end a command as an interrupt does, for the duration."""
    before = signal.getsignal(signal.SIGTERM)
    stop_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def named_signals() -> Iterator[None]:
    """Give a `Terminated` its name back: Ray, where it waits, turns what a handler raises into SystemExit(1)."""
    fired = len(_FIRED)
    try:
        yield
    except SystemExit as error:
        if len(_FIRED) > fired and not isinstance(error, Terminated):
            raise Terminated(128 + _FIRED[-1]) from error
        raise


def stop_on_sigterm() -> None:
    """Let SIGTERM raise `Terminated` in this process; Ray puts a handler of its own in the place when it starts."""
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


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _FIRED.append(number)
    raise Terminated(128 + number)


def _os_error(error: OSError, again: str) -> str | None:
    """Return one line for what disks and folders do; None for an error that is no disk's."""
    if error.errno == errno.ENOSPC:
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}: free some space and {again}"
    if error.errno == errno.EDQUOT:
        return f"the disk's quota is used up: free some space and {again}"
    if error.filename is None or isinstance(error, ConnectionError | TimeoutError):
        return None
    return f"{error.filename}: {error.strerror}; check the path and who may write there, and {again}"


def _text(again: str | Callable[[], str]) -> str:
    return again if isinstance(again, str) else again()


def _fail(error: Any, code: int) -> NoReturn:
    text = str(error)
    if "://" in text:  # an address, which may hold a password
        from vlm_rewards.credentials import hide_passwords

        text = hide_passwords(text)
    say_error(text)
    sys.stdout.flush()
    raise typer.Exit(code)
