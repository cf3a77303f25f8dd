"""Ours by LeRobot's interface, and anybody's reward behind our gateway, over real HTTP."""

import numpy as np
import pytest
import torch

from tests.lamps import LAMP_REWARD, LAMPS
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError, InvalidFrameError, NonFiniteRewardError, RewardServiceError
from vlm_rewards.integrations.compute_reward import ComputeRewardTransport, LeRobotReward
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import HttpTransport, InProcessTransport, RewardClient
from vlm_rewards.service.http import LocalServer, TransportBackend, create_app

TEXTS = ["a photo of the lamp on", "a photo of a red lamp", "a dark room"]
FRAMES = np.stack([FakeEncoder().frame_of(text, 24, 16) for text in TEXTS])


@pytest.fixture
def model():
    return RewardModel(LAMP_REWARD, LAMPS)


@pytest.fixture
def client(model):
    return RewardClient(InProcessTransport(model))


def batch(frames=FRAMES, **more):
    return {"observation.images.top": torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, **more}


def test_a_batch_is_paid_as_its_frames_are(client, model):
    reward = LeRobotReward(client, LAMPS)
    tasks = ["switch it on", "Make it red.", "lit"]
    paid = reward.compute_reward(batch(task=tasks))
    scores = model.score(FRAMES, ["lit", "red", "lit"])
    assert (paid.dtype, paid.tolist()) == (torch.float32, [1, 1, 0])
    np.testing.assert_array_equal(paid.numpy(), model.reward(scores))
    # Of several steps the last counts; and whole numbers are taken as they are.
    several = torch.stack([torch.zeros(3, 3, 24, 16), batch()["observation.images.top"]], 1)
    assert reward.compute_reward({"observation.images.top": several, "task": tasks}).tolist() == [1, 1, 0]
    whole = {"observation.image": torch.from_numpy(FRAMES).permute(0, 3, 1, 2), "task": tasks}
    assert reward.compute_reward(whole).tolist() == [1, 1, 0]


def test_the_classifier_step_may_bring_its_own_threshold(client, model):
    reward = LeRobotReward(client, LAMPS, goal="lit").eval()
    scores = model.score(FRAMES, ["lit"] * 3)
    for threshold in (0.0, 0.5, float(scores.max())):
        np.testing.assert_array_equal(reward.predict_reward(batch(), threshold).numpy(), scores > threshold)
    np.testing.assert_array_equal(reward.predict_reward(batch()).numpy(), scores > 0.6)
    reward.reset()
    with pytest.raises(NotImplementedError, match="frozen"):
        reward(batch())


@pytest.mark.parametrize(
    ("options", "given", "error", "says"),
    [
        ({}, batch(), ConfigError, "0 tasks for 3"),
        ({}, batch(task=["dance"] * 3), ConfigError, "no goal of task set 'lamps'"),
        ({"goal": "lit"}, {}, ConfigError, "0 kinds of pictures"),
        ({"goal": "lit"}, {**batch(), "observation.images.side": torch.zeros(3, 3, 8, 8)}, ConfigError, "camera="),
        ({"goal": "lit", "camera": "observation.images.tpo"}, batch(), ConfigError, "did you mean"),
        ({"goal": "lit"}, {"image": torch.zeros(3, 24, 16)}, InvalidFrameError, "batch axis"),
        ({"goal": "lit"}, {"image": torch.full((1, 3, 8, 8), -1.0)}, InvalidFrameError, "before any normalisation"),
        ({"goal": "lit"}, {"image": torch.full((1, 3, 8, 8), torch.nan)}, InvalidFrameError, "in nan to nan"),
        ({"goal": "lit"}, {"image": torch.zeros(1, 3, 8, 8, dtype=torch.int64)}, InvalidFrameError, "int64"),
    ],
)
def test_a_batch_that_cannot_be_paid_is_one_line(client, options, given, error, says):
    with pytest.raises(error, match=says) as raised:
        LeRobotReward(client, LAMPS, **options).compute_reward(given)
    assert "\n" not in str(raised.value)


class Brightness(torch.nn.Module):
    """Somebody's reward: how bright a picture is, for one of its tasks; for the other how dark."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3) / 3)

    def compute_reward(self, batch):
        brightness = (batch["observation.image"].mean((2, 3)) * self.weight).sum(1)
        wanted = torch.tensor([task == "switch it on" for task in batch["task"]])
        return torch.where(wanted, brightness, 1 - brightness)


def test_anybodys_reward_is_served_behind_the_gateway():
    frames = np.stack([np.full((24, 16, 3), level, np.uint8) for level in (0, 51, 255)])
    transport = ComputeRewardTransport(Brightness(), LAMPS, (24, 16), name="brightness", beta=0.5)
    with LocalServer(create_app(TransportBackend(lambda: {"brightness": transport}))) as server:
        client = RewardClient(HttpTransport(server.url, "brightness"))
        description = client.describe()
        assert (description.form, description.goal_ids, description.terminates) == (
            "compute_reward",
            ("lit", "red"),
            True,
        )
        scores = client.score(frames, ["lit", "lit", "red"]).scores
        np.testing.assert_allclose(scores, [0, 0.2, 0], atol=1e-6)
        np.testing.assert_allclose(client.score_all(frames, ["red", "lit"]).scores[1], [0.8, 0.2], atol=1e-6)
        assert description.reward(client.score(frames, ["lit"] * 3).scores).tolist() == [0, 0, 1]
        with pytest.raises(ConfigError, match="no embeddings"):
            client.embed(frames)
        with pytest.raises(ConfigError, match="goal"):
            client.score(frames, ["dance"] * 3)


def test_the_fingerprint_is_that_of_the_parameters():
    one, same, other = Brightness(), Brightness(), Brightness()
    torch.nn.init.zeros_(other.weight)
    prints = [ComputeRewardTransport(each, LAMPS, (8, 8)).describe(1).fingerprint for each in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


class Answers:
    """A reward that gives whatever it was told to."""

    def __init__(self, answer):
        self.answer = answer

    def compute_reward(self, batch):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (torch.zeros(3, 1), RewardServiceError, r"gave \(3, 1\) for 3 frames"),
        (torch.tensor(1.0), RewardServiceError, "one number each"),
        (torch.tensor([0, torch.nan, 1]), NonFiniteRewardError, "not finite"),
    ],
)
def test_an_answer_that_is_none_is_one_line(answer, error, says):
    transport = ComputeRewardTransport(Answers(answer), LAMPS, (8, 8), fingerprint="0" * 64)
    with pytest.raises(error, match=says):
        transport.score(FRAMES, ["lit"] * 3, 1)


def test_what_cannot_be_served_is_refused():
    with pytest.raises(ConfigError, match="fingerprint="):
        ComputeRewardTransport(Answers(0), LAMPS, (8, 8))
    with pytest.raises(ConfigError, match="no method compute_reward"):
        ComputeRewardTransport(object(), LAMPS, (8, 8), fingerprint="0" * 64)
