"""A training that goes on from its last checkpoint by itself, where what failed may work another time."""

import time
from collections.abc import Callable
from typing import Protocol

from ray.exceptions import RayError

from experiments.shared.run_folder import RunFolder
from experiments.training.run import Training, TrainingOutcome
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.rllib import health

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


class Notices(Protocol):
    """What shows a person that something has happened."""

    def notice(self, text: str) -> None:
        """Say it, in one line."""


def execute_with_attempts(
    training: Training,
    again: Callable[[], Training],
    watcher: Notices,
    sleep: Callable[[float], None] = time.sleep,
) -> TrainingOutcome:
    """Execute a training, and begin it again from its last checkpoint where it lost what it cannot do without.

    A reward that stays away past its deadline, a learner's process or too many env runners may be back a moment later.
    What an environment raises, a reward that is not finite or settings that cannot be used are the same again: they end
    the training at once, as does an interruption.

    Args:
        training: To be executed.
        again: Makes the same training, from where its folder stands.
        watcher: Told in one line of each failure.
        sleep: Waits for so many seconds before the next attempt.

    Returns:
        The training's outcome.

    Raises:
        Exception: The last failure, when there were more than `max_failures` without a checkpoint in between; or
            another one, at once.
    """
    most, failures, reached = training.config.max_failures, 0, _steps_in(training.folder)
    while True:
        try:
            return training.execute()
        except (RayError, VLMRewardsError) as error:
            if not may_work_again(error):
                raise
            stands_at = _steps_in(training.folder)
            failures = 1 if stands_at > reached else failures + 1
            reached = stands_at
            if failures > most:
                raise
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (failures - 1))
            watcher.notice(
                f"training failed ({_one_line(error)}): it goes on from {stands_at:,} steps in {pause:.0f} s, "
                f"failure {failures} of {most} in a row that it may have"
            )
        sleep(pause)
        training = again()


def may_work_again(error: BaseException) -> bool:
    """Tell whether a failure is of what runs the training, and not of the training itself."""
    if isinstance(error, VLMRewardsError):
        return error.retryable
    # What a task raised is the task's own; the rest is Ray's word that a process or a node is gone.
    return isinstance(error, RayError) and health.cause(error) is error


def _steps_in(folder: RunFolder) -> int:
    state = folder.state()
    return 0 if state is None or state.checkpoint is None else state.env_steps


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else ""
    return f"{type(error).__name__}: {first}"[:300] if isinstance(error, RayError) else first
