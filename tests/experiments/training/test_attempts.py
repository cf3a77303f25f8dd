"""Which failures a training survives by beginning again from its last checkpoint, and how often."""

import types
from pathlib import Path

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from experiments.shared.run_folder import RunState
from experiments.training.attempts import execute_with_attempts
from vlm_rewards.errors import ConfigError, NonFiniteRewardError, RewardTimeoutError
from vlm_rewards.rllib.health import EnvRunnersLostError, UnhealthyIterationError


class Attempts:
    """Stands for a training: each attempt reaches a checkpoint, or none, and ends in an error or "done"."""

    def __init__(self, outcomes, most=2):
        self.outcomes, self.said, self.pauses, self.begun = iter(outcomes), [], [], 0
        self.config = types.SimpleNamespace(max_failures=most)
        self.folder = types.SimpleNamespace(path=Path("runs/x-1"), state=lambda: self.state)
        self.state = None

    def execute(self):
        self.begun += 1
        steps, outcome = next(self.outcomes)
        if steps:
            self.state = RunState("run", env_steps=steps, checkpoint=f"checkpoint-{steps}")
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def run(self):
        watcher = types.SimpleNamespace(notice=self.said.append)
        return execute_with_attempts(self, lambda: self, watcher, self.pauses.append)


LOST = RewardTimeoutError("no answer in 50 s; add replicas")


def test_what_may_work_again_goes_on_from_the_last_checkpoint_and_says_so_in_one_line_each():
    attempts = Attempts([(1000, LOST), (0, ActorDiedError()), (0, "done")])
    assert attempts.run() == "done"
    assert attempts.pauses == [5, 10]
    first, second = attempts.said
    assert first == (
        "training failed (no answer in 50 s; add replicas): it goes on from 1,000 steps in 5 s, "
        "failure 1 of 2 in a row that it may have"
    )
    assert "ActorDiedError: The actor died unexpectedly" in second
    assert "failure 2 of 2" in second
    assert "\n" not in second


def test_too_many_failures_in_a_row_end_it_and_a_checkpoint_in_between_forgives():
    attempts = Attempts([(0, LOST)] * 5)
    with pytest.raises(RewardTimeoutError):
        attempts.run()
    assert attempts.begun == 3
    attempts = Attempts([(steps, LOST) for steps in (1000, 2000, 3000, 4000)] + [(0, "done")], most=1)
    assert attempts.run() == "done"
    assert attempts.begun == 5
    attempts = Attempts([(0, LOST)], most=0)
    with pytest.raises(RewardTimeoutError):
        attempts.run()
    assert attempts.said == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the screen broke"),
        RayTaskError("sample", "a traceback", ValueError("the screen broke")).as_instanceof_cause(),
        ConfigError("no such goal"),
        NonFiniteRewardError("NaN"),
        UnhealthyIterationError("total_loss is nan: training diverged"),
        KeyboardInterrupt(),
    ],
)
def test_what_would_be_the_same_again_ends_it_at_once(error):
    attempts = Attempts([(1000, error), (0, "done")])
    with pytest.raises(type(error)):
        attempts.run()
    assert attempts.begun == 1


def test_env_runners_that_keep_dying_are_a_failure_that_may_pass():
    attempts = Attempts([(0, EnvRunnersLostError("env runner 1 has died 6 times")), (0, "done")])
    assert attempts.run() == "done"
