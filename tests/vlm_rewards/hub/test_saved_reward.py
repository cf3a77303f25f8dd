"""Rewards in folders and on the hub: what is saved is what is loaded, or one line says what is another."""

import json
import shutil

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from safetensors.numpy import load_file, save_file

from vlm_rewards.encoders.loading import PACKAGED_MODELS
from vlm_rewards.errors import ConfigError, SelfCheckError
from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.hub.saved_reward import CalibrationCurve, SavedReward
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.reward_preset import RewardPreset

LAMPS = TaskSet(
    name="lamps",
    version=3,
    goals=(Goal(id="lit", subject="the lamp on", instruction="switch it on"),),
    held_out=(Goal(id="red", subject="a red lamp", instruction="make it red"),),
    unachieved_captions=("a dark room, naïve | `café`",),
)
FAKE = RewardConfig(
    model="fake",
    template="a photo of [TASK]",
    negatives=NegativesSpec(kind="goals_and_states"),
    tau=0.1,
    beta=0.6,
    device="cpu",
)
CURVE = CalibrationCurve(
    dataset="lamps-1", beta=(0.1, 0.6), precision=(0.5, 0.9), recall=(1.0, 0.75), chosen={"precision": 0.9}
)


@pytest.fixture
def saved(tmp_path):
    return RewardModel(FAKE, LAMPS).save_pretrained(tmp_path / "lamp-reward", calibration=CURVE, license="mit")


def edited(folder, **changes):
    """Changes keys of reward.yaml, `reward__tau` for one within `reward`."""
    path = folder / "reward.yaml"
    values = yaml.safe_load(path.read_text())
    for keys, value in changes.items():
        inner = values
        *parents, last = keys.split("__")
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    path.write_text(yaml.safe_dump(values))
    return folder


def test_a_saved_reward_scores_as_the_one_that_was_saved(saved):
    model, loaded = RewardModel(FAKE, LAMPS), RewardModel.from_pretrained(saved)
    assert hash(loaded.config) != hash(model.config)  # a transport keeps models by their settings
    assert (loaded.fingerprint, loaded.task_set, loaded.beta) == (model.fingerprint, LAMPS, 0.6)
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(loaded.score(frames, ["lit"] * 5), model.score(frames, ["lit"] * 5))
    assert {path.name for path in saved.iterdir()} == {"reward.yaml", "calibration.json", "README.md"}
    assert "device" not in (saved / "reward.yaml").read_text()
    assert CalibrationCurve.read(saved / "calibration.json") == CURVE


def test_the_card_is_one_that_the_hub_reads(saved):
    card = ModelCard.load(saved / "README.md")
    assert (card.data.library_name, card.data.license) == ("vlm_rewards", "mit")
    assert "reward-model" in card.data.tags
    assert "base_model" not in card.data.to_dict()  # nothing of it is on the hub
    for said in (
        "`lit`: the lamp on",
        "0.6",
        "| 0.6 | 0.900 | 0.750 |",
        'from_pretrained("lamp-reward")',
        "precision 0.9",
    ):
        assert said in card.text, said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reward__tau": 0.2}, "tau changed"),
        ({"reward__beta": 0.9}, "beta changed"),
        ({"reward__template": "a picture of [TASK]"}, "prompts changed"),
        ({"task_set__version": 4}, "task_set changed"),
        ({"reward__head__form": "cosine"}, "head"),
        ({"fingerprint": "00"}, "fingerprint"),
        ({"surprise": 1}, "surprise"),
        ({"reward": "owner/other"}, "no mapping `reward`"),
        ({"task_set": "open_common_apps"}, "task_set"),
    ],
)
def test_what_was_changed_by_hand_is_named(saved, changes, says):
    with pytest.raises(ConfigError, match=says) as raised:
        RewardModel.from_pretrained(edited(saved, **changes))
    assert "\n" not in str(raised.value)
    assert "reward.yaml" in str(raised.value)


@pytest.mark.parametrize("model", ["/etc", "~/models", "../lamp", "./weights/../../lamp", "./nowhere", "./", "a b/c"])
def test_a_saved_reward_names_nothing_outside_its_folder(saved, model):
    (saved / "weights").mkdir()
    (saved.parent / "lamp").mkdir()
    with pytest.raises(ConfigError, match="names the"):
        SavedReward.read(edited(saved, reward__model=model))
    head = {"form": "cascade", "model": model, "threshold": 0.1}
    with pytest.raises(ConfigError, match="names the"):
        SavedReward.read(edited(saved, reward__model="fake", reward__head=head))


def test_a_link_out_of_the_folder_is_not_followed(saved, tmp_path):
    (saved / "weights").mkdir()
    (saved / "weights" / "out").symlink_to(PACKAGED_MODELS / "pocket-android")
    with pytest.raises(ConfigError, match="not in its folder"):
        SavedReward.read(edited(saved, reward__model="./weights/out"))


def test_another_model_under_the_same_name_is_refused_by_what_differs(tmp_path):
    source = shutil.copytree(PACKAGED_MODELS / "pocket-xs", tmp_path / "my-model")
    reward = RewardConfig(**{**FAKE.model_dump(include=FAKE.model_fields_set), "model": str(source)})
    model = RewardModel(reward, LAMPS)
    with pytest.raises(ConfigError, match="--with-weights"):
        model.save_pretrained(tmp_path / "saved")
    folder = model.save_pretrained(tmp_path / "saved", with_weights=True)
    assert "model: ./weights/my-model" in (folder / "reward.yaml").read_text()
    shutil.rmtree(source)
    assert RewardModel.from_pretrained(folder).fingerprint == model.fingerprint
    again = RewardModel.from_pretrained(folder).save_pretrained(tmp_path / "again", with_weights=True)
    assert RewardModel.from_pretrained(again).fingerprint == model.fingerprint

    (folder / "weights" / "my-model" / "self_check.json").unlink()
    file = folder / "weights" / "my-model" / "model.safetensors"
    weights = load_file(file)
    name = next(name for name, array in weights.items() if array.dtype == np.float16 and array.ndim)
    save_file({**weights, name: weights[name] + np.float16(0.01)}, file, {"format": "pt"})
    with pytest.raises(SelfCheckError, match=r"\(weights changed\)"):
        RewardModel.from_pretrained(folder)


@pytest.mark.parametrize(
    "head",
    [{"form": "ensemble", "models": ["pocket-s"]}, {"form": "cascade", "model": "pocket-s", "threshold": 0.1}],
    ids=lambda head: head["form"],
)
def test_a_reward_of_several_models_keeps_them_all(head, tmp_path):
    reward = RewardConfig(model="pocket-xs", template="a photo of [TASK]", tau=0.1, beta=0.6, head=head)
    model = RewardModel(reward, LAMPS)
    loaded = RewardModel.from_pretrained(model.save_pretrained(tmp_path))
    assert loaded.fingerprint == model.fingerprint
    assert {hashes.model for hashes in loaded.config.checkpoints} == {"pocket-xs", "pocket-s"}


def test_a_preset_names_a_saved_reward_wherever_it_names_one(saved, tmp_path):
    preset = RewardPreset.named_or_from_file(str(saved))
    assert preset.tasks == LAMPS
    written = tmp_path / "preset.yaml"
    written.write_text(f"reward: {saved}\ntask_set: open_common_apps\n")
    assert RewardPreset.named_or_from_file(str(written)).reward == preset.reward
    assert RewardPreset.from_file(saved / "reward.yaml").reward.tau == 0.1
    with pytest.raises(ConfigError, match="hub id"):
        RewardPreset.named_or_from_file("reward-poket")
    with pytest.raises(ConfigError, match=r"holds no reward\.yaml"):
        RewardPreset.named_or_from_file(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"beta": [0.1]}, "as many numbers"),
        ({"precision": [0.5, 1.5]}, r"in \[0, 1\]"),
        ({"beta": [0.6, 0.1]}, "must rise"),
        ({"betas": []}, "unknown key"),
    ],
)
def test_a_calibration_that_is_none_is_refused(tmp_path, values, says):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**json.loads(CURVE.model_dump_json()), **values}))
    with pytest.raises(ConfigError, match=says):
        CalibrationCurve.read(path)


@pytest.mark.parametrize("text", ["", "[1]", "\x00"])
def test_a_calibration_file_that_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(ConfigError, match=r"calibration\.json"):
        CalibrationCurve.read(tmp_path / "calibration.json")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write into"):
        RewardModel(FAKE, LAMPS).save_pretrained(tmp_path / "file" / "folder")
