"""Wrong weights never serve: each way of being wrong is refused with a line that names it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.proof import SelfCheckRecord, write_record
from vlm_rewards.encoders.proof.check import SANITY_TEXTS, sanity_frames
from vlm_rewards.errors import CheckpointError, ConfigError, SelfCheckError
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.self_check.__main__ import app


@pytest.fixture(params=["clip", "pocket"])
def folder(request: pytest.FixtureRequest, clip_folder: Path, pocket_folder: Path, tmp_path: Path) -> Path:
    """A recorded copy to damage."""
    source = {"clip": clip_folder, "pocket": pocket_folder}[request.param]
    copy = Path(shutil.copytree(source, tmp_path / "model"))
    encoder = load_encoder(str(copy))
    write_record(copy, encoder, sanity_frames(*encoder.image_size), SANITY_TEXTS)
    return copy


def refused(folder: Path) -> str:
    with pytest.raises(SelfCheckError) as caught:
        load_encoder(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_untouched_folder_passes_and_moves_freely(folder, tmp_path):
    before = load_encoder(str(folder)).fingerprint
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert load_encoder(str(moved)).fingerprint == before


def test_one_changed_weight_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "text" in name and weights[name].ndim == 2)
    weights[name][0, 0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "its weights differ from the record" in refused(folder)


def test_weights_of_another_training_are_refused_with_the_change_of_a_cosine(clip_folder, make_clip, tmp_path):
    ours = Path(shutil.copytree(clip_folder, tmp_path / "ours"))
    encoder = load_encoder(str(ours))
    write_record(ours, encoder, sanity_frames(*encoder.image_size), SANITY_TEXTS)
    other = make_clip(tmp_path / "other", seed=1)
    shutil.copy(other / "model.safetensors", ours / "model.safetensors")
    message = refused(ours)
    assert "its weights differ" in message
    assert "largest change of a cosine" in message
    assert "was recorded (image" in message


def test_resaving_the_same_weights_changes_nothing(folder):
    before = load_encoder(str(folder)).fingerprint
    weights = load_file(folder / "model.safetensors")
    save_file(dict(reversed(weights.items())), folder / "model.safetensors", metadata={"format": "pt", "by": "me"})
    assert load_encoder(str(folder)).fingerprint == before


@pytest.mark.parametrize("change", [{"image_mean": [0.1, 0.1, 0.1]}, {"resample": 2}, {"rescale_factor": 1.0}], ids=str)
def test_other_preprocessing_is_refused(folder, change):
    edit_json(folder / "preprocessor_config.json", **change)
    assert "its preprocessing differ from the record" in refused(folder)


def test_a_swapped_tokenizer_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["red"], vocabulary["blue"] = vocabulary["blue"], vocabulary["red"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "its tokenizer differ from the record" in refused(folder)


def test_a_tokenizer_that_keeps_its_vocabulary_but_not_its_rules_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "its tokenizer differ from the record" in refused(folder)


def test_another_architecture_under_the_same_weights_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["hidden_act"] = "relu"
    (folder / "config.json").write_text(json.dumps(config))
    assert "its architecture differ from the record" in refused(folder)


def test_same_files_that_compute_something_else_are_refused(folder):
    record = json.loads((folder / "self_check.json").read_text())
    record["similarities"][2][1] += 0.01
    (folder / "self_check.json").write_text(json.dumps(record))
    message = refused(folder)
    assert "has its recorded files but computes something else in fp32" in message
    assert "image 2.png against 'a blue square on a white background'" in message


@pytest.mark.parametrize("damage", ["{", '{"parts": 3}', '{"unknown": 1}'])
def test_a_damaged_record_is_refused(folder, damage):
    (folder / "self_check.json").write_text(damage)
    assert "self_check.json is damaged" in refused(folder)


def test_a_missing_known_image_is_refused(folder):
    (folder / "self_check" / "1.png").unlink()
    assert "1.png cannot be read" in refused(folder)


def test_a_reward_model_does_not_start_on_wrong_weights(folder, task_set):
    edit_json(folder / "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1])
    with pytest.raises(SelfCheckError, match="preprocessing differ"):
        RewardModel(RewardConfig(model=str(folder), tau=0.1, beta=0.5), task_set)


def broken_copy(clip_folder: Path, tmp_path: Path, change) -> Path:
    copy = Path(shutil.copytree(clip_folder, tmp_path / "broken"))
    weights = load_file(copy / "model.safetensors")
    change(weights)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def test_without_a_record_weights_of_zeros_are_refused(clip_folder, tmp_path):
    def zeros(weights):
        for name in weights:
            if name.startswith("vision_model"):
                weights[name].zero_()

    message = refused(broken_copy(clip_folder, tmp_path, zeros))
    assert "gives images 0 and 1 the same embedding" in message or "of length 0.000" in message


def test_without_a_record_nan_weights_are_refused(clip_folder, tmp_path):
    def nan(weights):
        weights["text_projection.weight"][0, 0] = torch.nan

    assert "gives embeddings of texts that are not finite" in refused(broken_copy(clip_folder, tmp_path, nan))


def test_without_a_record_a_text_tower_deaf_to_later_words_is_refused(clip_folder, tmp_path):
    """The trap of pooling at the largest token id: what follows it cannot be heard by a causal tower."""
    copy = Path(shutil.copytree(clip_folder, tmp_path / "deaf"))
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 2
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="would not read sentences to their end"):
        load_encoder(str(copy))


def test_a_record_needs_something_to_record(pocket_folder, tmp_path):
    with pytest.raises(ConfigError, match="at least one image and at least one text"):
        write_record(tmp_path, load_encoder(str(pocket_folder)), [], ["a"])


def test_the_command_records_and_verifies(clip_folder, tmp_path):
    copy = Path(shutil.copytree(clip_folder, tmp_path / "model"))
    from PIL import Image

    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "known.png")
    runner = CliRunner()
    result = runner.invoke(app, ["record", str(copy), "--image", str(tmp_path / "known.png"), "--text", "a grey area"])
    assert result.exit_code == 0, result.output
    assert SelfCheckRecord.read(copy).texts == ("a grey area",)
    assert "is sound, fingerprint" in runner.invoke(app, ["verify", str(copy)]).output
    edit_json(copy / "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1])
    result = runner.invoke(app, ["verify", str(copy)])
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert result.output.count("\n") == 1
    # Recording anew is the way to accept a change.
    assert runner.invoke(app, ["record", str(copy)]).exit_code == 0
    assert runner.invoke(app, ["verify", str(copy)]).exit_code == 0


def test_the_command_refuses_what_is_no_model_folder(tmp_path):
    result = CliRunner().invoke(app, ["record", "fake"])
    assert result.exit_code == 1
    assert "is not a model folder" in result.output
    result = CliRunner().invoke(app, ["record", str(tmp_path)])
    assert result.exit_code == 1
    assert "has no config.json" in result.output
