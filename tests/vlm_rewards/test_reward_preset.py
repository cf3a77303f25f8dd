"""A reward from whatever file holds one."""

import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_preset import RewardPreset, packaged_rewards

REWARD = "{model: fake, template: A, tau: 0.1, beta: 0.5}"


def written(tmp_path, text):
    path = tmp_path / "preset.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"reward: {REWARD}\ntask_set: open_common_apps\n",
        f"reward: {REWARD}\nenvironment: {{id: android/OpenApp-v0, options: {{task_set: open_common_apps}}}}\n",
        "applications:\n- {name: gateway, args: {replicas: 1}}\n- name: r\n  args:\n    task_set: open_common_apps\n"
        f"    reward: {REWARD}\n",
    ],
    ids=["copied", "training", "serve"],
)
def test_the_reward_and_its_goals_are_read(tmp_path, text):
    preset = RewardPreset.named_or_from_file(str(written(tmp_path, text)))
    assert (preset.reward.model, preset.reward.tau) == ("fake", 0.1)
    assert preset.tasks == TaskSet.named("open_common_apps")
    other = RewardPreset.from_file(written(tmp_path, text), "open_diverse_apps")
    assert other.tasks.name == "open_diverse_apps"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"reward: {REWARD}\n", "--task-set"),
        ("task_set: open_common_apps\n", "no `reward:`"),
        ("applications: []\n", "0 reward applications"),
        (
            "reward: {model: fake, tua: 3}\ntask_set: open_common_apps\n",
            r"preset\.yaml.*did you mean 'tau'|unknown key",
        ),
        ("[1, 2]", "key: value"),
    ],
)
def test_what_is_missing_is_said(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says) as raised:
        RewardPreset.from_file(written(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_packaged_rewards_have_their_task_sets_and_names():
    for preset in packaged_rewards().values():
        assert all(len(prompts) > 1 for prompts in preset.reward.prompts(preset.tasks).values())
    assert RewardPreset.named_or_from_file("reward-pocket") == packaged_rewards()["reward-pocket"]
    with pytest.raises(ConfigError, match="did you mean 'reward-pocket'"):
        RewardPreset.named_or_from_file("reward-poket")


def test_the_packaged_phone_is_that_of_the_gateways_yaml():
    from pathlib import Path

    file = Path(__file__).resolve().parents[2] / "serve_deployments" / "gateway.yaml"
    assert RewardPreset.from_file(file) == packaged_rewards()["reward-pocket"]
