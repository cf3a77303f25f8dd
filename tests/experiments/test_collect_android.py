"""Labelled screens of the phone: the same format, made again bit by bit, and right by another judge."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.datasets.collecting import collect, load_config
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset, SplitSpec, measure, split_trajectories
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

GOALS = TaskSet.named("open_common_apps")


@pytest.fixture(scope="module")
def screens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("android") / "screens"
    config = load_config("android_small")
    return config, folder, collect(config, folder, shard_trajectories=10)


def test_labels_are_those_of_the_episodes(screens):
    _, folder, manifest = screens
    table = pa.concat_tables([pq.read_table(path) for path in LabelledDataset.open(folder).files])
    assert len(table) == manifest["steps"]
    assert len(manifest["files"]) == 3
    rows = table.to_pylist()
    assert {row["policy"] for row in rows} == {"scripted", "noisy", "random"}
    assert {row["family"] for row in rows} == {"open_common_apps"}
    assert len({row["goal_id"] for row in rows}) == 14, "goals of both splits take turns"
    for row in rows:
        assert not row["goal_achieved"] or row["is_success"]
        assert (row["action"] == -1) == (row["step"] == 0)
    assert sum(row["goal_achieved"] for row in rows) < sum(row["is_success"] for row in rows), "apps are left again"
    assert 0.1 < manifest["positive_share"] < 0.5
    assert all(row["home_seed"] >= 1 << 30 for row in rows), "content of the eval range"


def test_they_are_made_again_bit_by_bit(screens, tmp_path):
    config, _, manifest = screens
    few = config.model_copy(update={"trajectories": 5})
    first, second = collect(few, tmp_path / "a"), collect(few, tmp_path / "b")
    assert first == second
    assert first["content_sha256"] != manifest["content_sha256"]
    other = collect(few.model_copy(update={"seed": 8}), tmp_path / "c")
    assert other["content_sha256"] != first["content_sha256"]


def test_the_packaged_model_agrees_with_the_labels(screens):
    _, folder, _ = screens
    dataset = LabelledDataset.open(folder)
    config = RewardConfig(
        model="pocket-android", template="D", negatives=NegativesSpec(kind="goals_and_states"), tau=0.05, beta=0.9
    )
    model = RewardModel(config, GOALS)
    frames = decode_frames(png for batch in dataset.batches(64) for png in batch["image"])
    scores = model.score(frames, list(dataset.states.goal_id))
    found = measure(scores, dataset.states, config.beta, resamples=50)
    assert found.average_precision > 0.98
    assert found.precision > 0.98
    split = split_trajectories(dataset.states, SplitSpec())
    assert len(split.calibration)
    assert len(split.test)


def test_bad_settings_are_refused(screens):
    config, _, _ = screens
    with pytest.raises(ConfigError, match="sum to 1"):
        type(config)(**{**config.model_dump(), "policies": {"oracle": 1.0}})
    with pytest.raises(ConfigError, match="'android_small'"):
        load_config("android_smal")
