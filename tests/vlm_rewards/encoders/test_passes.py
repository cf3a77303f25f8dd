"""Passes of fixed sizes: no frame lost, none twice, and only sizes whose rows are the same to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_rewards.encoders.passes import Passes, plan


def mean_colours(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(len(frames), -1, 3).mean(axis=1, dtype=np.float64).astype(np.float32)


class Recording:
    """A tower that keeps the sizes it was called with; `change` makes rows depend on the pass."""

    def __init__(self, change=lambda size, rows: rows):
        self.sizes, self.change = [], change

    def __call__(self, frames):
        self.sizes.append(len(frames))
        return self.change(len(frames), mean_colours(frames))


@given(st.integers(1, 200), st.sets(st.sampled_from([1, 2, 4, 8, 16, 64]), min_size=1))
@settings(max_examples=150, deadline=None)
def test_every_frame_is_in_one_pass_and_only_known_sizes_are_used(count, sizes):
    frames = np.random.default_rng(count).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8)
    tower = Recording()
    passes = Passes(tower, list(sizes))
    np.testing.assert_array_equal(passes(frames), mean_colours(frames))
    assert set(tower.sizes) <= sizes
    # What is padded is never a whole smaller pass more than it has to be.
    assert sum(tower.sizes) - count < min(size for size in sizes if size >= min(count, max(sizes)))


def test_few_passes_and_little_padding():
    sizes = (16, 8, 4, 2, 1)
    assert plan(32, sizes) == (16, 16)
    assert plan(11, sizes) == (8, 2, 1)
    assert plan(15, sizes) == (16,)  # one padded pass costs less than four
    assert plan(1, (8,)) == (8,)
    assert plan(9, (8,)) == (8, 8)


@pytest.mark.parametrize(
    ("change", "sizes"),
    [
        (lambda size, rows: rows, (8, 4, 2, 1)),
        (lambda size, rows: rows + (size < 4), (8, 4)),
        (lambda size, rows: np.nextafter(rows, 999, dtype=np.float32) if size == 2 else rows, (8, 4)),
        (lambda size, rows: rows + (size < 8), (8,)),
        # By their place: nothing but a pass of one can be trusted.
        (lambda size, rows: rows + np.arange(size, dtype=np.float32)[:, None], (1,)),
        (lambda size, rows: np.full_like(rows, np.nan), (8, 4, 2, 1)),
    ],
    ids=["all equal", "small ones differ", "one bit in one size", "only the largest", "by place", "nan"],
)
def test_only_sizes_with_the_same_rows_are_kept(change, sizes):
    assert Passes.proven(Recording(change), (3, 5), 8).sizes == sizes


def test_sizes_too_small_to_matter_are_not_tried():
    tower = Recording()
    assert Passes.proven(tower, (3, 5), 16, smallest=8).sizes == (16, 8)
    assert min(tower.sizes) == 8
