import numpy as np
import pytest

from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.embedding_store import EmbeddingStore, state_keys


@pytest.fixture
def states(dataset_of, rows):
    return LabelledDataset.open(dataset_of(rows)).states


def test_what_was_written_is_found_again_in_the_order_of_the_states(states, tmp_path):
    store = EmbeddingStore(tmp_path, "e" * 64, {"a": "1"}, rows_per_file=30)
    keys = state_keys(states.trajectory, states.step)
    values = np.random.default_rng(0).normal(size=(len(keys), 5)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(keys))
    for rows in np.array_split(order[:70], 7):
        store.add(keys[rows], values[rows], "e" * 64)
    # A kill loses what was not enough for a file.
    again = EmbeddingStore(tmp_path, "e" * 64, {"a": "1"})
    missing = again.missing(states)
    assert set(missing) == set(keys[order[60:]])
    with pytest.raises(RewardServiceError, match="20 of 80 states have no embedding"):
        again.load(states)
    again.add(keys[order[60:]], values[order[60:]], "e" * 64)
    again.flush()
    np.testing.assert_array_equal(again.load(states), values)
    chosen = states.where(states.trajectory == 3)
    np.testing.assert_array_equal(again.load(chosen), values[states.trajectory == 3])


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-3], lambda data: b"\0garbage"])
def test_a_damaged_file_is_named_in_one_line(states, tmp_path, damage):
    store = EmbeddingStore(tmp_path, "e" * 64, {"a": "1"})
    keys = state_keys(states.trajectory, states.step)
    store.add(keys, np.ones((len(keys), 5), np.float32), "e" * 64)
    store.flush()
    (path,) = store.folder.glob("*.parquet")
    path.write_bytes(damage(path.read_bytes()))
    for read in (store.missing, store.load):
        with pytest.raises(ConfigError, match=f"{path.name} is damaged; delete it") as caught:
            read(states)
        assert "\n" not in str(caught.value)


def test_bytes_that_changed_on_the_disk_are_no_embeddings(states, tmp_path):
    store = EmbeddingStore(tmp_path, "e" * 64, {"a": "1"})
    keys = state_keys(states.trajectory, states.step)
    values = np.random.default_rng(0).normal(size=(len(keys), 5)).astype(np.float32)
    store.add(keys, values, "e" * 64)
    store.flush()
    (path,) = store.folder.glob("*.parquet")
    data = bytearray(path.read_bytes())
    at = data.index(values[3].tobytes())
    data[at + 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="is damaged"):
        store.load(states)


def test_stores_of_other_encoders_and_datasets_are_apart(tmp_path):
    store = EmbeddingStore(tmp_path, "e" * 64, {"a": "1"})
    assert EmbeddingStore(tmp_path, "f" * 64, {"a": "1"}).folder != store.folder
    assert EmbeddingStore(tmp_path, "e" * 64, {"a": "2"}).folder != store.folder
    with pytest.raises(RewardServiceError, match="embeddings of encoder ffff"):
        store.add(np.zeros(1, np.int64), np.zeros((1, 4), np.float32), "f" * 64)
