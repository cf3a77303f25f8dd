import json

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames


def test_states_come_in_order_and_frames_are_theirs(dataset_of, rows):
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    dataset = LabelledDataset.open(dataset_of(shuffled))
    states = dataset.states
    assert list(zip(states.trajectory, states.step, strict=True)) == [(r["trajectory"], r["step"]) for r in rows]
    assert states.goal_achieved.tolist() == [row["goal_achieved"] for row in rows]
    assert states.home.tolist() == [row["home_seed"] for row in rows]
    assert dataset.frame_size == (16, 8)
    frames = {(r["trajectory"], r["step"]): r["image"] for r in rows}
    seen = 0
    for batch in dataset.part([2, 5]).batches(7):
        assert set(batch["trajectory"]) <= {2, 5}
        for trajectory, step, frame in zip(
            batch["trajectory"], batch["step"], decode_frames(batch["image"]), strict=True
        ):
            np.testing.assert_array_equal(frame, frames[trajectory, step])
            seen += 1
    assert seen == 16


def test_parts_are_whole_trajectories(dataset_of, rows):
    dataset = LabelledDataset.open(dataset_of(rows))
    assert dataset.families == ("lift", "find")
    assert set(dataset.of_families(["find"]).trajectories) == {1, 3, 5, 7, 9}
    limited = dataset.limited(4)
    assert len(limited.trajectories) == 4
    assert len(limited.states) == 32
    assert limited.trajectories[-1] == 9
    assert dataset.limited(100) is dataset
    assert limited.fingerprint != dataset.fingerprint
    with pytest.raises(ConfigError, match="no family 'fnd'; did you mean 'find'"):
        dataset.of_families(["fnd"])


def test_no_dataset_is_no_dataset(tmp_path):
    with pytest.raises(ConfigError, match="holds no dataset"):
        LabelledDataset.open(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds no dataset"):
        LabelledDataset.open(tmp_path)


@pytest.mark.parametrize("column", ["goal_achieved", "goal_id", "image"])
def test_missing_labels_are_refused(dataset_of, rows, column):
    rows[50][column] = None
    with pytest.raises(ConfigError, match=f"1 of 40 states in .* have no {column}"):
        LabelledDataset.open(dataset_of(rows))


def test_a_missing_column_is_refused(dataset_of, rows):
    for row in rows:
        del row["goal_achieved"]
    with pytest.raises(ConfigError, match="no column 'goal_achieved'"):
        LabelledDataset.open(dataset_of(rows))


def test_a_changed_file_is_refused(dataset_of, rows):
    folder = dataset_of(rows)
    data = bytearray((folder / "part-0001.parquet").read_bytes())
    data[100] ^= 1
    (folder / "part-0001.parquet").write_bytes(data)
    with pytest.raises(ConfigError, match=r"part-0001.parquet is missing or damaged"):
        LabelledDataset.open(folder)
    (folder / "part-0001.parquet").unlink()
    with pytest.raises(ConfigError, match=r"part-0001.parquet is missing or damaged"):
        LabelledDataset.open(folder)


def test_frames_of_another_size_are_refused(dataset_of, rows):
    rows[17]["image"] = np.zeros((16, 9, 3), np.uint8)
    with pytest.raises(ConfigError, match="16x8, 16x9, but its manifest says 16x8"):
        LabelledDataset.open(dataset_of(rows))


def test_frames_of_another_size_than_the_manifests_are_refused(dataset_of, rows):
    with pytest.raises(ConfigError, match="are 16x8, but its manifest says 32x32"):
        LabelledDataset.open(dataset_of(rows, size=(32, 32)))


def test_a_state_that_occurs_twice_is_refused(dataset_of, rows):
    with pytest.raises(ConfigError, match="a state twice"):
        LabelledDataset.open(dataset_of([*rows, rows[3]]))


def test_a_family_without_a_success_is_named(dataset_of, rows):
    for row in rows:
        row["goal_achieved"] &= row["family"] == "lift"
    dataset = LabelledDataset.open(dataset_of(rows))
    dataset.of_families(["lift"]).check_positives()
    with pytest.raises(ConfigError, match="in family 'find' of dataset 'made' no state has reached its goal"):
        dataset.check_positives()


def test_files_that_are_no_parquet_or_hold_no_png_are_refused(dataset_of, rows, tmp_path):
    folder = dataset_of(rows)
    manifest = json.loads((folder / "manifest.json").read_text())
    import hashlib

    (folder / "part-0000.parquet").write_bytes(b"no parquet")
    manifest["files"]["part-0000.parquet"] = hashlib.sha256(b"no parquet").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="is no Parquet file"):
        LabelledDataset.open(folder)
