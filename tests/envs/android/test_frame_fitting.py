"""Frames of one size shown at another."""

import numpy as np
import pytest

from envs.android.frame_fitting import fit_frame


def test_the_same_size_is_the_same_frame():
    frame = np.random.default_rng(0).integers(0, 256, (40, 25, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_frame(frame, 40, 25), frame)


@pytest.mark.parametrize(("size", "inner"), [((80, 80), (80, 50)), ((40, 100), (40, 25)), ((200, 50), (80, 50))])
def test_another_aspect_is_centred_on_black(size, inner):
    white = np.full((400, 250, 3), 255, np.uint8)
    fitted = fit_frame(white, *size)
    assert fitted.shape == (*size, 3)
    rows, columns = np.nonzero(fitted[..., 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == inner
    assert rows.min() == (size[0] - inner[0]) // 2
    assert columns.min() == (size[1] - inner[1]) // 2


def test_shrinking_averages():
    board = (np.indices((400, 250)).sum(axis=0) % 2 * 254).astype(np.uint8)
    fitted = fit_frame(np.stack([board] * 3, axis=-1), 200, 125)
    assert fitted.min() == fitted.max() == 127


def test_views_of_rgba_buffers_are_taken():
    rgba = np.random.default_rng(0).integers(0, 256, (40, 25, 4), dtype=np.uint8)
    np.testing.assert_array_equal(fit_frame(rgba[:, :, :3], 40, 25), rgba[:, :, :3])
