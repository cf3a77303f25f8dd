"""A recording's file: it comes back as it was, and what is none is one line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experiments.damages import DAMAGES
from tests.vlm_rewards.evaluation.recording.recorded import grid_recording
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.recording import Recording
from vlm_rewards.evaluation.recording.recording import SCHEMA


@pytest.fixture(scope="module")
def recording():
    return grid_recording(10, most_bytes=16_000)


@pytest.fixture
def file(recording, tmp_path):
    recording.save(tmp_path / "recording.parquet")
    return tmp_path / "recording.parquet"


def test_it_comes_back_as_it_was(recording, file):
    back = Recording.load(file)
    assert back.facts == recording.facts
    assert back.facts.notes, "some pictures are left out"
    for one, other in zip(recording.episodes, back.episodes, strict=True):
        for name in ("number", "goal_id", "instruction", "family", "seed", "actor", "fires"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("action", "true_reward", "achieved", "score", "reward"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
        assert other.shares.similarity == pytest.approx(one.shares.similarity, abs=2e-5)
        assert np.array_equal(one.shares.caption, other.shares.caption)
        assert one.reward_frames.webp == other.reward_frames.webp
        assert np.array_equal(one.agent_frames.tile, other.agent_frames.tile)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_line(file, damage):
    DAMAGES[damage](file)
    with pytest.raises(ConfigError, match="evaluate the run again") as caught:
        Recording.load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def rewritten(file, change):
    table = pq.read_table(file)
    pq.write_table(change(table), file)


def other_facts(**values):
    def change(table):
        facts = json.loads(table.schema.metadata[b"vlm_rewards.recording"]) | values
        return table.replace_schema_metadata({b"vlm_rewards.recording": json.dumps(facts)})

    return change


def actions_of_two(table):
    """Fewer actions than states."""
    column = pa.array([[1, 2]] * len(table), pa.list_(pa.int32()))
    return table.set_column(SCHEMA.get_field_index("action"), SCHEMA.field("action"), column)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_facts(version=2), "of another version than 1"),
        (other_facts(colour="red"), "of another version"),
        (lambda table: table.drop_columns(["rest"]), "of another version"),
        (lambda table: table.replace_schema_metadata(None), "no recording of episodes"),
        (actions_of_two, "damaged"),
    ],
)
def test_a_file_of_another_schema_is_one_line(file, change, says):
    rewritten(file, change)
    with pytest.raises(ConfigError, match=says) as caught:
        Recording.load(file)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no recording .*none\.parquet: evaluate the run again"):
        Recording.load(tmp_path / "none.parquet")
