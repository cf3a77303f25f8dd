import json

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import import_source
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.shapes import random_shape

SHAPES = "vlm_rewards.pretraining.shapes:random_shape"


def spec(**changes) -> RenderSpec:
    return RenderSpec(**{"source": SHAPES, "count": 1100, "height": 16, "width": 12, "seed": 0, **changes})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> RenderedDataset:
    return RenderedDataset.render(spec(), tmp_path_factory.mktemp("data") / "shapes")


def test_every_image_stands_beside_its_own_captions(dataset):
    assert dataset.frames.shape == (1100, 16, 12, 3)
    for row in (0, 499, 500, 1099):
        drawn = random_shape(np.random.default_rng([0, row]), 16, 12)
        np.testing.assert_array_equal(dataset.frames[row], drawn.frame)
        assert tuple(dataset.captions[i] for i in dataset.caption_ids[row]) == drawn.captions
        assert dataset.labels[row] == drawn.label
    assert len(dataset.captions) == 24
    assert dataset.usual_captions()["red circle"] in {"a red circle", "a picture of a circle in red"}


def test_worker_processes_change_nothing(dataset, tmp_path):
    progress = []
    parallel = RenderedDataset.render(spec(), tmp_path / "data", workers=2, on_progress=progress.append)
    np.testing.assert_array_equal(parallel.frames, dataset.frames)
    assert parallel.caption_ids == dataset.caption_ids
    assert sorted(progress) == progress
    assert progress[-1] == 1100


def test_a_rendering_that_was_cut_off_continues(dataset, tmp_path, monkeypatch):
    folder = tmp_path / "data"
    RenderedDataset.render(spec(), folder)
    (folder / "captions-00000500.json").unlink()
    kept = (folder / "captions-00000000.json").stat().st_mtime_ns
    frames = np.lib.format.open_memmap(folder / "frames.npy", mode="r+")
    frames[500:] = 0
    frames[1000:] = dataset.frames[1000:]
    frames.flush()
    again = RenderedDataset.render(spec(), folder)
    np.testing.assert_array_equal(again.frames, dataset.frames)
    assert (folder / "captions-00000000.json").stat().st_mtime_ns == kept


@pytest.mark.parametrize("file", ["frames.npy", "captions-00000500.json", "meta.json"])
@pytest.mark.parametrize("damage", [None, lambda data: b"", lambda data: data[:-3], lambda data: b"\0garbage"])
def test_whatever_is_damaged_is_drawn_again(dataset, tmp_path, file, damage):
    folder = tmp_path / "data"
    RenderedDataset.render(spec(), folder)
    path = folder / file
    path.unlink() if damage is None else path.write_bytes(damage(path.read_bytes()))
    again = RenderedDataset.render(spec(), folder)
    np.testing.assert_array_equal(again.frames, dataset.frames)
    assert again.caption_ids == dataset.caption_ids
    assert again.labels == dataset.labels


@pytest.mark.parametrize("change", [{"seed": 1}, {"count": 1000}, {"height": 18}], ids=str)
def test_other_settings_never_reuse_old_images(dataset, tmp_path, change):
    RenderedDataset.render(spec(), tmp_path / "data")
    other = RenderedDataset.render(spec(**change), tmp_path / "data")
    fresh = RenderedDataset.render(spec(**change), tmp_path / "fresh")
    np.testing.assert_array_equal(other.frames, fresh.frames)


def test_another_renderer_under_the_same_name_never_reuses_old_images(tmp_path, monkeypatch):
    RenderedDataset.render(spec(count=20), tmp_path / "data")
    meta = json.loads((tmp_path / "data" / "meta.json").read_text())
    monkeypatch.setattr("vlm_rewards.pretraining.shapes.COLOURS", {"black": (0, 0, 0)})
    again = RenderedDataset.render(spec(count=20), tmp_path / "data")
    assert {label.split()[0] for label in again.labels} == {"black"}
    assert json.loads((tmp_path / "data" / "meta.json").read_text())["fingerprint"] != meta["fingerprint"]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "written as package.module:function"),
        ("no.such.module:f", {}, "cannot import the caption source"),
        ("vlm_rewards.pretraining.shapes:nothing", {}, "cannot import the caption source"),
        (SHAPES, {"colour": "red"}, "cannot be called"),
    ],
)
def test_an_unusable_source_is_named(tmp_path, source, options, message):
    with pytest.raises(ConfigError, match=message):
        RenderedDataset.render(spec(source=source, options=options), tmp_path / "data")


def test_options_reach_the_source():
    drawn = import_source(SHAPES, {"height": 10, "width": 20})(np.random.default_rng(0))
    assert drawn.frame.shape == (10, 20, 3)


def test_what_was_not_begun_is_not_waited_for_when_rendering_is_stopped(tmp_path):
    class StoppedError(Exception):
        pass

    def stop(done: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        RenderedDataset.render(spec(count=20_000), tmp_path / "data", workers=1, on_progress=stop)
    begun = list((tmp_path / "data").glob("captions-*.json"))
    assert 1 <= len(begun) <= 10
    done = []
    RenderedDataset.render(spec(count=20_000), tmp_path / "data", on_progress=done.append)
    assert len(done) == 40 - len(begun)
