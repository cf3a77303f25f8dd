"""The connector inside RLlib's real env runner, with the real reward model and client in one process."""

from functools import partial

import numpy as np
import pytest

from tests.vlm_rewards.environment.grid_env import (
    ENCODER,
    TASKS,
    grid_client,
    grid_reward_model,
    make_grid,
)
from tests.vlm_rewards.rllib.runners import Recording, agreeing_client, equations_1_and_2, runner_of
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.rllib.connector import RewardConnector
from vlm_rewards.rllib.metrics import METRICS_KEY, read_metrics
from vlm_rewards.service import InProcessTransport, RewardClient


@pytest.fixture(scope="module")
def recorded(ray_session):
    """More than 1,000 rewarded steps in fragments that cut episodes, and the samples that the learner would get."""
    recording = Recording()
    # RLlib deep-copies its config: a function survives that as itself, an object would not.
    runner = runner_of(recorder=lambda step: recording(step), blind=0.5)
    samples, metrics = [], []
    for _ in range(6):
        samples.extend(runner.sample(num_timesteps=200))
        metrics.append(read_metrics({"env_runners": _compiled(runner.get_metrics())}))
    runner.stop()
    return recording, samples, metrics


def _compiled(stats):
    from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

    logger = MetricsLogger(root=True)
    logger.aggregate([stats], key="env_runners")
    return logger.compile()["env_runners"]


def test_recorded_rewards_equal_an_independent_computation_of_equations_1_and_2(recorded):
    recording, _, _ = recorded
    assert len(recording.rewards) >= 1000
    assert sum(recording.terminated) > 20
    assert sum(recording.truncated) > 20
    probabilities, rewards = equations_1_and_2(recording.frames, recording.goals, tau=0.1, beta=0.9)
    assert np.count_nonzero(rewards != np.array(recording.rewards)) == 0
    np.testing.assert_allclose(probabilities, recording.scores, atol=1e-6)
    assert 0 < rewards.sum() < len(rewards)


def test_the_samples_for_the_learner_hold_exactly_the_recorded_rewards(recorded):
    recording, samples, _ = recorded
    written = dict(zip(recording.where, recording.rewards, strict=True))
    sampled = {}
    for chunk in samples:
        rewards = chunk.get_rewards()
        assert rewards.dtype == np.float32
        sampled.update({(chunk.id_, chunk.t_started + i + 1): reward for i, reward in enumerate(rewards)})
    assert sampled == written


def test_an_episode_ends_with_its_first_reward_or_by_timeout(recorded):
    _, samples, _ = recorded
    ended = [chunk for chunk in samples if chunk.is_done]
    for chunk in ended:
        assert chunk.is_terminated == (chunk.get_rewards()[-1] == 1)
        assert chunk.is_terminated or chunk.t == 8
    for chunk in samples:
        assert not chunk.get_rewards()[: -1 if chunk.is_terminated else None].any()
    assert any(chunk.is_terminated and chunk.is_truncated for chunk in ended), "a final frame may still succeed"


def test_every_new_episode_starts_from_a_reset_and_keeps_one_goal(recorded):
    recording, _, _ = recorded
    goals, steps = {}, {}
    for (episode, t), goal in zip(recording.where, recording.goals, strict=True):
        assert goals.setdefault(episode, goal) == goal
        assert t == steps.get(episode, 0) + 1
        steps[episode] = t


def test_metrics_are_exact_sums_over_the_episodes_of_each_iteration(recorded):
    recording, samples, metrics = recorded
    ended = recording.ended
    assert sum(m.episodes for m in metrics) == len(ended) == sum(chunk.is_done for chunk in samples)
    start = 0
    for m in metrics:
        part = ended[start : start + m.episodes]
        start += m.episodes
        rewarded = [ledger for ledger in part if ledger.reward_return > 0]
        assert m.reward_return == pytest.approx(np.mean([ledger.reward_return for ledger in part]))
        assert m.success_rate == pytest.approx(np.mean([ledger.is_success for ledger in part]))
        assert m.episode_length == pytest.approx(np.mean([ledger.steps for ledger in part]))
        assert m.reward_successes == len(rewarded)
        assert m.true_reward_successes == sum(ledger.goal_achieved for ledger in rewarded)
        assert m.online_precision == pytest.approx(m.true_reward_successes / m.reward_successes)
        assert m.missed_successes == sum(ledger.is_success and ledger.reward_return == 0 for ledger in part)
        assert m.env_steps == m.rewarded_steps >= 200
        assert 0 < m.request_latency_p50_s <= m.request_latency_p95_s
    assert sum(m.rewarded_steps for m in metrics) == len(recording.rewards)
    total = sum(m.score * m.rewarded_steps for m in metrics)
    assert total == pytest.approx(float(np.sum(recording.scores)), rel=1e-6)
    assert sum(m.true_reward_successes for m in metrics) < sum(m.reward_successes for m in metrics)
    assert sum(m.missed_successes for m in metrics) > 0


def test_nothing_that_leaves_the_runner_knows_the_ground_truth(recorded):
    _, samples, _ = recorded
    for chunk in samples:
        assert METRICS_KEY not in chunk.custom_data
        for info in chunk.get_infos():
            assert set(info) <= {"goal_id"}


def test_the_ledger_keeps_the_env_s_own_reward_apart(recorded):
    recording, _, _ = recorded
    assert any(ledger.env_return != ledger.reward_return for ledger in recording.ended)
    for ledger in recording.ended:
        assert ledger.env_return == float(ledger.is_success)
        assert len(ledger.scores) == ledger.steps


def test_one_vector_step_is_one_request_without_the_sub_environments_just_reset(ray_session):
    calls = []

    class Counting(InProcessTransport):
        def score(self, frames, goal_ids, timeout_s):
            calls.append(len(frames))
            return super().score(frames, goal_ids, timeout_s)

    runner = runner_of(client_factory=lambda: RewardClient(Counting(grid_reward_model())), max_episode_steps=3)
    runner.sample(num_timesteps=300)
    metrics = read_metrics({"env_runners": _compiled(runner.get_metrics())})
    runner.stop()
    assert sum(calls) == metrics.rewarded_steps == metrics.env_steps
    assert len(calls) == metrics.requests
    # The reward ends some episodes before their third step: from then on not all are reset in the same vector step.
    assert min(calls) < 6
    assert 0 not in calls


@pytest.mark.parametrize("hidden", ["is_success", "goal_achieved"])
def test_an_env_that_hides_its_ground_truth_is_refused(ray_session, hidden):
    runner = runner_of(make=partial(make_hiding_grid, hidden))
    with pytest.raises(ConfigError, match=hidden):
        runner.sample(num_timesteps=20)


def make_hiding_grid(hidden, **kwargs):
    env = make_grid(**kwargs)
    shown = env._info
    env._info = lambda: {key: value for key, value in shown().items() if key != hidden}
    return env


def test_an_env_that_ends_episodes_by_its_ground_truth_is_refused(ray_session):
    runner = runner_of(make=lambda terminate_on_success: make_grid(terminate_on_success=True))
    with pytest.raises(ConfigError, match="terminate_on_success=False"):
        runner.sample(num_timesteps=500)


def test_a_reward_that_is_redeployed_under_the_run_is_refused(ray_session):
    class Redeployed(InProcessTransport):
        calls = 0

        def score(self, frames, goal_ids, timeout_s):
            self.calls += 1
            if self.calls == 1:
                other = grid_reward_model()
                config = type(other.config)(model="fake", negatives=other.config.negatives, tau=0.2, beta=0.9)
                self.__init__(RewardModel(config, TASKS, encoder=ENCODER))
            return super().score(frames, goal_ids, timeout_s)

    runner = runner_of(client_factory=lambda: RewardClient(Redeployed(grid_reward_model())))
    with pytest.raises(RewardServiceError, match="redeployed"):
        runner.sample(num_timesteps=20)


def test_a_reward_that_waits_until_states_agree_pays_at_the_second_of_three_also_across_fragments(ray_session):
    recording = Recording()
    runner = runner_of(client_factory=agreeing_client, recorder=lambda step: recording(step), blind=0.5)
    for _ in range(4):
        runner.sample(num_timesteps=100)
    runner.stop()
    beta, seen, paid = np.float32(grid_reward_model().config.beta), {}, 0
    for (episode, _), score, reward, ended in zip(
        recording.where, recording.scores, recording.rewards, recording.terminated, strict=True
    ):
        window = [*seen.get(episode, []), score][-3:]
        seen[episode] = window
        assert reward == float(sum(one > beta for one in window) >= 2)
        assert ended == (reward > 0)
        paid += reward
    assert paid > 5
    assert sum(score > beta for score in recording.scores) > paid + 5, "some were above beta once and were not paid"


@pytest.mark.parametrize("env", [None, "not an env"])
def test_it_refuses_to_work_without_a_reward_vector_env(env):
    connector = RewardConnector(grid_client, env=env)
    with pytest.raises(ConfigError, match="RewardVectorEnv"):
        connector(rl_module=None, batch={}, episodes=[], infos=[])


def test_it_refuses_a_vector_env_of_another_size():
    connector = RewardConnector(grid_client, env=RewardVectorEnv([make_grid]))
    with pytest.raises(ConfigError, match="vector env of 1 for 2"):
        connector(rl_module=None, batch={}, episodes=[None, None], infos=[])
