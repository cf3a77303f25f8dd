"""The connector inside RLlib's real env runner, with the real reward model and client in one process."""

import math
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from rllib_configs.dqn import DQNHyperparameters
from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import (
    ENCODER,
    TASKS,
    ColouredGridEnv,
    grid_client,
    grid_reward_model,
    make_grid,
)
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.heads.forms import Probability
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.rllib.connector import RewardConnector
from vlm_rewards.rllib.env_runner import RewardEnvRunner
from vlm_rewards.rllib.eye import Eye
from vlm_rewards.rllib.metrics import METRICS_KEY, read_metrics
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import ACHIEVED, EMBEDDING, TrainingGoals
from vlm_rewards.service import InProcessTransport, RewardClient

TINY = GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2))
GOALS = TrainingGoals.of(TASKS)
CAPTIONED = GOALS.captioned(TASKS, "D", None, ENCODER)


def runner_of(
    seed=0,
    client_factory=grid_client,
    recorder=None,
    num_envs=6,
    make=make_grid,
    hyperparameters=PPOHyperparameters(),  # noqa: B008 for it is frozen
    module=TINY,
    goals=None,
    **env_kwargs,
):
    config = hyperparameters.make_config(
        env=make,
        env_kwargs=env_kwargs,
        client_factory=client_factory,
        recorder=recorder,
        module=module,
        goals=goals,
        num_envs_per_env_runner=num_envs,
        seed=seed,
    )
    return RewardEnvRunner(config=config, worker_index=0)


class Recording:
    """Keeps what the recorder hook is given, and what the episodes say at that moment."""

    def __init__(self):
        self.frames, self.goals, self.scores, self.rewards = [], [], [], []
        self.where, self.terminated, self.truncated = [], [], []
        self.ended = []

    def __call__(self, step):
        self.frames.extend(step.frames)
        self.goals.extend(step.goal_ids)
        self.scores.extend(step.scores)
        self.rewards.extend(step.rewards)
        for episode in step.episodes:
            self.where.append((episode.id_, episode.t))
            self.terminated.append(episode.is_terminated)
            self.truncated.append(episode.is_truncated)
            if episode.is_done:
                self.ended.append(episode.custom_data[METRICS_KEY])


def equations_1_and_2(frames, goal_ids, tau, beta):
    """p and r by the letter of the paper, one frame at a time, sharing no code with the library's head."""
    texts = {goal.id: ENCODER.embed_texts([f"Screenshot of {goal.subject} on Android"])[0] for goal in TASKS.goals}
    floor = ENCODER.embed_texts(["bare floor"])[0]
    images = ENCODER.embed_images(np.stack(frames))
    probabilities, rewards = [], []
    for image, goal_id in zip(images, goal_ids, strict=True):
        weight = {
            name: math.exp(math.fsum(float(a) * float(b) for a, b in zip(image, text, strict=True)) / tau)
            for name, text in [*texts.items(), ("floor", floor)]
        }
        probabilities.append(weight[goal_id] / math.fsum(weight.values()))
        rewards.append(1.0 if probabilities[-1] > beta else 0.0)
    return np.array(probabilities), np.array(rewards)


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


def agreeing_client():
    return RewardClient(InProcessTransport(_agreeing_model()))


def _agreeing_model():
    config = grid_reward_model().config
    values = {name: getattr(config, name) for name in config.model_fields_set}
    return RewardModel(type(config)(**{**values, "head": {"agree": {"need": 2, "of": 3}}}), TASKS, encoder=ENCODER)


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


def test_hindsight_s_goals_are_achieved_where_two_of_three_states_agree_also_across_fragments(ray_session):
    recording = Recording()
    runner = runner_of(client_factory=agreeing_client, recorder=lambda step: recording(step), blind=0.5, **HINDSIGHT)
    samples = [chunk for _ in range(4) for chunk in runner.sample(num_timesteps=100)]
    runner.stop()
    frames = dict(zip(recording.where, recording.frames, strict=True))
    alone, together, seen = 0, 0, {}
    for chunk in samples:
        for step, (info, reward) in enumerate(zip(chunk.get_infos()[1:], chunk.get_rewards(), strict=True)):
            frame = frames[chunk.id_, chunk.t_started + step + 1]
            _, above = equations_1_and_2([frame] * len(GOALS), GOALS.ids, tau=0.1, beta=0.9)
            window = [*seen.get(chunk.id_, []), above][-3:]
            seen[chunk.id_] = window
            expected = np.sum(window, axis=0) >= 2
            np.testing.assert_array_equal(info[ACHIEVED], expected)
            assert reward == expected[GOALS.index(info["goal_id"])]
            alone, together = alone + int(above.sum()), together + int(expected.sum())
    assert together > 5
    assert alone > together + 5, "some were above beta once and are not achieved"


@pytest.mark.parametrize("env", [None, "not an env"])
def test_it_refuses_to_work_without_a_reward_vector_env(env):
    connector = RewardConnector(grid_client, env=env)
    with pytest.raises(ConfigError, match="RewardVectorEnv"):
        connector(rl_module=None, batch={}, episodes=[], infos=[])


def test_it_refuses_a_vector_env_of_another_size():
    connector = RewardConnector(grid_client, env=RewardVectorEnv([make_grid]))
    with pytest.raises(ConfigError, match="vector env of 1 for 2"):
        connector(rl_module=None, batch={}, episodes=[None, None], infos=[])


HINDSIGHT = {"hyperparameters": DQNHyperparameters(hindsight={}), "goals": GOALS}
EYE = {"module": TINY.model_copy(update={"eye": Eye()}), "goals": CAPTIONED}


def truth_is_never_asked(**kwargs):
    env = make_grid(**kwargs)

    def refuse():
        raise AssertionError("a learner with a reward model asked for the truth of all goals")

    env.achieved_goals = refuse
    return env


@pytest.mark.parametrize("asked", [HINDSIGHT, EYE, {**EYE, **HINDSIGHT, "goals": CAPTIONED}])
def test_one_embedding_s_scores_for_all_training_goals_and_nothing_of_the_truth_reach_the_steps(ray_session, asked):
    recording = Recording()
    runner = runner_of(
        recorder=lambda step: recording(step), make=truth_is_never_asked, client_factory=training_goals_only, **asked
    )
    samples = runner.sample(num_timesteps=300)
    runner.stop()
    keys = {"goal_id"}
    keys |= {ACHIEVED} if "hyperparameters" in asked else set()
    keys |= {EMBEDDING} if "module" in asked else set()
    frames = dict(zip(recording.where, recording.frames, strict=True))
    hits = 0
    for chunk in samples:
        assert METRICS_KEY not in chunk.custom_data
        for step, (info, reward) in enumerate(zip(chunk.get_infos()[1:], chunk.get_rewards(), strict=True)):
            assert set(info) == keys
            frame = frames[chunk.id_, chunk.t_started + step + 1]
            if ACHIEVED in keys:
                _, expected = equations_1_and_2([frame] * len(GOALS), GOALS.ids, tau=0.1, beta=0.9)
                np.testing.assert_array_equal(info[ACHIEVED], expected > 0)
                assert reward == expected[GOALS.index(info["goal_id"])]
                hits += int(info[ACHIEVED].sum() - reward)
            if EMBEDDING in keys:
                np.testing.assert_allclose(info[EMBEDDING], ENCODER.embed_images(frame[None])[0], rtol=1e-6)
    assert hits > 0 or ACHIEVED not in keys, "other goals than the episode's own are met on the way"


class TrainingGoalsOnly(InProcessTransport):
    """Refuses to score what no training goal is."""

    def score_all(self, frames, goal_ids, timeout_s):
        assert tuple(goal_ids) == GOALS.ids
        return super().score_all(frames, goal_ids, timeout_s)


def training_goals_only():
    return RewardClient(TrainingGoalsOnly(grid_reward_model()))


def test_hindsight_with_a_reward_that_cannot_score_the_other_goals_is_refused(ray_session):
    def fewer_goals():
        tasks = TASKS.model_copy(update={"goals": TASKS.goals[:2]})
        config = grid_reward_model().config
        return RewardClient(InProcessTransport(RewardModel(config, tasks, encoder=ENCODER)))

    def dense():
        config = grid_reward_model().config.model_copy(update={"head": Probability()})
        return RewardClient(InProcessTransport(RewardModel(config, TASKS, encoder=ENCODER)))

    for client, message in ((fewer_goals, "cannot score 2 of the 4 training goals"), (dense, "form 'probability'")):
        runner = runner_of(client_factory=client, **HINDSIGHT)
        with pytest.raises(ConfigError, match=message):
            runner.sample(num_timesteps=20)


def test_the_true_reward_s_hindsight_asks_the_env_for_all_goals(ray_session):
    runner = runner_of(client_factory=None, **HINDSIGHT)
    samples = runner.sample(num_timesteps=200)
    runner.stop()
    seen = np.array([info[ACHIEVED] for chunk in samples for info in chunk.get_infos()[1:]])
    assert 0 < seen.sum() < len(seen)
    assert seen.sum(axis=1).max() == 1
    for chunk in samples:
        own = GOALS.index(chunk.get_infos()[-1]["goal_id"])
        np.testing.assert_array_equal([info[ACHIEVED][own] for info in chunk.get_infos()[1:]], chunk.get_rewards() > 0)

    def silent(**kwargs):
        return gym.Wrapper(type("SilentGrid", (ColouredGridEnv,), {"achieved_goals": property(_absent)})(**kwargs))

    runner = runner_of(client_factory=None, make=silent, **HINDSIGHT)
    with pytest.raises(ConfigError, match="has no achieved_goals"):
        runner.sample(num_timesteps=20)


def _absent(env):
    raise AttributeError("achieved_goals")
