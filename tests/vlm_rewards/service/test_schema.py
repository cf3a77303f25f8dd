import numpy as np
import pytest

from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service import RewardUserConfig
from vlm_rewards.service.schema import check_request


def test_a_good_request_passes():
    check_request(np.zeros((2, 4, 5, 3), np.uint8), ["a", "b"])
    check_request(np.zeros((0, 4, 5, 3), np.uint8), [])


@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 4, 5, 4), (1, 0, 5, 3), (1, 4, 5)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(InvalidFrameError):
        check_request(np.zeros(shape, np.uint8), ["a"])


def test_a_user_config_changes_what_it_names_and_nothing_else():
    config = RewardConfig(model="fake", template="A", negatives=NegativesSpec(count=2), tau=0.1, beta=0.5)
    changed = RewardUserConfig(tau=0.2, negatives={"kind": "goals_and_states"}).applied_to(config)
    assert changed == RewardConfig(
        model="fake", template="A", negatives=NegativesSpec(kind="goals_and_states"), tau=0.2, beta=0.5
    )
    assert RewardUserConfig().applied_to(config) == config


@pytest.mark.parametrize("wrong", [{"tau": 0.0}, {"beta": 1.5}, {"template": "Z"}])
def test_a_user_config_with_unusable_values_is_refused(wrong):
    config = RewardConfig(model="fake", tau=0.1, beta=0.5)
    with pytest.raises(ConfigError):
        RewardUserConfig(**wrong).applied_to(config)


def test_a_user_config_cannot_change_the_weights():
    with pytest.raises(ConfigError, match="model"):
        RewardUserConfig(model="other")
