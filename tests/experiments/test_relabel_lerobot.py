"""Datasets of LeRobot go in and come out. The two here were written by LeRobot 0.4.4; it is not needed to read them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.datasets.foreign import open_recording, rewards_by_episode
from experiments.offline.config import RelabelConfig
from experiments.offline.foreign_relabelling import ForeignRelabelling
from tests.lamps import LAMP_REWARD, LAMPS
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.integrations.lerobot_dataset import LeRobotRecording
from vlm_rewards.reward_model import RewardModel

DATASETS = Path(__file__).parent / "lerobot_v30"
# What the frames of both episodes show: rewarded where it is the goal of the episode.
PAID = [[0, 0, 0, 1, 1], [0, 0, 1]]


@pytest.fixture
def dataset(tmp_path):
    return Path(shutil.copytree(DATASETS / "image", tmp_path / "lamps"))


def relabel(source, out, **data):
    tasks = out.parent / "lamps.yaml"
    tasks.write_text(LAMPS.model_dump_json())
    settings = RelabelConfig(
        data={"dataset": str(source), "task_sets": {"lamps": str(tasks)}, **data},
        reward=LAMP_REWARD,
        served_by={"kind": "in_process"},
    )
    recording = open_recording(settings.data.dataset, settings.data.frames)
    ForeignRelabelling(settings, recording, out).execute(lambda done, total: None)


def rows(folder):
    return pq.read_table(folder / "data" / "chunk-000" / "file-000.parquet")


def check(source, out):
    old, new = rows(source), rows(out)
    rewards = np.concatenate(PAID).astype(np.float32)
    np.testing.assert_array_equal(new["vlm_reward"].to_numpy(), rewards)
    # Of the frame that follows; after an episode's last frame there is none.
    np.testing.assert_array_equal(new["next.reward"].to_numpy(), [0, 0, 1, 1, 1, 0, 1, 1])
    np.testing.assert_array_equal(new["env_reward"].to_numpy(), old["next.reward"].to_numpy())
    kept = [name for name in old.column_names if name != "next.reward"]
    assert new.select(kept).equals(old.select(kept))
    info = json.loads((out / "meta" / "info.json").read_text())
    assert {info["features"][name]["dtype"] for name in ("vlm_score", "vlm_reward", "env_reward")} == {"float32"}
    assert len(info["vlm_reward_fingerprint"]) == 64
    stats = json.loads((out / "meta" / "stats.json").read_text())
    assert stats["vlm_reward"]["mean"] == [3 / 8]
    described = json.loads(new.schema.metadata[b"huggingface"])["info"]["features"]
    assert set(described) == set(new.column_names)


def test_a_dataset_of_pictures_comes_out_with_rewards_and_nothing_else_changed(dataset, tmp_path):
    relabel(dataset, tmp_path / "out")
    check(dataset, tmp_path / "out")
    frames = np.stack([frame for episode in LeRobotRecording(dataset).episodes() for frame in episode.frames])
    scores = RewardModel(LAMP_REWARD, LAMPS).score(frames, ["lit"] * 5 + ["red"] * 3)
    np.testing.assert_array_equal(rows(tmp_path / "out")["vlm_score"].to_numpy(), scores)
    np.testing.assert_array_equal(frames[3], FakeEncoder().frame_of("a photo of the lamp on", 48, 64))
    # And in again: the first recording's own reward is still there.
    relabel(tmp_path / "out", tmp_path / "again")
    np.testing.assert_array_equal(rows(tmp_path / "again")["env_reward"], rows(dataset)["next.reward"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "lamps", "lamps.yaml", "out"]


def test_a_dataset_of_videos_keeps_them(tmp_path):
    pytest.importorskip("av", reason="pip install 'vlm-rewards[lerobot]'")
    relabel(DATASETS / "video", tmp_path / "out")
    check(DATASETS / "video", tmp_path / "out")
    lengths = [len(episode.frames) for episode in LeRobotRecording(DATASETS / "video").episodes()]
    assert lengths == [5, 3]
    name = Path("videos") / "observation.images.top" / "chunk-000" / "file-000.mp4"
    assert (tmp_path / "out" / name).read_bytes() == (DATASETS / "video" / name).read_bytes()


def change_info(folder, **values):
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def without_camera(folder):
    features = json.loads((folder / "meta" / "info.json").read_text())["features"]
    change_info(folder, features={name: kind for name, kind in features.items() if kind["dtype"] != "image"})


def two_cameras(folder):
    features = json.loads((folder / "meta" / "info.json").read_text())["features"]
    change_info(folder, features={**features, "observation.images.side": features["observation.images.top"]})


def pictures(change):
    def damage(folder):
        path = folder / "data" / "chunk-000" / "file-000.parquet"
        table = pq.read_table(path)
        name = "observation.images.top"
        column = pa.array([change(row) for row in table[name].to_pylist()], table[name].type)
        pq.write_table(table.set_column(table.column_names.index(name), name, column), path)

    return damage


def grey(row):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(row["bytes"])).convert("L").save(buffer, "png")
    return {**row, "bytes": buffer.getvalue()}


@pytest.mark.parametrize(
    ("damage", "data", "says"),
    [
        (lambda folder: (folder / "meta" / "info.json").write_text("{"), {}, "no LeRobotDataset"),
        (lambda folder: change_info(folder, codebase_version="v2.1"), {}, "v2.1.*convert"),
        (without_camera, {}, "no camera"),
        (two_cameras, {}, "name one: --frames observation.images.top"),
        (lambda folder: None, {"frames": "observation.images.tpo"}, "did you mean"),
        (lambda folder: None, {"goal": "lti"}, "did you mean 'lit'"),
        (lambda folder: shutil.rmtree(folder / "data"), {}, "fetch the whole dataset"),
        (lambda folder: shutil.rmtree(folder / "meta" / "episodes"), {}, "holds no episodes"),
        (pictures(lambda row: {**row, "bytes": b"words"}), {}, "cannot be read"),
        (pictures(grey), {}, r"shape \(48, 64\)"),
    ],
)
def test_what_cannot_be_relabelled_is_one_line(damage, data, says, dataset, tmp_path):
    damage(dataset)
    with pytest.raises(ConfigError, match=says) as raised:
        relabel(dataset, tmp_path / "out", **data)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_cut_off_goes_on(dataset, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(LeRobotRecording, "write", fail)
        with pytest.raises(OSError, match="full"):
            relabel(dataset, tmp_path / "out")
    assert len(rewards_by_episode(tmp_path / ".out.scores")) == 2
    relabel(dataset, tmp_path / "out")
    check(dataset, tmp_path / "out")
