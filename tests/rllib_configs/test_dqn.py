"""Double DQN as a user runs it: determinism, no leak of the truth, resuming, and learning on the tiny grid."""

from functools import partial

import numpy as np
import pytest

from rllib_configs.dqn import DQNHyperparameters
from rllib_configs.impala import IMPALAHyperparameters
from rllib_configs.ppo import PPOHyperparameters
from tests.rllib_configs.grid_training import (
    GOALS,
    QUICK_REPLAY,
    SEEING,
    SMALL,
    assert_resumes,
    grid_config,
    same,
    trained,
)
from tests.vlm_rewards.environment.grid_env import make_grid, make_scrambled_grid
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.rllib import health
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.replay_settings import Hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import TrainingGoals

QUICK = DQNHyperparameters(exploration_steps=200, **QUICK_REPLAY)


config_of = partial(grid_config, hyperparameters=QUICK)


def test_one_seed_gives_one_result_bit_by_bit_and_scrambling_the_truth_changes_no_weight(build):
    algorithm = build()
    untrained = {key: np.array(value) for key, value in trained(algorithm, 0)[1].items()}
    metrics, weights = trained(algorithm, 2)
    # The scrambled twin is the second run of the seed: equal only if runs repeat and the truth plays no part.
    scrambled, blind_weights = trained(build(make=make_scrambled_grid), 2)
    assert same(weights, blind_weights)
    hidden = ("success_rate", "env_return", "online_precision", "true_reward_successes", "missed_successes")
    assert [{k: v for k, v in each.items() if k not in hidden} for each in metrics] == [
        {k: v for k, v in each.items() if k not in hidden} for each in scrambled
    ]
    assert [m["success_rate"] for m in scrambled] != [m["success_rate"] for m in metrics], "it was on"
    learned = {key for key in weights if not np.array_equal(weights[key], untrained[key])}
    assert {"eye_head.weight", "policy_head.weight", "target.policy_head.weight"} <= learned


@pytest.mark.parametrize(
    "change",
    [
        {"module": SMALL},
        {"hyperparameters": QUICK.model_copy(update={"hindsight": None})},
        {"hyperparameters": QUICK.model_copy(update={"hindsight": None}), "module": SMALL, "goals": None},
    ],
)
def test_each_lever_works_alone_and_both_can_be_off(build, change):
    metrics, weights = trained(build(**change), 2)
    assert all(np.isfinite(value).all() for value in weights.values())
    assert ("eye_head.weight" in weights) == ("module" not in change)
    assert metrics[-1]["requests"] * 8 >= metrics[-1]["env_steps"]


def test_a_resumed_training_equals_one_that_went_on(build, tmp_path):
    resumed, path = assert_resumes(build, tmp_path)

    module = GoalConditionedQModule.from_checkpoint(f"{path}/learner_group/learner/rl_module/default_policy")
    observation, _ = make_grid().reset(seed=0)
    observations = {key: np.repeat(value[None], 400, axis=0) for key, value in observation.items()}
    actions = Policy(module, seed=5).act(observations)
    best = Policy(module, deterministic=True).act(observations)[0]
    # One in ten at random, a seventeenth of which are the best.
    assert (actions == best).mean() == pytest.approx(0.9 + 0.1 / 17, abs=0.05)

    (tmp_path / "checkpoint" / "replay" / "image.npy").unlink()
    with pytest.raises(CheckpointError, match=r"the replay in .* cannot be read"):
        resumed.restore_from_path(path)


def test_exploration_falls_from_all_actions_to_one_in_ten(build):
    module = build().get_module()
    assert [module.epsilon(steps) for steps in (0, 100, 200, 10**6)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_processes_of_their_own_and_the_true_reward_work_too(build):
    metrics, _ = trained(build(num_env_runners=2, num_envs_per_env_runner=4, num_learners=1), 2)
    assert metrics[-1]["episodes"] > 0
    metrics, _ = trained(build(client_factory=None, module=SMALL, goals=GOALS), 2)
    assert metrics[0]["online_precision"] == 1
    assert all(m["reward_return"] == m["success_rate"] == m["env_return"] for m in metrics)


def test_it_learns_the_grid_from_the_reward_model_alone(build):
    algorithm = build(
        hyperparameters=DQNHyperparameters(
            train_batch_size=128,
            replay_capacity=6000,
            learning_starts=200,
            exploration_steps=1500,
            report_env_steps=500,
            final_epsilon=0.02,
            n_step=3,
            target_rate=0.02,
            hindsight=Hindsight(),
            learning_rate=2e-3,
        ),
        module=GoalModuleConfig(channels=(16, 16), strides=(4, 1), goal_dim=16, hidden_dim=64, tap_grid=(4, 4)),
        env_kwargs={},
        num_envs_per_env_runner=16,
    )
    curve = [health.check(algorithm.train(), env_steps=500, learner_may_lag=True) for _ in range(12)]
    assert curve[0].success_rate < 0.6
    assert curve[-1].success_rate > 0.9, [round(m.success_rate, 2) for m in curve]
    assert curve[-1].episode_length < 3


def test_the_eye_teaches_ppo_by_the_same_seam_also_in_sequences(ray_session):
    for recurrent in (False, True):
        module = SEEING.model_copy(update={"recurrent": recurrent, "max_seq_len": 5})
        quick = PPOHyperparameters(train_batch_size=64, minibatch_size=32, epochs=1)
        algorithm = config_of(hyperparameters=quick, module=module).build_algo()
        try:
            before = algorithm.learner_group.get_state()["learner"]["rl_module"]["default_policy"]["eye_head.weight"]
            before = np.array(before)
            result = algorithm.train()
            health.check(result, env_steps=64)
            assert 0 < result["learners"]["default_policy"]["eye_loss"] < 5
            after = algorithm.learner_group.get_state()["learner"]["rl_module"]["default_policy"]["eye_head.weight"]
            assert not np.array_equal(before, after)
        finally:
            algorithm.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goals": None, "module": SMALL}, "hindsight relabels steps with other training goals, and none were given"),
        ({"goals": TrainingGoals(GOALS.ids[:1], GOALS.tokens[:1]), "module": SMALL}, "there is only 'red'"),
        ({"goals": GOALS}, "the agent's eye learns from the reward model's embeddings"),
        ({"module": SMALL.model_copy(update={"recurrent": True})}, "set agent.recurrent false"),
        ({"hyperparameters": PPOHyperparameters(), "goals": None}, "the agent's eye learns from"),
        ({"hyperparameters": IMPALAHyperparameters(), "num_env_runners": 1}, "taught by ppo, dqn and muesli"),
    ],
)
def test_what_the_levers_cannot_work_with_is_refused_before_anything_is_built(change, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**change)


def test_a_replay_larger_than_memory_is_refused_with_its_size(ray_session):
    with pytest.raises(ConfigError, match=r"the replay needs \d+\.\d\d GB"):
        config_of(hyperparameters=QUICK.model_copy(update={"replay_capacity": 10**9})).build_algo()


@pytest.mark.parametrize(
    "mistake", [{"hindsight": {"share": 2}}, {"n_step": 0}, {"target_rate": 0}, {"hindsight": {"future": -1}}]
)
def test_unusable_hyperparameters_are_refused(mistake):
    with pytest.raises(ConfigError):
        DQNHyperparameters(**mistake)
