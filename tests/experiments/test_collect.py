import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from experiments.collect import app
from experiments.datasets.collecting import collect, dataset_files, decode_images, load_config, read_dataset
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.dataset import read_manifest


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset") / "small"
    config = load_config("small")
    return config, folder, collect(config, folder, shard_trajectories=5)


def test_labels_are_those_of_the_episodes(dataset):
    config, folder, manifest = dataset
    rows = [row for path in dataset_files(folder) for row in pq.read_table(path).to_pylist()]
    assert len(rows) == manifest["steps"]
    assert len(manifest["files"]) == 3
    assert {row["family"] for row in rows} == {"find", "lift", "pick_place"}
    by_trajectory = {}
    for row in rows:
        by_trajectory.setdefault(row["trajectory"], []).append(row)
    assert list(by_trajectory) == list(range(12))
    assert len({row["policy"] for row in rows}) >= 3
    for steps in by_trajectory.values():
        assert [row["step"] for row in steps] == list(range(len(steps)))
        assert len(steps) <= config.max_steps[steps[0]["family"]] + 1
        success = [row["is_success"] for row in steps]
        assert success == sorted(success)
        assert sum(row["reward"] for row in steps) == float(success[-1])
        assert all(row["is_success"] for row in steps if row["goal_achieved"])
    assert 0.02 <= manifest["positive_share"] <= 0.3


def test_it_is_remade_bit_by_bit(dataset, tmp_path):
    config, _, manifest = dataset
    again = collect(config, tmp_path / "again", shard_trajectories=5)
    assert again == manifest
    other = collect(config.model_copy(update={"seed": 8}), tmp_path / "other")
    assert other["content_sha256"] != manifest["content_sha256"]


def test_ray_data_reads_it(dataset, ray_session):
    _, folder, manifest = dataset
    data = read_dataset(folder)
    assert data.count() == manifest["steps"]
    batch = data.map_batches(decode_images, batch_size=64).take_batch(10)
    assert batch["image"].shape == (10, 64, 64, 3)
    assert batch["image"].dtype == np.uint8
    written = {
        (row["trajectory"], row["step"]): row["image"]
        for path in dataset_files(folder)
        for row in pq.read_table(path).to_pylist()
    }
    images = np.array([written[key] for key in zip(batch["trajectory"], batch["step"], strict=True)], dtype=object)
    np.testing.assert_array_equal(decode_images({"image": images})["image"], batch["image"])


def test_damage_and_absence_are_noticed(dataset, tmp_path):
    config, folder, manifest = dataset
    with pytest.raises(ConfigError, match="holds no dataset"):
        dataset_files(tmp_path)
    with pytest.raises(ConfigError, match="already holds a dataset"):
        collect(config, folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    for name in manifest["files"]:
        (copy / name).write_bytes((folder / name).read_bytes()[:-1] + b"x")
    with pytest.raises(ConfigError, match="missing or damaged"):
        dataset_files(copy)


def test_bad_configs_are_refused():
    config = load_config("small").model_dump()
    from experiments.datasets.collecting import CollectConfig

    with pytest.raises(ConfigError, match="sum to 1"):
        CollectConfig(**{**config, "policies": {"oracle": 0.5}})
    with pytest.raises(ConfigError, match="unknown preset 'tiny'"):
        load_config("tiny")


def test_settings_can_be_changed_from_the_command_line(tmp_path):
    arguments = ["--set", "trajectories={find: 2}", "--set", "seed=8", "--out", str(tmp_path / "data")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    shown = [line.split() for line in result.output.splitlines()[:2]]
    assert shown == [["trajectories", "1/2"], ["trajectories", "2/2"]]
    manifest = read_manifest(tmp_path / "data")
    assert manifest["trajectories"] == 2
    assert manifest["config"]["seed"] == 8
    assert json.loads(result.stdout)["trajectories"] == 2
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "already holds a dataset" in again.output
