"""A training that was interrupted at a checkpoint, and one that was not, are the same training."""

import numpy as np
import pytest

from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import grid_client, make_grid
from vlm_rewards.rllib.env_runner import begin_anew
from vlm_rewards.rllib.health import check
from vlm_rewards.rllib.rl_module import GoalModuleConfig


@pytest.fixture
def build(ray_session):
    built = []

    def make():
        config = PPOHyperparameters(train_batch_size=64, minibatch_size=32, epochs=2).make_config(
            env=make_grid,
            env_kwargs={},
            client_factory=grid_client,
            module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2)),
            num_envs_per_env_runner=5,  # 64 steps are no whole number of vector steps: episodes are cut
            seed=3,
        )
        built.append(config.build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()


def weights(algorithm):
    return {name: value.numpy().copy() for name, value in algorithm.get_module().state_dict().items()}


def trained(algorithm, iterations=2):
    metrics = [check(algorithm.train()).to_dict() for _ in range(iterations)]
    return [{k: v for k, v in each.items() if "latency" not in k} for each in metrics], weights(algorithm)


def test_a_resumed_training_equals_one_that_went_on(build, tmp_path):
    whole = build()
    trained(whole)
    path = whole.save_to_path(str(tmp_path / "checkpoint"))
    begin_anew(whole, 7)
    expected, expected_weights = trained(whole)

    resumed = build()
    np.random.random(11)  # whatever a process has drawn by then
    resumed.restore_from_path(path)
    begin_anew(resumed, 7)
    got, got_weights = trained(resumed)
    assert got == expected
    for name, value in expected_weights.items():
        np.testing.assert_array_equal(got_weights[name], value, err_msg=name)


def test_what_follows_a_checkpoint_depends_on_its_seed(build, tmp_path):
    algorithm = build()
    trained(algorithm, 1)
    path = algorithm.save_to_path(str(tmp_path / "checkpoint"))
    after = []
    for seed in (7, 8):
        algorithm.restore_from_path(path)
        begin_anew(algorithm, seed)
        after.append(trained(algorithm, 1)[1])
    assert any(not np.array_equal(after[0][name], after[1][name]) for name in after[0])
