import pytest
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import grid_client, make_grid
from vlm_rewards.rllib.ppo_learner import BootstrapFreePPOLearner
from vlm_rewards.rllib.rl_module import GoalModuleConfig


def learner_of(learner_class):
    config = PPOHyperparameters(learning_rate=1e-2).make_config(
        env=make_grid,
        env_kwargs={},
        client_factory=grid_client,
        module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16),
        seed=0,
    )
    env = make_grid()
    spaces = {DEFAULT_MODULE_ID: (env.observation_space, env.action_space)}
    learner = config.training(learner_class=learner_class).build_learner(spaces=spaces)
    learner.build()
    return learner


def weights_of(learner):
    return learner.module[DEFAULT_MODULE_ID].state_dict()


@pytest.fixture
def pair():
    """Our learner and RLlib's, with the same weights."""
    ours, rllibs = learner_of(BootstrapFreePPOLearner), learner_of(PPOTorchLearner)
    rllibs.module[DEFAULT_MODULE_ID].load_state_dict(weights_of(ours))
    return ours, rllibs


def gradients(learner, step):
    generator = torch.Generator().manual_seed(step)
    return {pid: torch.randn(param.shape, generator=generator) for pid, param in learner._params.items()}


def test_steps_are_those_of_rllibs_adam(pair):
    before = {name: weights.clone() for name, weights in weights_of(pair[0]).items()}
    for step in range(5):
        for learner in pair:
            learner.apply_gradients(gradients(learner, step))
    ours, rllibs = map(weights_of, pair)
    for name, weights in rllibs.items():
        torch.testing.assert_close(ours[name], weights, atol=1e-6, rtol=1e-5)
        assert not torch.equal(weights, before[name]), name


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_treated_as_rllib_does(pair, bad):
    for learner in pair:
        given = gradients(learner, 0)
        next(iter(given.values())).view(-1)[0] = bad
        learner.apply_gradients(given)
    ours, rllibs = map(weights_of, pair)
    for name, weights in rllibs.items():
        assert bool(torch.isfinite(ours[name]).all()), name
        torch.testing.assert_close(ours[name], weights, atol=1e-6, rtol=1e-5)
