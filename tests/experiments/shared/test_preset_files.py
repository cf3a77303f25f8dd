"""Presets and their overrides."""

import pytest

from experiments.shared.preset_files import apply_override, load_preset
from vlm_rewards.errors import ConfigError


def test_overrides_keep_their_types_and_make_missing_levels():
    values = {"reward": {"beta": 0.5}}
    for override in ("reward.beta=0.9", "ppo.channels=[1, 2]", "name=x", "flag=true", "empty=null"):
        apply_override(values, override)
    assert values == {
        "reward": {"beta": 0.9},
        "ppo": {"channels": [1, 2]},
        "name": "x",
        "flag": True,
        "empty": None,
    }


@pytest.mark.parametrize("override", ["reward.beta", "=1", "a..b=1", "a=[1"])
def test_an_unreadable_override_is_refused(override):
    with pytest.raises(ConfigError, match="override"):
        apply_override({}, override)


def test_an_override_through_a_value_is_refused():
    with pytest.raises(ConfigError, match="leads through 'name'"):
        apply_override({"name": "demo"}, "name.first=x")


def test_an_unknown_preset_names_the_near_one():
    with pytest.raises(ConfigError, match="'demo'"):
        load_preset("train", "dmeo")


def test_a_preset_may_be_any_yaml_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert load_preset("train", str(tmp_path / "mine.yaml"), ["seed=3"]) == {"name": "mine", "seed": 3}


def test_a_preset_that_extends_another_changes_only_what_it_names():
    base, own = (load_preset("pretrain_clip", name) for name in ("ladder", "pocket-xs"))
    assert "extends" not in own
    assert own["data"] == base["data"]
    assert own["model"]["image_height"] == base["model"]["image_height"]
    assert own["model"]["stage_channels"] != base["model"].get("stage_channels")
    assert own["name"] == "pocket-xs"


@pytest.mark.parametrize("chain", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_preset_that_extends_itself_is_refused(chain, tmp_path):
    for name, base in zip(chain, (*chain[1:], chain[0]), strict=True):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {tmp_path / base}.yaml\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_preset("train", str(tmp_path / "a.yaml"))
    (tmp_path / "list.yaml").write_text("extends: [demo, smoke]\n")
    with pytest.raises(ConfigError, match="one preset"):
        load_preset("train", str(tmp_path / "list.yaml"))


# Nine lists, each of nine times the one before: a line that stands for four hundred million numbers.
LAUGHS = "[&a0 [1], " + ", ".join(f"&a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(9)) + "]"


@pytest.mark.parametrize(
    "value",
    [
        "1" + "0" * 30,
        "9" * 5000,
        "[1, {a: 99999999999999999999}]",
        ".inf",
        "{a: 1, a: 2}",
        "[" * 2000,
        "&a [*a]",
        LAUGHS,
    ],
)
def test_values_that_no_setting_can_have_are_one_line(value):
    with pytest.raises(ConfigError, match="override") as caught:
        apply_override({}, f"seed={value}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
