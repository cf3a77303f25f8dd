"""Folders of every kind load as they are, or are refused on one line: no traceback, no other model, no other file."""

import builtins
import io
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.vlm_rewards.encoders.checkpoint_corpus import BAD, GOOD, config, saved_by_transformers_5, text, vision
from vlm_rewards.encoders import checkpoint as checkpoint_module
from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.errors import CheckpointError, ConfigError


def loaded(folder):
    return load_encoder(str(folder), encoder="torch", self_check=False)


@pytest.fixture
def folder(clip_folder: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(clip_folder, tmp_path / "model"))


@pytest.fixture
def no_pickles(monkeypatch):
    """Fails where anything is unpickled."""

    def fail(*_, **__):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(torch, "load", fail)
    monkeypatch.setattr(pickle, "loads", fail)
    monkeypatch.setattr(pickle, "load", fail)


def test_the_corpus_is_large():
    assert len(BAD) + len(GOOD) >= 80


@pytest.mark.parametrize("name", GOOD)
def test_a_good_folder_loads_and_tells_texts_apart(folder, name, no_pickles):
    GOOD[name](folder)
    encoder = loaded(folder)
    texts = encoder.embed_texts(["a red square", "a red circle", "blue"])
    assert np.isfinite(texts).all()
    assert np.abs(texts[0] - texts[1]).max() > 1e-4
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_on_one_line(folder, name, no_pickles):
    change, says = BAD[name]
    change(folder)
    with pytest.raises(CheckpointError) as raised:
        loaded(folder)
    message = str(raised.value)
    assert says in message
    assert str(folder) in message
    assert "\n" not in message
    assert len(message) < 900


@pytest.mark.parametrize("name", [name for name in BAD if name.startswith("an index of")])
def test_no_file_outside_the_folder_is_opened(folder, name, monkeypatch):
    BAD[name][0](folder)
    opened, real, real_os = [], io.open, os.open

    def watched(path, *arguments, **options):
        opened.append(str(path))
        return real(path, *arguments, **options)

    def watched_os(path, *arguments, **options):
        opened.append(str(path))
        return real_os(path, *arguments, **options)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(io, "open", watched)
    monkeypatch.setattr(os, "open", watched_os)
    with pytest.raises(CheckpointError):
        loaded(folder)
    assert not any(path.endswith(("outside.safetensors", "passwd", ".bin")) for path in opened)


def test_a_processor_saved_by_transformers_5_gives_the_same_embeddings(folder, clip_folder):
    saved_by_transformers_5(folder)
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), dtype=np.uint8)
    before, after = loaded(clip_folder), loaded(folder)
    np.testing.assert_array_equal(after.embed_images(frames), before.embed_images(frames))
    assert after.fingerprint == before.fingerprint


def test_a_text_tower_that_counts_from_2_reads_two_tokens_fewer_than_it_has_positions(folder):
    GOOD["with a RoBERTa"](folder)
    encoder = loaded(folder)
    assert Checkpoint.load(str(folder)).max_tokens == 18
    assert encoder.embed_texts(["a " * 16]).shape == (1, 16)
    with pytest.raises(ConfigError, match="has 19 tokens"):
        encoder.embed_texts(["a " * 17])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (config(attn_implementation="eager"), ("eager", "eager")),
        (config(_attn_implementation="eager"), ("eager", "eager")),
        (text(attn_implementation="eager"), ("eager", "sdpa")),
        (vision(_attn_implementation="eager"), ("sdpa", "eager")),
        (lambda folder: None, ("sdpa", "sdpa")),
    ],
)
def test_the_attention_that_a_config_asks_for_is_used(folder, change, expected):
    change(folder)
    model = Checkpoint.load(str(folder)).model
    used = model.text_model.config._attn_implementation, model.vision_model.config._attn_implementation
    assert used == expected


def test_of_the_hub_only_the_files_that_are_checked_are_taken(folder, monkeypatch):
    """The same checks hold for what was downloaded."""
    asked = []

    def download(source, **options):
        asked.append(options["allow_patterns"])
        return str(folder)

    monkeypatch.setattr(checkpoint_module, "snapshot_download", download)
    GOOD["in several files"](folder)
    assert Checkpoint.load("someone/a-model").source == "someone/a-model"
    assert all("*.bin" not in patterns for patterns in asked)
    assert asked[1] == sorted(path.name for path in folder.glob("*.safetensors"))
    BAD["an adapter's settings"][0](folder)
    with pytest.raises(CheckpointError, match="adapter"):
        Checkpoint.load("someone/a-model")


def test_a_tilde_is_the_users_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_encoder("~/model", encoder="torch", self_check=False).image_size == (32, 32)
