"""One short training by each way to its reward: the same rewards, to the bit."""

import numpy as np
import pytest
from ray import serve

from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder
from experiments.training.config import TrainConfig
from experiments.training.environments import task_set_of
from experiments.training.run import Training
from rllib_configs.ppo import PPOHyperparameters
from serve_deployments import gateway
from tests.experiments.processes import wait_for
from tests.experiments.training.test_run import Silent
from vlm_rewards.errors import ConfigError
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import RewardAppArgs

APP = "ways-to-a-reward"
STEPS = 256
SHORT = [
    f"total_env_steps={STEPS}",
    "algorithm={name: ppo, train_batch_size: 128, minibatch_size: 64, epochs: 1}",
    "sampling.num_envs_per_env_runner=8",
    "evaluation={episodes: 2, videos: 0, num_envs: 2}",
    "agent={channels: [4], strides: [4], goal_dim: 8, hidden_dim: 16, grid: [2, 2]}",
]
WAYS = {
    "in_process": "served_by={kind: in_process}",
    "deploy": "served_by={kind: deploy, num_cpus: 0.1, replicas: {minimum: 1, maximum: 2}}",
    "attach": f"served_by={{kind: attach, app: {APP}}}",
    "http": f"served_by={{kind: http, url: URL, model: {APP}}}",
}


def settings(*overrides):
    return TrainConfig(**load_preset("train", "smoke", [*SHORT, *overrides]))


@pytest.fixture(scope="module")
def url(ray_session):
    """Address of a gateway, behind which the preset's reward runs as somebody else's application."""
    config = settings()
    address = gateway.deploy(gateway.GatewayArgs(num_cpus=0.1, refresh_s=0.2))
    deploy(RewardAppArgs(reward=config.reward_model, task_set=task_set_of(config), num_cpus=0.1), APP)
    yield address
    for name in (APP, "gateway"):
        serve.delete(name)


@pytest.fixture
def train(tmp_path, monkeypatch, mlflow_store):
    """Returns a function that trains by one way, and gives the rewarded steps one after the other."""
    make_config = PPOHyperparameters.make_config
    steps = []
    monkeypatch.setattr(
        PPOHyperparameters,
        "make_config",
        # RLlib deep-copies its configuration: a function survives that as itself, a list would not.
        lambda self, **agent: make_config(self, **agent, recorder=lambda step: steps.append(step)),
    )

    def run(*overrides):
        config = settings(*overrides, f"tracking.uri={mlflow_store[1]}")
        folder = RunFolder.create(tmp_path, "smoke", config.model_dump(mode="json"))
        outcome = Training(config, folder, Silent()).execute()
        assert outcome.env_steps >= STEPS
        return steps

    return run


@pytest.fixture(scope="module")
def expected():
    """What the first way gave: all others must give the same."""
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_rewards_to_the_bit(url, train, expected, way):
    before = set(serve.status().applications)
    steps = train(WAYS[way].replace("URL", url))
    found = {
        "frames": np.concatenate([step.frames for step in steps]),
        "goals": [goal_id for step in steps for goal_id in step.goal_ids],
        "scores": np.concatenate([step.scores for step in steps]),
        "rewards": np.concatenate([step.rewards for step in steps]),
        "fingerprints": sorted({step.fingerprint for step in steps}),
    }
    assert len(found["scores"]) > STEPS / 2
    assert len(np.unique(found["scores"])) > 10
    assert len(found["fingerprints"]) == 1
    for name, values in found.items():
        first = expected.setdefault(name, values)
        assert np.array_equal(values, first), name
    # What others deployed stays, and nothing else.
    # Taken down without waiting for it.
    wait_for(lambda: {n for n, app in serve.status().applications.items() if app.status != "DELETING"} <= before)
    assert APP in serve.status().applications


def test_an_application_of_another_reward_is_refused_before_anything_is_trained(url, train, tmp_path):
    for way in ("attach", "http"):
        with pytest.raises(ConfigError, match=r"reward\.tau is 0\.05 there and 0\.07 here") as raised:
            train(WAYS[way].replace("URL", url), "reward.tau=0.07")
        assert "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"reward\.model is 'pocket-android' there and 'pocket-xs' here"):
        train(WAYS["attach"], "reward.model=pocket-xs")
    with pytest.raises(ConfigError, match=r"it has no goal .* goals that task set 'open_diverse_apps' lacks"):
        train(WAYS["attach"], "environment.options.task_set=open_diverse_apps")
