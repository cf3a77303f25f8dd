"""Which precision an image tower is fastest with on this machine: measured once, and kept.

What a processor announces does not tell. Some announce AMX and die of it; one with AVX-512 alone computes bf16 slower
than fp32, the next one at twice its rate. So each precision is timed in a process of its own. Only precisions whose
rewards were found to agree with fp32's are tried: see `proof.agreement`.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vlm_rewards.encoders.user_cache import user_cache, write_whole

_LOG = logging.getLogger(__name__)

# A less faithful precision has to save this share of the time; it also keeps noise from deciding.
_GAIN = 0.1
_TIMING_SECONDS = 0.3
_TRIAL_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 100.0

# The program of a trial. Not imported: it needs OpenVINO, and this module is there without.
_TRIAL = Path(__file__).with_name("precision_trial.py")


class TrialError(Exception):
    """A precision that could not be timed.

    Attributes:
        lasting: Whether it would fail the next time too, as a process that dies of an instruction does.
    """

    def __init__(self, reason: str, lasting: bool) -> None:
        super().__init__(reason)
        self.lasting = lasting


def fastest_precision(
    source: str, candidates: Sequence[str], made_from: Mapping[str, str], seconds_of: Callable[[str], float]
) -> str:
    """Return the precision to use on this machine.

    The first process that needs it measures, and those that start beside it wait for what it finds. The choice is kept
    in the user's cache folder and stays: it is made anew only for other weights, another release, other libraries or
    another processor. Where the folder cannot be written every process measures for itself. Never takes longer than
    some 30 seconds a candidate.

    Args:
        source: Source of the model, for the log.
        candidates: Precisions whose rewards agree, the most faithful one, `fp32`, first.
        made_from: What the choice depends on besides the candidates.
        seconds_of: Times one of them and raises `TrialError` where it cannot.
    """
    if len(candidates) == 1:
        return candidates[0]
    key = hashlib.sha256(json.dumps({**made_from, "candidates": list(candidates)}, sort_keys=True).encode())
    path = user_cache() / "precisions" / f"{key.hexdigest()}.json"
    kept = _kept(path, candidates)
    if kept:
        return kept
    with _alone(path):
        return _kept(path, candidates) or _measured(source, candidates, seconds_of, path)


def trial(graph: Path, hint: str) -> float:
    """Time an OpenVINO model in a process of its own.

    Args:
        graph: Graph of the model.
        hint: See `precision_trial`.

    Returns:
        Processor seconds a frame.

    Raises:
        TrialError: The process died, failed, or did not end in time.
    """
    program = _TRIAL.read_text(encoding="utf-8")
    command = [sys.executable, "-c", program, str(graph), hint, str(_TIMING_SECONDS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TRIAL_TIMEOUT_S, check=False)
        if done.returncode < 0:
            raise TrialError(f"the processor ends the process (signal {-done.returncode})", lasting=True)
        return float(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise TrialError(f"no result after {_TRIAL_TIMEOUT_S:.0f} s", lasting=False) from error
    except OSError as error:
        raise TrialError(f"no process can be started ({error})", lasting=False) from error
    except ValueError as error:
        raise TrialError((done.stderr.strip().splitlines() or ["no result"])[-1][:200], lasting=True) from error


def _measured(source: str, candidates: Sequence[str], seconds_of: Callable[[str], float], path: Path) -> str:
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    lasting = True
    for candidate in candidates:
        try:
            seconds[candidate] = seconds_of(candidate)
        except TrialError as error:
            failed[candidate] = str(error)
            lasting = lasting and error.lasting
            if candidate == candidates[0]:
                break  # there is nothing to compare the others with
    best = candidates[0]
    for candidate in candidates[1:]:
        if candidate in seconds and seconds[candidate] < (1 - _GAIN) * seconds[best]:
            best = candidate
    if candidates[0] not in seconds:
        _LOG.warning("precision 'auto' of %s is %s: measuring failed (%s)", source, best, failed[best])
        return best
    times = ", ".join(f"{name} {1000 * value:.3g} ms" for name, value in seconds.items())
    losers = "".join(f"; {name} failed: {reason}" for name, reason in failed.items())
    _LOG.info("precision 'auto' of %s is %s: %s of one core an image%s", source, best, times, losers)
    if not lasting:
        return best  # a machine that was too busy once shall not be slow for ever
    try:
        write_whole(
            path, json.dumps({"precision": best, "seconds": seconds, "failed": failed}).encode(), keep_first=True
        )
    except OSError as error:
        _LOG.warning("the choice of precision %s cannot be kept in %s (%s)", best, path.parent, error)
        return best
    return _kept(path, candidates) or best


def _kept(path: Path, candidates: Sequence[str]) -> str | None:
    try:
        precision = json.loads(path.read_bytes())["precision"]
        return candidates[list(candidates).index(precision)]
    except OSError:
        return None
    except (ValueError, KeyError, TypeError):  # damaged
        with contextlib.suppress(OSError):
            path.unlink()
        return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that processes share, or go on without it: where it cannot be had, or is held for too long."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = stack.enter_context(open(path.with_suffix(".lock"), "wb"))
            end = time.monotonic() + _LOCK_TIMEOUT_S
            while time.monotonic() < end:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.1)
        yield
