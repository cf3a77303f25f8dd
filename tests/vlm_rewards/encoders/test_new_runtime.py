"""A runtime of somebody's own is one class and one entry in the table."""

from typing import Literal

import numpy as np
import pytest

from vlm_rewards.encoders import RUNTIMES, FakeEncoder, Runtime
from vlm_rewards.encoders import loading as module
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig, RewardModel

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


class Abacus(Runtime):
    """Knows one device, and runs nothing else."""

    name: Literal["abacus"] = "abacus"

    def suits(self, device, compiled):
        return device == "wood"

    def load(self, source, device, precision, compiled, reward=""):
        encoder = FakeEncoder(salt="wood")
        encoder.source = f"{source} on {device}"
        return encoder


@pytest.fixture(autouse=True)
def abacus(monkeypatch):
    """Known for one test, and before the others, which suit any device."""
    monkeypatch.setattr(RUNTIMES, "_kinds", {"abacus": Abacus, **RUNTIMES._kinds})
    monkeypatch.setattr(module, "check_encoder", lambda encoder, folder: None)


@pytest.mark.parametrize("named", [{"encoder": "abacus"}, {"device": "wood"}], ids=["by name", "by auto"])
def test_a_preset_names_it_and_the_reward_model_uses_it(named, task_set):
    model = RewardModel(RewardConfig(model="a/b", tau=0.1, beta=0.5, **named), task_set)
    assert model.encoder.source == f"a/b on {named.get('device', 'cpu')}"
    np.testing.assert_array_equal(model.embed(FRAMES), FakeEncoder(salt="wood").embed_images(FRAMES))


def test_a_name_that_is_nearly_right_is_answered_with_it():
    with pytest.raises(ConfigError, match="there is no encoder 'abakus'; did you mean 'abacus'"):
        RewardConfig(model="a/b", tau=0.1, beta=0.5, encoder="abakus")
