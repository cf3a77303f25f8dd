"""What the connector keeps for hindsight and the eye: scores for all training goals, and embeddings."""

import gymnasium as gym
import numpy as np
import pytest

from rllib_configs.dqn import DQNHyperparameters
from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS, ColouredGridEnv, grid_reward_model, make_grid
from tests.vlm_rewards.rllib.runners import TINY, Recording, agreeing_client, equations_1_and_2, runner_of
from vlm_rewards.errors import ConfigError
from vlm_rewards.heads.forms import Probability
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.rllib.eye import Eye
from vlm_rewards.rllib.metrics import METRICS_KEY
from vlm_rewards.rllib.training_goals import ACHIEVED, EMBEDDING, TrainingGoals
from vlm_rewards.service import InProcessTransport, RewardClient

GOALS = TrainingGoals.of(TASKS)
CAPTIONED = GOALS.captioned(TASKS, "D", None, ENCODER)
HINDSIGHT = {"hyperparameters": DQNHyperparameters(hindsight={}), "goals": GOALS}
EYE = {"module": TINY.model_copy(update={"eye": Eye()}), "goals": CAPTIONED}


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
