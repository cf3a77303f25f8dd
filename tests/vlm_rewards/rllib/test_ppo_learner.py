from functools import partial

import numpy as np
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner

from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import grid_client, make_grid
from vlm_rewards.rllib.ppo_learner import BootstrapFreePPOLearner
from vlm_rewards.rllib.rl_module import GoalModuleConfig


def batch_of(learner_class, recurrent=False):
    """The train batch that one iteration's episodes become, and the number of sampled steps."""
    config = (
        PPOHyperparameters(train_batch_size=64, minibatch_size=32, epochs=1)
        .make_config(
            env=partial(make_grid, max_episode_steps=3),
            env_kwargs={},
            client_factory=grid_client,
            module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, recurrent=recurrent),
            num_envs_per_env_runner=4,
            seed=0,
        )
        .training(learner_class=learner_class)
    )
    algorithm = config.build_algo()
    try:
        episodes = algorithm.env_runner.sample()
        steps = sum(len(episode) for episode in episodes)
        learner = algorithm.learner_group._learner
        batch = learner._learner_connector(rl_module=learner.module, batch={}, episodes=episodes, shared_data={})
        return batch["default_policy"], steps
    finally:
        algorithm.stop()


def test_the_batch_keeps_every_sampled_step_with_its_advantage_and_nothing_else(ray_session):
    full, _ = batch_of(PPOTorchLearner)
    dropped, steps = batch_of(BootstrapFreePPOLearner)
    assert len(dropped["rewards"]) == len(dropped["obs"]["image"]) == len(dropped["advantages"]) == steps
    mask = full["loss_mask"]
    assert 0 < (~mask).sum() > mask.sum() / 4
    assert bool(dropped["loss_mask"].all())
    for key in ("advantages", "value_targets", "rewards", "actions", "action_logp", "terminateds"):
        torch.testing.assert_close(dropped[key], full[key][mask])
    torch.testing.assert_close(dropped["obs"]["image"], full["obs"]["image"][mask])
    assert float(dropped["rewards"].sum()) > 0


def test_sequences_of_a_recurrent_module_stay_whole(ray_session):
    batch, _ = batch_of(BootstrapFreePPOLearner, recurrent=True)
    assert batch["loss_mask"].ndim == 2
    assert not bool(batch["loss_mask"].all())
    assert np.prod(batch["loss_mask"].shape) == np.prod(batch["rewards"].shape)
