"""A cache that never answers for another frame, another encoder or another size, and stays within its bytes."""

import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_rewards.embedding_cache import ENTRY_OVERHEAD_BYTES, EmbeddingCache, distinct_frames, frame_keys
from vlm_rewards.encoders import FakeEncoder, load_encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig, RewardModel

ENTRY = 4 * 8 + ENTRY_OVERHEAD_BYTES


class CountingEncoder(FakeEncoder):
    """Counts the frames that it encodes."""

    frames = 0

    def embed_images(self, frames):
        self.frames += len(frames)
        return super().embed_images(frames)


def noise(n: int, seed: int = 0, shape: tuple[int, int] = (20, 16)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape, 3), dtype=np.uint8)


def vectors(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)


def config(**changes) -> RewardConfig:
    return RewardConfig(
        **{"model": "fake", "tau": 0.1, "beta": 0.5, "negatives": {"kind": "goals_and_states"}, **changes}
    )


def test_what_was_put_comes_back_to_the_bit_and_cannot_be_changed():
    cache, embeddings = EmbeddingCache(10_000), vectors(3)
    cache.put([b"a", b"b", b"c"], embeddings)
    expected = embeddings.copy()
    embeddings[:] = 0
    found = cache.get([b"c", b"x", b"a"])
    assert found[1] is None
    np.testing.assert_array_equal(found[0], expected[2])
    np.testing.assert_array_equal(found[2], expected[0])
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 1
    assert (cache.stats.hits, cache.stats.misses, cache.stats.entries) == (2, 1, 3)


def test_the_least_recently_used_goes_first():
    cache = EmbeddingCache(3 * ENTRY)
    cache.put([b"a", b"b", b"c"], vectors(3))
    cache.get([b"a"])
    cache.put([b"d"], vectors(1))
    assert [entry is not None for entry in cache.get([b"a", b"b", b"c", b"d"])] == [True, False, True, True]


@given(st.integers(1, 20 * ENTRY), st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=120))
@settings(max_examples=60, deadline=None)
def test_bytes_stay_within_the_limit_whatever_is_done(max_bytes, steps):
    cache, embeddings = EmbeddingCache(max_bytes), vectors(41)
    for put, number in steps:
        key = number.to_bytes(32, "big")
        if put:
            cache.put([key], embeddings[number : number + 1])
        else:
            (found,) = cache.get([key])
            assert found is None or np.array_equal(found, embeddings[number])
        stats = cache.stats
        assert stats.bytes <= max_bytes
        assert stats.bytes == stats.entries * ENTRY


def test_the_limit_is_about_real_memory():
    tracemalloc.start()
    try:
        cache = EmbeddingCache(2_000_000)
        for start in range(0, 8000, 100):
            keys = frame_keys(np.full((100, 1, 1, 3), 7, np.uint8), "e")
            keys = [key[:28] + (start + i).to_bytes(4, "big") for i, key in enumerate(keys)]
            cache.put(keys, np.zeros((100, 64), np.float32))
        # Of this file and the cache's: other threads of this process may be at work.
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*embedding_cache.py")])
        used = sum(statistic.size for statistic in ours.statistics("filename"))
    finally:
        tracemalloc.stop()
    assert 1_900_000 < cache.stats.bytes <= 2_000_000
    assert 0.5 * cache.stats.bytes < used < 1.1 * cache.stats.bytes


def test_embeddings_that_are_not_finite_are_not_kept():
    cache, embeddings = EmbeddingCache(10_000), vectors(3)
    embeddings[1, 3] = np.nan
    cache.put([b"a", b"b", b"c"], embeddings)
    assert [entry is None for entry in cache.get([b"a", b"b", b"c"])] == [False, True, False]


def test_a_cache_without_room_is_refused():
    with pytest.raises(ConfigError, match="at least 1 byte"):
        EmbeddingCache(0)


def test_threads_may_share_a_cache():
    cache, embeddings = EmbeddingCache(30 * ENTRY), vectors(100)
    keys = [i.to_bytes(32, "big") for i in range(100)]
    wrong = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            rows = rng.integers(0, 100, 4)
            for row, found in zip(rows, cache.get([keys[row] for row in rows]), strict=True):
                if found is None:
                    cache.put([keys[row]], embeddings[row : row + 1])
                elif not np.array_equal(found, embeddings[row]):
                    wrong.append(row)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    stats = cache.stats
    assert not wrong
    assert stats.hits + stats.misses == 6 * 300 * 4
    assert stats.bytes == stats.entries * ENTRY <= cache.max_bytes


def test_keys_tell_frames_shapes_and_encoders_apart():
    frames = noise(2)
    changed = frames.copy()
    changed[0, 11, 7, 1] ^= 1
    (key, _) = frame_keys(frames, "e")
    others = [
        frame_keys(changed, "e")[0],
        frame_keys(frames.reshape(2, 16, 20, 3), "e")[0],
        frame_keys(frames, "f")[0],
        frame_keys(frames, "e")[1],
    ]
    assert len({key, *others}) == 5
    assert frame_keys(frames.repeat(2, axis=2)[:, :, ::2], "e")[0] == key


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.sampled_from([(1, 1), (3, 2), (20, 16)]))
@settings(max_examples=60, deadline=None)
def test_distinct_frames_are_found_and_put_back(pattern, shape):
    # Kinds 0 to 2 differ in one byte only, which the quick look does not always see.
    base = noise(6, shape=shape)
    base[1] = base[2] = base[0]
    base[1, -1, -1, 2] ^= 1
    base[2, 0, 0, 1] ^= 1
    frames = base[pattern]
    rows, inverse = distinct_frames(frames)
    np.testing.assert_array_equal(frames[rows][inverse], frames)
    assert len(rows) == len({frame.tobytes() for frame in frames})
    assert list(rows) == sorted(rows)


def test_equal_frames_of_a_call_are_encoded_once(task_set):
    encoder = CountingEncoder()
    model = RewardModel(config(), task_set, encoder)
    frames = noise(5)[[0, 1, 0, 2, 2, 3, 4, 0]]
    embedded = model.embed(frames)
    assert encoder.frames == 5
    np.testing.assert_array_equal(embedded, FakeEncoder().embed_images(frames))


def test_frames_seen_before_are_not_encoded_again(task_set):
    encoder, cache = CountingEncoder(), EmbeddingCache(1_000_000)
    model = RewardModel(config(), task_set, encoder, cache)
    frames = noise(10)
    model.score(frames[:6], ["gmail"] * 6)
    model.score_all(frames[[2, 7, 5, 7, 8]], ["clock", "docs"])
    assert encoder.frames == 8
    assert (cache.stats.hits, cache.stats.misses, cache.stats.entries) == (3, 8, 8)
    # Other prompts and thresholds, same weights: the cache lives on.
    rephrased = RewardModel(config(template="A", beta=0.9), task_set, encoder, cache)
    rephrased.score(frames[:9], ["gmail"] * 9)
    assert encoder.frames == 9


def test_a_cache_never_answers_for_other_weights(task_set):
    class OtherWeights(FakeEncoder):
        def embed_images(self, frames):
            return -super().embed_images(frames)

    cache, frames = EmbeddingCache(1_000_000), noise(4)
    ours = RewardModel(config(), task_set, FakeEncoder(), cache)
    theirs = RewardModel(config(), task_set, OtherWeights(salt="other"), cache)
    np.testing.assert_array_equal(theirs.embed(frames), -ours.embed(frames))


def test_a_bad_embedding_is_not_remembered(task_set):
    class FailsOnce(FakeEncoder):
        calls = 0

        def embed_images(self, frames):
            self.calls += 1
            return super().embed_images(frames) * np.float32(np.nan if self.calls == 1 else 1)

    model = RewardModel(config(), task_set, FailsOnce(), EmbeddingCache(1_000_000))
    assert np.isnan(model.embed(noise(3))).all()
    assert np.isfinite(model.embed(noise(3))).all()


@pytest.mark.parametrize("kind", ["fake", "clip", "pocket"])
def test_cached_and_uncached_answers_are_identical(kind, task_set, request):
    name = "fake" if kind == "fake" else str(request.getfixturevalue(f"{kind}_folder"))
    encoder = load_encoder(name)
    plain = RewardModel(config(model=name), task_set, encoder)
    cached = RewardModel(config(model=name), task_set, encoder, EmbeddingCache(1_000_000))
    frames, rng = noise(30, shape=(24, 18)), np.random.default_rng(0)
    ids = [goal.id for goal in task_set.all_goals]
    for _ in range(25):
        rows = rng.integers(0, 30, rng.integers(1, 20))
        goal_ids = [ids[i] for i in rng.integers(0, len(ids), len(rows))]
        np.testing.assert_array_equal(cached.score(frames[rows], goal_ids), plain.score(frames[rows], goal_ids))
    assert cached.cache.stats.hits > 100
