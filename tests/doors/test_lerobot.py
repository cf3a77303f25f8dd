"""LeRobot itself reads what we write, and is paid by what we give it: `make doors-check`."""

import importlib.util
import os
import sys
import types

import numpy as np
import pytest
import torch

if importlib.util.find_spec("lerobot") is None:
    pytest.skip(
        "LeRobot is not installed; make doors-check runs this in an environment of its own", allow_module_level=True
    )

from tests.experiments.test_relabel_lerobot import DATASETS, PAID, relabel
from tests.lamps import LAMP_REWARD, LAMPS
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.integrations.compute_reward import LeRobotReward
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import InProcessTransport, RewardClient

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def lerobot_dataset():
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset


def test_lerobot_reads_the_rewards_that_were_written(lerobot_dataset, tmp_path):
    relabel(DATASETS / "image", tmp_path / "out")
    dataset = lerobot_dataset("me/lamps", root=tmp_path / "out")
    assert len(dataset) == 8
    rewards = [float(dataset[i]["vlm_reward"]) for i in range(8)]
    assert rewards == [float(value) for episode in PAID for value in episode]
    assert [float(dataset[i]["next.reward"]) for i in range(8)] == [0, 0, 1, 1, 1, 0, 1, 1]
    assert [float(dataset[i]["env_reward"]) for i in range(8)] == [0, 0, 0, 0, 1, 0, 0, 1]
    assert dataset.meta.stats["vlm_reward"]["mean"] == pytest.approx(3 / 8)


def test_a_loaders_batches_are_paid_as_the_dataset_says(lerobot_dataset, tmp_path):
    relabel(DATASETS / "image", tmp_path / "out")
    loader = torch.utils.data.DataLoader(lerobot_dataset("me/lamps", root=tmp_path / "out"), batch_size=4)
    reward = LeRobotReward(RewardClient(InProcessTransport(RewardModel(LAMP_REWARD, LAMPS))), LAMPS)
    for batch in loader:
        paid = reward.compute_reward(batch)
        assert paid.shape == (len(batch["task"]),)
        np.testing.assert_array_equal(paid, batch["vlm_reward"].reshape(-1))


def test_the_classifier_step_of_lerobot_ends_episodes_by_ours():
    # Of 0.4.4's policies one does not import beside transformers 5; the step needs none of them.
    groot = types.ModuleType("lerobot.policies.groot.configuration_groot")
    groot.GrootConfig = type("GrootConfig", (), {})
    sys.modules.setdefault("lerobot.policies.groot", types.ModuleType("lerobot.policies.groot"))
    sys.modules.setdefault(groot.__name__, groot)
    from lerobot.processor.core import TransitionKey
    from lerobot.processor.hil_processor import RewardClassifierProcessorStep

    step = RewardClassifierProcessorStep(success_threshold=LAMP_REWARD.beta, success_reward=1.0)
    client = RewardClient(InProcessTransport(RewardModel(LAMP_REWARD, LAMPS)))
    step.reward_classifier = LeRobotReward(client, LAMPS, goal="lit").eval()
    for text, reached in (("a photo of the lamp on", True), ("a dark room", False)):
        picture = torch.from_numpy(FakeEncoder().frame_of(text, 48, 64)).permute(2, 0, 1)[None].float() / 255
        transition = {
            TransitionKey.OBSERVATION: {"observation.images.top": picture},
            TransitionKey.REWARD: 0.0,
            TransitionKey.DONE: False,
        }
        after = step(transition)
        assert (after[TransitionKey.REWARD], after[TransitionKey.DONE]) == (float(reached), reached)
