"""Nothing trains on garbage: each failure of the reward ends `train()` with its own error, wherever it happens."""

import time
from functools import partial

import numpy as np
import pytest
import ray
from ray.exceptions import RayError

from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import grid_reward_model, make_grid
from vlm_rewards.errors import (
    NonFiniteRewardError,
    RewardServiceError,
    RewardServiceUnavailableError,
    VLMRewardsError,
)
from vlm_rewards.rllib import elastic, health
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.service import InProcessTransport, RewardClient, ScoreResult

TINY = GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2))
HEALTHY_REQUESTS = 40


class FailingTransport(InProcessTransport):
    """The real reward model in this process, until it has answered so many requests."""

    def __init__(self, failure, reward_model):
        super().__init__(reward_model)
        self._failure = failure
        self._answered = 0

    def score(self, frames, goal_ids, timeout_s):
        result = super().score(frames, goal_ids, timeout_s)
        self._answered += 1
        if self._answered <= HEALTHY_REQUESTS:
            return result
        return self._failure(result)


def not_finite(result):
    return ScoreResult(np.full_like(result.scores, np.nan), result.fingerprint)


def one_missing(result):
    return ScoreResult(result.scores[1:], result.fingerprint)


def another_reward(result):
    return ScoreResult(result.scores, "another")


def dead(result):
    raise RewardServiceUnavailableError("the replica died; redeploy the service")


def failing_client(failure):
    return RewardClient(FailingTransport(failure, grid_reward_model()), max_retries=2)


def build(failure=None, num_env_runners=0, make=make_grid, seed=0):
    return (
        PPOHyperparameters(train_batch_size=64, minibatch_size=32, epochs=1)
        .make_config(
            env=make,
            env_kwargs={},
            client_factory=partial(failing_client, failure),
            module=TINY,
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=4,
            seed=seed,
        )
        .build_algo()
    )


def weights_of(algorithm):
    return algorithm.learner_group.get_state()["learner"]["rl_module"]["default_policy"]


def train_until_it_fails(algorithm, errors=(RayError, VLMRewardsError)):
    """Trains to the failure; returns its cause and whether the failed iteration left the weights alone."""
    for _ in range(20):
        before = weights_of(algorithm)
        try:
            health.check(algorithm.train(), env_steps=64)
        except errors as error:
            after = weights_of(algorithm)
            return health.cause(error), all(np.array_equal(before[key], after[key]) for key in before)
    raise AssertionError("the failure never came up")


@pytest.mark.parametrize(
    ("failure", "num_env_runners", "expected", "message"),
    [
        (not_finite, 0, NonFiniteRewardError, "not finite"),
        (one_missing, 0, RewardServiceError, "answered"),
        (another_reward, 0, RewardServiceError, "fingerprint"),
        (dead, 0, RewardServiceUnavailableError, "gave up after 3 attempts"),
        (dead, 1, RewardServiceUnavailableError, "gave up after 3 attempts"),
    ],
)
def test_a_bad_reward_ends_the_run_with_its_own_error_and_no_update(
    ray_session, failure, num_env_runners, expected, message
):
    algorithm = build(failure, num_env_runners)
    try:
        error, untouched = train_until_it_fails(algorithm)
        assert isinstance(error, expected)
        assert message in str(error)
        assert "\n" not in str(error)
        assert untouched
    finally:
        algorithm.stop()


def test_a_killed_env_runner_is_replaced_and_every_step_is_counted_once(ray_session):
    algorithm = build(lambda result: result, num_env_runners=2)
    runners = elastic.runners_of(algorithm)
    said = []
    runners.say = said.append
    try:
        metrics = [health.check(algorithm.train(), env_steps=64)]
        first = runners.actors()[1]
        ray.kill(first)
        # The other one goes on alone, with more rounds for a batch.
        metrics.append(health.check(algorithm.train(), env_steps=64))
        assert runners.counts["env_runners_lost"] == 1
        assert runners.counts["fragments_dropped"] == 1
        deadline = time.monotonic() + 60
        while runners.total_num_restarts() == 0 and time.monotonic() < deadline:
            metrics.append(health.check(algorithm.train(), env_steps=64))
        metrics.append(health.check(algorithm.train(), env_steps=64))
        assert runners.counts["env_runners"] == 2
        assert runners.actors()[1] is not first
        steps = np.cumsum([each.env_steps for each in metrics])
        assert [each.env_steps_lifetime for each in metrics] == steps.tolist()
        newest = weights_of(algorithm)
        for theirs in algorithm.env_runner_group.foreach_env_runner(
            lambda runner: runner.module.get_state(), local_env_runner=False
        ):
            assert all(np.array_equal(newest[key], theirs[key]) for key in theirs)
        assert [line.partition(" (")[0].partition(" after")[0] for line in said] == [
            "env runner 1 is lost",
            "env runner 1 is back",
        ]
    finally:
        algorithm.stop()


def make_breaking_grid(**kwargs):
    env = make_grid(**kwargs)
    env.reset(seed=0)
    step = env.step
    env.steps_left = 30

    def breaking_step(action):
        env.steps_left -= 1
        if not env.steps_left:
            raise ValueError("the screen broke")
        return step(action)

    env.step = breaking_step
    return env


@pytest.mark.parametrize("num_env_runners", [0, 1])
def test_an_env_that_raises_ends_the_run_with_its_own_error(ray_session, num_env_runners):
    algorithm = build(lambda result: result, num_env_runners, make=make_breaking_grid)
    try:
        error, untouched = train_until_it_fails(algorithm, (ValueError, RayError))
        assert isinstance(error, ValueError)
        assert str(error) == "the screen broke"
        assert untouched
    finally:
        algorithm.stop()
