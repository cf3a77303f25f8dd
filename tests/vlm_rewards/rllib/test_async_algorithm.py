import time

import pytest

from rllib_configs.impala import IMPALAHyperparameters
from tests.vlm_rewards.environment.grid_env import grid_client, make_grid
from vlm_rewards.rllib.health import UnhealthyIterationError
from vlm_rewards.rllib.rl_module import GoalModuleConfig


def make_stuck_grid(**kwargs):
    env = make_grid(**kwargs)
    env.step = lambda action: time.sleep(3600)
    return env


def test_an_env_runner_that_never_answers_ends_the_run(ray_session):
    algorithm = (
        IMPALAHyperparameters(train_batch_size=32, rollout_fragment_length=4)
        .make_config(
            env=make_stuck_grid,
            env_kwargs={},
            client_factory=grid_client,
            module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2)),
            num_env_runners=1,
            num_envs_per_env_runner=2,
            sample_timeout_s=1.0,
        )
        .build_algo()
    )
    try:
        with pytest.raises(UnhealthyIterationError, match="no env runner has returned a sample for 1 s"):
            algorithm.train()
    finally:
        algorithm.stop()
