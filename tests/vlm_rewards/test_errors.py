import inspect
import pickle

import pytest

from vlm_rewards import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.VLMRewardsError)]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_travel_between_processes(kind):
    copy = pickle.loads(pickle.dumps(kind("what is wrong; what to do")))
    assert type(copy) is kind
    assert str(copy) == "what is wrong; what to do"


def test_only_failures_of_the_service_that_may_pass_are_retryable():
    retryable = {kind.__name__ for kind in KINDS if kind.retryable}
    assert retryable == {"RewardServiceUnavailableError", "RewardTimeoutError", "RewardOverloadedError"}


def test_bad_values_can_be_caught_as_value_errors():
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.InvalidFrameError, ValueError)
