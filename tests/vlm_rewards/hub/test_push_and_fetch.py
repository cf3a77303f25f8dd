"""The way to the hub and back, by the real client over real HTTP; only the far end is ours."""

import pytest
from typer.testing import CliRunner

from tests.vlm_rewards.hub.test_saved_reward import CURVE, FAKE, LAMPS
from vlm_rewards.cli import commands
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.reward_preset import RewardPreset


@pytest.fixture
def model():
    return RewardModel(FAKE, LAMPS)


def test_a_reward_goes_to_the_hub_and_comes_back(hub, model, tmp_path):
    address = model.push_to_hub("me/lamps", private=True, calibration=CURVE, commit_message="First lamps")
    assert address.startswith(f"{hub.url}/me/lamps/commit/")
    assert (hub.messages, hub.private) == (["First lamps"], {"me/lamps"})
    assert set(hub.files("me/lamps")) == {"reward.yaml", "README.md", "calibration.json"}
    assert b'from_pretrained("me/lamps")' in hub.files("me/lamps")["README.md"]
    assert RewardModel.from_pretrained("me/lamps").fingerprint == model.fingerprint
    assert RewardPreset.named_or_from_file("me/lamps").tasks == LAMPS
    # As settings name it, in any preset; and once fetched, without a network.
    assert RewardPreset(reward="me/lamps", task_set="open_common_apps").reward.beta == 0.6
    hub.close()
    assert RewardModel.from_pretrained("me/lamps", local_files_only=True).fingerprint == model.fingerprint


def test_a_revision_is_the_reward_of_that_time(hub, model):
    first = model.push_to_hub("me/lamps").rpartition("/")[2]
    other = RewardModel(RewardConfig(**{**FAKE.model_dump(include=FAKE.model_fields_set), "beta": 0.8}), LAMPS)
    other.push_to_hub("me/lamps")
    other.push_to_hub("me/lamps", branch="strict")
    assert RewardModel.from_pretrained("me/lamps").beta == 0.8
    assert RewardModel.from_pretrained("me/lamps", revision=first).beta == 0.6
    assert RewardPreset.named_or_from_file(f"me/lamps@{first}").reward.beta == 0.6
    assert RewardModel.from_pretrained("me/lamps@strict").beta == 0.8


def test_what_the_hub_refuses_is_one_line_that_says_the_way_out(hub, model):
    for act, says in (
        (lambda: RewardModel.from_pretrained("me/nothing"), "check it"),
        (lambda: model.push_to_hub("no id"), "owner/name"),
        (lambda: model.push_to_hub("me/lamps@main"), "owner/name"),
        (lambda: RewardModel.from_pretrained("me/lamps", local_files_only=True), "fetch it once"),
        (lambda: RewardModel.from_pretrained("me"), "neither a folder"),
    ):
        with pytest.raises(ConfigError, match=says) as raised:
            act()
        assert "\n" not in str(raised.value)
    model.push_to_hub("me/lamps")
    with pytest.raises(ConfigError, match="no such revision"):
        RewardModel.from_pretrained("me/lamps", revision="v9")
    hub.token = "another"
    with pytest.raises(ConfigError, match="log in"):
        model.push_to_hub("me/lamps")


def test_the_commands_save_and_push(hub, tmp_path):
    preset = RewardModel(FAKE, LAMPS).save_pretrained(tmp_path / "one")
    done = CliRunner().invoke(commands.app, ["push", str(preset), "me/lamps", "--license", "mit"])
    assert done.exit_code == 0, done.output
    assert "2 goals" in done.output
    done = CliRunner().invoke(commands.app, ["save", "me/lamps", str(tmp_path / "two")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "two" / "reward.yaml").read_text() == (preset / "reward.yaml").read_text()
