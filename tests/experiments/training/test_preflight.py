"""What a training is refused for before Ray starts."""

import pytest

from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from experiments.training.preflight import check_before_ray, check_model
from vlm_rewards.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("algorithm.name=appo", "sampling.num_env_runners"),
        ("algorithm.name=impala", "sampling.num_env_runners"),
        ("reward.model=nosuch", "unknown model 'nosuch'"),
        ("seed=4294967296", "must be below"),
        ("evaluation.seed=4294967290", "must be below"),
    ],
)
def test_settings_that_only_ray_would_have_refused(override, message):
    good, bad = (TrainConfig(**load_preset("train", "smoke", overrides)) for overrides in ([], [override]))
    check_before_ray([good])
    with pytest.raises(ConfigError, match=message):
        check_before_ray([good, bad])


def test_ground_truth_needs_no_model():
    check_before_ray([TrainConfig(**load_preset("train", "smoke", ["reward={kind: ground_truth}"]))])


def test_a_model_that_is_nowhere_is_told(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="'no/such-model' is not in the hub's cache"):
        check_model("no/such-model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://127.0.0.1:9")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CheckpointError, match=r"the hub 127\.0\.0\.1 does not answer"):
        check_model("no/such-model")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        check_model(str(tmp_path))
