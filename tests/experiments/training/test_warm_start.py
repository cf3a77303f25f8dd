"""A training that begins with another's networks: they are its own from the first step, and other sizes are refused."""

import numpy as np
import pytest
import torch
from ray.rllib.core.rl_module import RLModule

from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder
from experiments.training.config import TrainConfig
from experiments.training.restoring import MODULE_IN_CHECKPOINT
from experiments.training.run import Training
from tests.experiments.training.test_run import Silent
from vlm_rewards.errors import ConfigError, VLMRewardsError

SMALL = (
    "reward={kind: ground_truth}",
    "total_env_steps=256",
    "evaluation={episodes: 2, videos: 0, recording: {episodes: 0}}",
    "sampling.num_env_runners=0",
)
ALGORITHMS = {
    "ppo": "algorithm={name: ppo, train_batch_size: 256}",
    "dqn": "algorithm={name: dqn, learning_starts: 64, replay_capacity: 1000, report_env_steps: 256}",
    "muesli": "algorithm={name: muesli, learning_starts: 64, replay_capacity: 1000, report_env_steps: 256}",
}


def training(folder, name, *changes):
    config = TrainConfig(**load_preset("train", "smoke", [*SMALL, *changes]))
    return Training(config, RunFolder.create(folder, name, config.model_dump(mode="json")), Silent())


@pytest.fixture(scope="module")
def trained(request, ray_session, tmp_path_factory, with_store):
    folder = with_store(tmp_path_factory.mktemp("warm"))
    outcome = training(folder, "first", ALGORITHMS[request.param]).execute()
    state = RunFolder(outcome.folder).state()
    module = RLModule.from_checkpoint(outcome.folder / state.checkpoint / MODULE_IN_CHECKPOINT)
    return folder, ALGORITHMS[request.param], outcome.folder, module.get_state()


@pytest.mark.parametrize("trained", list(ALGORITHMS), indirect=True)
def test_learner_and_env_runner_begin_with_the_other_s_networks(trained, monkeypatch):
    folder, algorithm_setting, first, state = trained

    def look(self, algorithm, run):
        learner = algorithm.learner_group._learner.module["default_policy"].get_state()
        targets = {name.removeprefix("target."): value for name, value in learner.items() if name.startswith("target.")}
        assert bool(targets) == ("ppo" not in algorithm_setting)
        assert learner.keys() == state.keys() | {f"target.{name}" for name in targets}
        for found in (learner, targets):
            for name in found.keys() & state.keys():
                np.testing.assert_array_equal(torch.as_tensor(found[name]), torch.as_tensor(state[name]), err_msg=name)
        acting = algorithm.env_runner.module.get_state()
        assert acting.keys() <= state.keys()
        for name, value in acting.items():
            np.testing.assert_array_equal(torch.as_tensor(value), torch.as_tensor(state[name]), err_msg=name)
        raise VLMRewardsError("was looked at")

    monkeypatch.setattr(Training, "_train", look)
    with pytest.raises(VLMRewardsError, match="was looked at"):
        training(folder, "second", algorithm_setting, "seed=5", f"begin_with={first}").execute()


@pytest.mark.parametrize("trained", ["ppo"], indirect=True)
def test_other_sizes_and_folders_without_an_agent_are_one_clear_line(trained, tmp_path):
    folder, algorithm, first, _ = trained
    with pytest.raises(ConfigError, match="has other networks than this run's"):
        training(folder, "wider", algorithm, f"begin_with={first}", "agent.hidden_dim=24").execute()
    with pytest.raises(ConfigError, match="GoalConditionedModule, where GoalConditionedQModule is asked for"):
        training(folder, "another", ALGORITHMS["dqn"], f"begin_with={first}").execute()
    with pytest.raises(ConfigError, match="is no folder of a run"):
        training(folder, "nowhere", algorithm, f"begin_with={tmp_path}")
    empty = RunFolder.create(tmp_path, "empty", {})
    with pytest.raises(ConfigError, match="has no checkpoint"):
        training(folder, "empty", algorithm, f"begin_with={empty.path}")
