import math

import pytest
from ray.air._internal.util import skip_exceptions
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from vlm_rewards.errors import NonFiniteRewardError, RewardTimeoutError
from vlm_rewards.rllib import health
from vlm_rewards.rllib.health import UnhealthyIterationError
from vlm_rewards.rllib.metrics import METRICS_KEY, EpisodeLedger, log_episode, read_metrics


def result_of(**changes):
    """What a healthy iteration of 100 steps and 10 episodes returns, with changes by dotted key."""
    result = {
        "env_runners": {
            "num_env_steps_sampled": 100,
            "num_env_steps_sampled_lifetime": 300,
            METRICS_KEY: {
                "rewarded_steps": 100,
                "scored_steps": 100,
                "score_sum": 30.0,
                "episodes": 10,
                "episode_steps": 80,
                "reward_return_sum": 6.0,
                "successes": 5,
                "env_return_sum": 5.0,
                "reward_successes": 6,
                "true_reward_successes": 4,
                "missed_successes": 1,
                "requests": 13,
                "retries": 2,
                "request_latencies_s": [0.1, 0.2, 0.3],
            },
        },
        "learners": {"__all_modules__": {"steps": 100}, "default_policy": {"total_loss": 0.5, "policy_loss": 0.1}},
        "fault_tolerance": {"num_healthy_workers": 2, "num_remote_worker_restarts": 0},
    }
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place[parent]
        place[last] = value
    return result


def test_metrics_are_the_sums_divided():
    metrics = health.check(result_of(), env_steps=100, env_runners=2)
    assert metrics == read_metrics(result_of())
    assert (metrics.env_steps, metrics.env_steps_lifetime, metrics.rewarded_steps) == (100, 300, 100)
    assert (metrics.episodes, metrics.episode_length) == (10, 8.0)
    assert (metrics.reward_return, metrics.success_rate) == (0.6, 0.5)
    assert metrics.online_precision == pytest.approx(4 / 6)
    assert (metrics.reward_successes, metrics.true_reward_successes, metrics.missed_successes) == (6, 4, 1)
    assert metrics.score == pytest.approx(0.3)
    assert (metrics.requests, metrics.retries) == (13, 2)
    assert metrics.request_latency_p50_s == pytest.approx(0.2)
    assert metrics.request_latency_p95_s == pytest.approx(0.29)


# RLlib's sum over nothing: the key stays once some iteration had an episode.
NOTHING = dict.fromkeys(("episodes", "episode_steps", "reward_return_sum", "reward_successes", "successes"), math.nan)


@pytest.mark.parametrize("without_episodes", [{}, NOTHING])
def test_an_iteration_in_which_no_episode_ended_is_healthy_and_has_no_means(without_episodes):
    empty = {"rewarded_steps": 100, "scored_steps": 100, "score_sum": 30.0, "requests": 13, "retries": 0}
    metrics = health.check(result_of(**{f"env_runners.{METRICS_KEY}": empty | without_episodes}), env_steps=100)
    assert metrics.episodes == 0
    assert metrics.reward_return is None
    assert metrics.online_precision is None
    assert "reward_return" not in metrics.to_dict()
    assert metrics.to_dict()["requests"] == 13


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"env_runners": {}}, UnhealthyIterationError, "without any samples"),
        ({"env_runners.num_env_steps_sampled": 60}, UnhealthyIterationError, "60 steps where 100"),
        ({"fault_tolerance.num_healthy_workers": 1}, UnhealthyIterationError, "1 of 2 env runners"),
        ({"fault_tolerance.num_remote_worker_restarts": 1}, UnhealthyIterationError, "restarted"),
        ({f"env_runners.{METRICS_KEY}.rewarded_steps": 99}, NonFiniteRewardError, "1 of 100 steps got no reward"),
        ({f"env_runners.{METRICS_KEY}": {}}, NonFiniteRewardError, "100 of 100 steps got no reward"),
        ({f"env_runners.{METRICS_KEY}.reward_return_sum": math.nan}, NonFiniteRewardError, "reward_return is nan"),
        ({f"env_runners.{METRICS_KEY}.score_sum": math.inf}, NonFiniteRewardError, "score is inf"),
        ({"learners": {}}, UnhealthyIterationError, "without a learner update"),
        ({"learners.default_policy.total_loss": math.nan}, UnhealthyIterationError, "total_loss of default_policy"),
    ],
)
def test_each_sign_of_trouble_is_a_typed_error_of_one_line(changes, error, message):
    with pytest.raises(error, match=message) as raised:
        health.check(result_of(**changes), env_steps=100, env_runners=2)
    assert "\n" not in str(raised.value)


def test_only_an_asynchronous_algorithm_may_go_an_iteration_without_an_update():
    metrics = health.check(result_of(learners={}), env_steps=100, env_runners=2, learner_may_lag=True)
    assert metrics.env_steps == 100
    for changes, error in (
        ({"learners.default_policy.total_loss": math.nan}, UnhealthyIterationError),
        ({"env_runners.num_env_steps_sampled": 60}, UnhealthyIterationError),
        ({f"env_runners.{METRICS_KEY}.rewarded_steps": 99}, NonFiniteRewardError),
    ):
        with pytest.raises(error):
            health.check(result_of(**changes), env_steps=100, env_runners=2, learner_may_lag=True)


def test_the_cause_of_a_remote_error_is_the_error_itself():
    own = RewardTimeoutError("no answer in 20 s; is the service overloaded?")
    wrapped = RayTaskError("sample", "a long traceback", own).as_instanceof_cause()
    assert isinstance(wrapped, RewardTimeoutError)
    assert health.cause(wrapped) is own
    assert health.cause(own) is own


@pytest.mark.parametrize("lost", [False, True])
def test_an_error_is_never_its_own_cause(lost):
    own = RewardTimeoutError("no answer in 20 s")
    error = ActorDiedError() if lost else RayTaskError("sample", "a long traceback", own).as_instanceof_cause()

    def learn():
        try:
            raise error
        except RayError as caught:
            health.raise_cause(caught)

    with pytest.raises(type(error if lost else own)) as raised:
        learn()
    assert raised.value is (error if lost else own)
    # Tune follows the causes to their end.
    assert skip_exceptions(raised.value) is not None


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        (EpisodeLedger("a", succeeded=True, is_success=True, goal_achieved=True), (1, 1, 0)),
        (EpisodeLedger("a", succeeded=True, is_success=True, goal_achieved=False), (1, 0, 0)),
        (EpisodeLedger("a", reward_return=7.5, is_success=True, goal_achieved=True), (0, 0, 1)),
        (EpisodeLedger("a", reward_return=7.5), (0, 0, 0)),
    ],
)
def test_a_success_is_true_only_if_the_goal_holds_in_the_rewarded_state(ledger, expected):
    from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

    logger = MetricsLogger(root=False)
    log_episode(logger, ledger)
    counted = logger.peek(METRICS_KEY)
    names = ("reward_successes", "true_reward_successes", "missed_successes")
    assert tuple(int(counted[name]) for name in names) == expected
