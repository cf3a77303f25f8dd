"""Checkpoints that are no usable dual encoder, each refused with one clear line."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

from vlm_rewards.encoders import load_encoder, packaged_models
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError, ConfigError


@pytest.fixture
def folder(clip_folder: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(clip_folder, tmp_path / "model"))


def refused(model: Path | str, kind: type[Exception] = CheckpointError) -> str:
    with pytest.raises(kind) as caught:
        load_encoder(str(model))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_name_gets_near_matches():
    assert "unknown model 'pocket-andriod'; did you mean 'pocket-android'" in refused("pocket-andriod", ConfigError)


def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id(tmp_path):
    assert "unknown model" in refused(tmp_path / "nothing", ConfigError)
    assert "unknown model" in refused("./models/nothing", ConfigError)
    for name in ("~nobody_here/model", "./" + "x" * 5000, "a\0b"):
        message = refused(name, ConfigError)
        assert "unknown model" in message
        assert len(message) < 600


def test_a_hub_id_that_cannot_be_reached_says_what_to_check(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = refused("nobody/no-such-model")
    assert "'nobody/no-such-model' cannot be read from the hub" in message
    assert "check the id and the network, or give a folder" in message


def test_packaged_models_are_listed():
    assert "pocket-android" in packaged_models()


@pytest.mark.parametrize(
    ("config", "model_class", "lacking"),
    [
        (
            BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1, vocab_size=99),
            BertModel,
            "image and text",
        ),
        (ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1]), ResNetModel, "image and text"),
    ],
    ids=["text only", "image only"],
)
def test_a_single_tower_is_no_dual_encoder(folder, config, model_class, lacking):
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with quiet_transformers():
        model_class(config).save_pretrained(folder)
    message = refused(folder)
    assert f"is a '{config.model_type}' model without {lacking} embeddings; use a dual encoder" in message


def test_pickled_weights_are_never_read(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickled weights only, which are never loaded" in refused(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no model.safetensors"),
        (
            "preprocessor_config.json",
            "has no preprocessor_config.json or processor_config.json; save the image processor",
        ),
        ("tokenizer_config.json", "has no tokenizer_config.json; save the tokenizer"),
    ],
)
def test_a_missing_file_is_named(folder, name, message):
    (folder / name).unlink()
    assert message in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
def test_a_truncated_file_is_a_clear_error(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    assert str(folder) in refused(folder)


def test_missing_weights_are_not_filled_with_random_numbers(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    message = refused(folder)
    assert "lacks 1 weights of CLIPModel (first: visual_projection.weight)" in message


def test_a_tokenizer_too_large_for_the_text_tower_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = 50
    (folder / "config.json").write_text(json.dumps(config))
    assert "tokens, but its text tower knows 50" in refused(folder)


def test_code_in_a_checkpoint_is_never_run(folder):
    proof = folder / "ran"
    (folder / "evil.py").write_text(f"open({str(proof)!r}, 'w')\nclass Evil: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder)
    assert not proof.exists()


def test_an_image_size_that_the_tower_cannot_read_is_refused(folder):
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["crop_size"] = {"height": 40, "width": 40}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    assert "do not run on their own inputs" in refused(folder)
