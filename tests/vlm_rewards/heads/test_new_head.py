"""A reward form of somebody's own is one class and one entry in the table."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import HEADS, RewardHead
from vlm_rewards.reward_model import RewardConfig, RewardModel

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


class Nearness(RewardHead):
    """How much nearer a frame is to the goal than to a scene, which ends the episode above beta."""

    terminates: ClassVar[bool] = True
    score_range: ClassVar[tuple[float, float]] = (0.0, 2.0)

    form: Literal["nearness"] = "nearness"
    scene: str = "an empty room"

    @property
    def captions(self):
        return (self.scene,)

    def scores(self, images, texts, captions, tau):
        return (1 + np.clip(images @ (texts[0] - captions[0]) / 2, -1, 1)).astype(np.float32)


@pytest.fixture
def nearness(monkeypatch):
    """Known for one test."""
    monkeypatch.setattr(HEADS, "_kinds", dict(HEADS._kinds))
    return HEADS.add(Nearness)


def test_a_preset_names_it_and_the_reward_model_uses_it(nearness, task_set):
    config = RewardConfig(model="fake", beta=0.9, head={"form": "nearness", "scene": "a street"})
    model, encoder = RewardModel(config, task_set), FakeEncoder()
    goal = task_set.goals[0].id
    text, scene = encoder.embed_texts([model.prompts(goal)[0], "a street"])
    expected = 1 + encoder.embed_images(FRAMES) @ (text - scene) / 2
    scores = model.score(FRAMES, [goal] * len(FRAMES))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_array_equal(model.reward(scores), (scores > np.float32(0.9)).astype(np.float32))
    described = model.describe()
    assert (described.form, described.terminates, described.score_range) == ("nearness", True, (0.0, 2.0))
    assert described.reward([0.5, 1.5]).tolist() == [0, 1]
    assert len(model.prompts(goal)) == 1, "it has no negatives"


def test_its_settings_are_in_the_fingerprint_and_survive_being_written(nearness, task_set):
    def of(**head):
        return RewardConfig(model="fake", beta=0.9, head={"form": "nearness", **head})

    fingerprints = {RewardModel(of(**head), task_set).fingerprint for head in ({}, {"scene": "a street"})}
    assert len(fingerprints) == 2
    assert RewardConfig(**of(scene="a street").model_dump()) == of(scene="a street")


def test_what_it_needs_is_asked_for(nearness):
    with pytest.raises(ConfigError, match="beta: is required by form 'nearness'"):
        RewardConfig(model="fake", head={"form": "nearness"})


def test_without_the_entry_it_is_unknown():
    with pytest.raises(ConfigError, match="there is no head 'nearness'"):
        RewardConfig(model="fake", head={"form": "nearness"})
