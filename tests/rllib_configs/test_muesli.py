"""Muesli as a user runs it, and its loss against numpy: determinism, no leak of the truth, resuming, learning."""

from functools import partial

import numpy as np
import pytest
import torch

from rllib_configs.muesli import MuesliHyperparameters
from tests.rllib_configs.grid_training import (
    CAPTIONED,
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
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib import health
from vlm_rewards.rllib.muesli_module import MuesliModule
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.replay_settings import Hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig

QUICK = MuesliHyperparameters(window=4, unroll=3, **QUICK_REPLAY)
TAPPING = GoalModuleConfig(channels=(16, 16), strides=(4, 1), goal_dim=16, hidden_dim=64, tap_grid=(4, 4))


config_of = partial(grid_config, hyperparameters=QUICK)


def test_one_seed_gives_one_result_bit_by_bit_and_scrambling_the_truth_changes_no_weight(build):
    algorithm = build()
    untrained = {key: np.array(value) for key, value in trained(algorithm, 0)[1].items()}
    _, weights = trained(algorithm, 2)
    _, blind_weights = trained(build(make=make_scrambled_grid), 2)
    assert same(weights, blind_weights)
    learned = {key for key in weights if not np.array_equal(weights[key], untrained[key])}
    assert {
        "eye_head.weight",
        "policy_head.weight",
        "model.core.weight_hh",
        "model.policy.weight",
        "model.reward.2.weight",
        "value_head.2.weight",
        "target.policy_head.weight",
        "advantage_square",
    } <= learned


def test_a_resumed_training_equals_one_that_went_on(build, tmp_path):
    _, path = assert_resumes(build, tmp_path, 2)

    module = MuesliModule.from_checkpoint(f"{path}/learner_group/learner/rl_module/default_policy")
    observation, _ = make_grid().reset(seed=0)
    observations = {key: np.repeat(value[None], 40, axis=0) for key, value in observation.items()}
    assert len(set(Policy(module, seed=5).act(observations).tolist())) > 1
    assert len(set(Policy(module, deterministic=True).act(observations).tolist())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": QUICK.model_copy(update={"hindsight": None}), "module": SMALL, "goals": None},
        # The regulariser alone, on what was sampled last.
        {"hyperparameters": QUICK.model_copy(update={"replay_share": 0.0, "model_policy_loss": 0.0, "unroll": 1})},
        {"module": TAPPING},
    ],
)
def test_each_stage_works_alone(build, change):
    metrics, weights = trained(build(**change), 2)
    assert all(np.isfinite(value).all() for value in weights.values())
    assert metrics[-1]["requests"] * 8 >= metrics[-1]["env_steps"]


def test_processes_of_their_own_and_the_true_reward_work_too(build):
    metrics, _ = trained(build(num_env_runners=2, num_envs_per_env_runner=4, num_learners=1), 2)
    assert metrics[-1]["episodes"] > 0
    metrics, _ = trained(build(client_factory=None, module=SMALL, goals=GOALS), 2)
    assert metrics[0]["online_precision"] == 1


@pytest.mark.budget(60)  # 280 updates, each of which looks ahead from 160 states
def test_it_learns_the_grid_from_the_reward_model_alone(build):
    algorithm = build(
        hyperparameters=MuesliHyperparameters(
            train_batch_size=160,
            replay_capacity=6000,
            learning_starts=200,
            report_env_steps=500,
            rollout_fragment_length=8,
            gamma=0.9,
            unroll=2,
            hindsight=Hindsight(),
            learning_rate=2e-3,
        ),
        module=TAPPING,
        env_kwargs={},
        num_envs_per_env_runner=8,
    )
    curve = [health.check(algorithm.train(), env_steps=500, learner_may_lag=True) for _ in range(9)]
    assert curve[0].success_rate < 0.6
    assert curve[-1].success_rate > 0.9, [round(m.success_rate, 2) for m in curve]
    assert curve[-1].episode_length < 3


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def cross_entropy(atoms, logits, value):
    """Between the two atoms beside a value and a distribution, in numpy."""
    positions = atoms.positions.numpy().astype(float)
    place = np.sign(value) * (np.sqrt(abs(value) + 1) - 1) + 0.001 * value
    place = np.clip((place - positions[0]) / (positions[1] - positions[0]), 0, len(positions) - 1)
    below = min(int(place), len(positions) - 2)
    logs = np.log(softmax(logits))
    return -((1 - place + below) * logs[below] + (place - below) * logs[below + 1])


def test_the_loss_is_the_papers_computed_one_step_at_a_time(build):
    hyper = QUICK.model_copy(update={"clip": 0.7, "regulariser": 0.9, "model_policy_loss": 0.8, "value_loss": 0.3})
    module_config = SMALL.model_copy(update={"training_precision": "fp32"})
    algorithm = build(hyperparameters=hyper, module=module_config, goals=GOALS)
    trained(algorithm, 2)
    learner = algorithm.learner_group._learner
    module = learner.module["default_policy"].unwrapped()
    config = learner.config.get_config_for_module("default_policy")
    drawn = algorithm.replay.sample(32)
    batch = {
        key: {name: torch.tensor(item) for name, item in value.items()}
        if isinstance(value, dict)
        else torch.tensor(value)
        for key, value in drawn.items()
    }
    with torch.no_grad():
        out = module.forward_train(batch)
        before = float(module.advantage_square), float(module.advantage_unknown)
        got = learner.compute_loss_for_module(module_id="default_policy", config=config, batch=batch, fwd_out=dict(out))
    arrays = {key: value.numpy().astype(float) for key, value in out.items()}
    taken, ends, rewards, actions = (drawn[key] for key in ("taken", "ends", "rewards", "actions"))
    windows, steps = taken.shape
    prior, values, q = (arrays[f"prior_{name}"] for name in ("logits", "values", "action_values"))

    returns = np.zeros((windows, steps))
    for row in range(windows):
        following = values[row, steps]
        for t in reversed(range(steps)):
            if not taken[row, t]:
                following = values[row, t]
                continue
            a = actions[row, t]
            returns[row, t] = rewards[row, t] + (0.0 if ends[row, t] else 0.97 * following)
            ratio = softmax(prior[row, t])[a] / np.exp(drawn["action_logp"][row, t])
            following = values[row, t] + 0.95 * min(1, ratio) * (returns[row, t] - q[row, t, a])
    errors = (returns - values[:, :-1])[taken]
    square = 0.99 * before[0] + 0.01 * np.mean(errors**2)
    scale = np.sqrt(square / (1 - 0.99 * before[1]))

    target = softmax(np.log(softmax(prior)) + np.clip((q - values[..., None]) / scale, -0.7, 0.7))
    policy = softmax(arrays["action_dist_inputs"])
    gradient, regulariser, value = [], [], []
    for row, t in zip(*np.nonzero(taken), strict=True):
        a = actions[row, t]
        ratio = policy[row, t, a] / np.exp(drawn["action_logp"][row, t])
        gradient.append(-ratio * (returns[row, t] - values[row, t]) / scale)
        regulariser.append((target[row, t] * np.log(target[row, t] / policy[row, t])).sum())
        value.append(cross_entropy(module.atoms, arrays["value_logits"][row, t], returns[row, t]))
    ahead = {"policy": [], "value": [], "reward": []}
    for k in range(1, 4):
        at_k = {name: [] for name in ahead}
        for row, t in zip(*np.nonzero(taken), strict=True):
            last = t + k - 1
            if last >= steps or not taken[row, last]:
                continue
            at_k["reward"].append(
                cross_entropy(module.atoms, arrays["model_reward_logits"][k - 1, row, t], rewards[row, last])
            )
            goes_on = last + 1 < steps and taken[row, last + 1]
            worth = 0.0 if ends[row, last] else returns[row, last + 1] if goes_on else values[row, last + 1]
            at_k["value"].append(cross_entropy(module.atoms, arrays["model_value_logits"][k - 1, row, t], worth))
            if not ends[row, last]:
                wanted, guess = target[row, last + 1], softmax(arrays["model_policy_logits"][k - 1, row, t])
                at_k["policy"].append((wanted * np.log(wanted / guess)).sum())
        for name, items in at_k.items():
            ahead[name].append(np.mean(items) if items else 0.0)
    expected = (
        np.mean(gradient)
        + 0.9 * np.mean(regulariser)
        + 0.8 * np.mean(ahead["policy"])
        + 0.3 * (np.mean(value) + np.mean(ahead["value"]))
        + np.mean(ahead["reward"])
    )
    assert ends.any()
    assert not taken.all()
    assert float(got) == pytest.approx(expected, rel=2e-4)


def test_the_model_looks_ahead_by_the_actions_that_were_taken(build):
    exact = SMALL.model_copy(update={"training_precision": "fp32"})
    module = build(hyperparameters=QUICK, module=exact).learner_group._learner.module["default_policy"].unwrapped()
    rng = np.random.default_rng(0)
    features = torch.tensor(rng.normal(size=(2, 5, 32)), dtype=torch.float32)
    actions = torch.tensor(rng.integers(17, size=(2, 4)))
    torch.nn.init.normal_(module.model.value[2].weight)
    with torch.no_grad():
        got = module._looked_ahead(features, None, actions)["model_value_logits"]
        for row, t, k in ((0, 0, 3), (1, 2, 2), (1, 3, 1)):
            state = features[row, t][None]
            for step in range(k):
                state = module.model(state, actions[row, t + step][None])
            torch.testing.assert_close(got[k - 1, row, t], module.model.value(state)[0], rtol=1e-4, atol=1e-5)
        q = module._action_values(features, None)
        state = module.model(features[1, 3][None], torch.tensor([7]))
        reward, value = (module.atoms.mean(head(state)) for head in (module.model.reward, module.model.value))
    assert float(q[1, 3, 7]) == pytest.approx(float(reward + 0.97 * value), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goals": None, "module": SMALL}, "hindsight relabels steps with other training goals, and none were given"),
        ({"goals": GOALS}, "the agent's eye learns from the reward model's embeddings"),
        ({"module": SMALL.model_copy(update={"recurrent": True})}, "set agent.recurrent false"),
    ],
)
def test_what_muesli_cannot_work_with_is_refused_before_anything_is_built(change, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**change)


@pytest.mark.parametrize(
    "mistake",
    [
        {"value_range": None},
        {"value_range": (1.0, 0.0)},
        {"window": 300},
        {"unroll": 0},
        {"clip": 0},
        {"replay_share": 1.5},
        {"atoms": 1},
    ],
)
def test_unusable_hyperparameters_are_refused(mistake):
    with pytest.raises(ConfigError):
        MuesliHyperparameters(**mistake)


def test_continuous_actions_are_refused_in_one_line():
    import gymnasium as gym

    space = make_grid().observation_space
    with pytest.raises(ConfigError, match="the agent needs a Discrete action space"):
        MuesliModule(
            observation_space=space,
            action_space=gym.spaces.Box(-1, 1, (2,)),
            model_config={**SMALL.to_model_config(), "gamma": 0.9, "unroll": 2, "atoms": 5, "value_range": (0, 1)},
        )


def test_goals_with_captions_are_the_ones_that_teach():
    assert config_of().goals is CAPTIONED
    assert config_of(module=SMALL).goals.captions is None
    assert config_of(module=SEEING).replay.keeps_log_probs
