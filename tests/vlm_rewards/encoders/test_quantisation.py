"""An int8 image tower: made from frames, found by its checkpoint alone, with a fingerprint of its own."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.encoders.quantisation import quantise
from vlm_rewards.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.skipif(
    not openvino_is_installed() or importlib.util.find_spec("nncf") is None, reason="openvino or nncf is not installed"
)
# Large enough to be shrunk, so that calibration and use resize alike.
FRAMES = np.random.default_rng(0).integers(0, 256, (12, 50, 40, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module", params=["pocket", "clip"])
def quantised(request, pocket_folder, clip_folder, tmp_path_factory) -> Path:
    """A checkpoint folder with an int8 tower; not to be changed."""
    source = {"clip": clip_folder, "pocket": pocket_folder}[request.param]
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("int8") / "model"))
    where, record = quantise(str(folder), FRAMES, "noise")
    assert where == folder
    assert record.calibrated_on == "12 frames: noise"
    assert set(record.made_with) == {"nncf", "openvino", "torch"}
    return folder


def test_its_embeddings_are_near_those_of_fp32_and_of_length_1(quantised):
    exact, fast = (load_encoder(str(quantised), precision=precision) for precision in ("fp32", "int8"))
    expected, got = exact.embed_images(FRAMES), fast.embed_images(FRAMES)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert (expected * got).sum(axis=1).min() > 0.98
    assert np.abs(expected - got).max() > 1e-5  # it did compute in int8
    assert fast.precision == "int8"
    assert fast.fingerprint != exact.fingerprint
    np.testing.assert_array_equal(exact.embed_texts(["a red ball"]), fast.embed_texts(["a red ball"]))
    # The same bits alone, in company, and from the compiled model that the first one kept.
    again = load_encoder(str(quantised), precision="int8")
    np.testing.assert_array_equal(np.concatenate([again.embed_images(FRAMES[i : i + 1]) for i in range(12)]), got)


def test_auto_does_not_take_it_without_an_agreement(quantised):
    assert load_encoder(str(quantised), precision="auto").precision == "fp32"


def test_the_same_frames_give_the_same_numbers_and_others_another_fingerprint(quantised, tmp_path):
    first, copy = load_encoder(str(quantised), precision="int8"), Path(shutil.copytree(quantised, tmp_path / "copy"))
    quantise(str(copy), FRAMES, "noise")
    again = load_encoder(str(copy), precision="int8")
    np.testing.assert_array_equal(again.embed_images(FRAMES), first.embed_images(FRAMES))
    quantise(str(copy), FRAMES // 2, "darker noise")
    other = load_encoder(str(copy), precision="int8")
    assert other.fingerprint not in (first.fingerprint, again.fingerprint)


@pytest.mark.parametrize("name", ["image_tower.bin", "image_tower.xml"])
def test_a_changed_or_missing_file_is_refused(quantised, tmp_path, name):
    copy = Path(shutil.copytree(quantised, tmp_path / "copy"))
    path = copy / "int8" / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CheckpointError, match=f"{name} is not the recorded file"):
        load_encoder(str(copy), precision="int8")
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
        load_encoder(str(copy), precision="int8")
    assert load_encoder(str(copy), precision="fp32").precision == "fp32"


def test_a_damaged_record_is_refused(quantised, tmp_path):
    copy = Path(shutil.copytree(quantised, tmp_path / "copy"))
    (copy / "int8" / "quantised.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"quantised\.json is damaged"):
        load_encoder(str(copy), precision="int8")


def test_a_tower_of_other_weights_is_none(make_clip, quantised, tmp_path):
    other = make_clip(tmp_path / "other", seed=1)
    shutil.copytree(quantised / "int8", other / "int8")
    with pytest.raises(ConfigError, match=r"has no int8 image tower; make one with `python -m experiments\.precision"):
        load_encoder(str(other), precision="int8")


def test_what_cannot_be_is_refused(pocket_folder, monkeypatch):
    with pytest.raises(ConfigError, match="precision 'int8' needs encoder 'openvino'"):
        load_encoder(str(pocket_folder), encoder="torch", precision="int8")
    with pytest.raises(ConfigError, match="calibration needs frames"):
        quantise(str(pocket_folder), FRAMES[:0], "nothing")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nncf" else True)
    with pytest.raises(ConfigError, match=r"needs the package nncf; install vlm-rewards\[quantise\]"):
        quantise(str(pocket_folder), FRAMES, "noise")
