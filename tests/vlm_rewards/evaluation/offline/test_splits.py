import numpy as np
import pytest
import yaml

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset, SplitSpec, split_trajectories
from vlm_rewards.evaluation.offline.splits import TrajectorySplit, check_split


@pytest.fixture
def rows(made_rows):
    return made_rows(trajectories=40, steps=4)


@pytest.fixture
def states(dataset_of, rows):
    return LabelledDataset.open(dataset_of(rows)).states


def test_homes_are_on_one_side(states):
    split = split_trajectories(states, SplitSpec(seed=1))
    assert set(split.calibration) | set(split.test) == set(range(40))
    homes = {name: set(states.home[states.rows_of(side)]) for name, side in vars(split).items()}
    assert not homes["calibration"] & homes["test"]


def test_the_split_depends_on_the_seed_and_not_on_the_other_trajectories(states):
    split = split_trajectories(states, SplitSpec(seed=1))
    assert np.array_equal(split_trajectories(states, SplitSpec(seed=1)).test, split.test)
    seeds = [split_trajectories(states, SplitSpec(seed=seed)).test.tolist() for seed in (1, 2, 3, 4)]
    assert len({str(test) for test in seeds}) > 1
    fewer = states.where(states.trajectory >= 2)
    assert set(split_trajectories(fewer, SplitSpec(seed=1)).test) == set(split.test) - {0, 1}


def test_a_split_by_trajectory_that_shares_homes_leaks(states):
    with pytest.raises(ConfigError, match=r"the split leaks: .* homes are in calibration and test"):
        split_trajectories(states, SplitSpec(unit="trajectory", seed=1))


def test_a_trajectory_on_both_sides_leaks(states, tmp_path):
    with pytest.raises(ConfigError, match=r"the split leaks: 1 trajectories .*first: 4"):
        check_split(states, TrajectorySplit(np.arange(5), np.arange(4, 40)))
    path = tmp_path / "split.yaml"
    path.write_text(yaml.safe_dump({"calibration": [0, 1, 2, 3], "test": [4, 5, 8, 9]}))
    split = split_trajectories(states, SplitSpec(file=str(path)))
    assert split.calibration.tolist() == [0, 1, 2, 3]
    path.write_text(yaml.safe_dump({"calibration": [0, 1, 2, 3, 4], "test": [4, 5]}))
    with pytest.raises(ConfigError, match="leaks"):
        split_trajectories(states, SplitSpec(file=str(path)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"calibration": [0]}, "must have the keys"),
        ({"calibration": [0], "test": [99]}, "names trajectory 99"),
        ({"calibration": [0], "test": ["a"]}, "list of trajectory numbers"),
        ({"calibration": [0], "test": [4, 5]}, "calibration side of the split has 4 states, 0 of which"),
    ],
)
def test_split_files_that_cannot_be_used_are_refused(states, tmp_path, values, message):
    path = tmp_path / "split.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=message):
        split_trajectories(states, SplitSpec(file=str(path)))


def test_without_homes_trajectories_are_divided(dataset_of, rows):
    for row in rows:
        del row["home_seed"]
    states = LabelledDataset.open(dataset_of(rows)).states
    split = split_trajectories(states, SplitSpec(seed=1))
    assert len(split.calibration)
    assert len(split.test)
    with pytest.raises(ConfigError, match="names no homes"):
        split_trajectories(states, SplitSpec(unit="home"))
