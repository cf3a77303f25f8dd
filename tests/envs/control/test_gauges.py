"""Numbers as positions of light on lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.control.gauges import CLOSE_UP, COLUMNS, ROWS_PER_LINE, draw_gauges, read_gauges

LIMITS = (2.5, 4.0, 0.3)


@given(st.tuples(*(st.floats(-limit, limit) for limit in LIMITS)))
def test_what_is_drawn_can_be_read_back(values):
    picture = draw_gauges(values, LIMITS)
    assert (picture.dtype, picture.shape) == (np.uint8, (len(LIMITS) * ROWS_PER_LINE, COLUMNS, 3))
    assert np.all(np.abs(read_gauges(picture, LIMITS) - values) <= 1e-4 * 2 * np.array(LIMITS))


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_is_out_of_range_is_shown_at_its_end(sign):
    picture = draw_gauges([sign * 99, 0, 0], LIMITS)
    assert read_gauges(picture, LIMITS)[0] == sign * LIMITS[0]
    assert picture[0, -1 if sign > 0 else 0, 0] == 255


def test_a_line_has_a_point_a_close_up_and_a_level():
    picture = draw_gauges([2 / 31, 0, -1], [1, 1, 1])
    point, close_up, level = picture[0].T
    # Between -1 and 1 are 31 steps: 2/31 is one step from the middle, and this lies between two pixels.
    assert point.nonzero()[0].tolist() == [16, 17]
    assert point[16:18].tolist() == [128, 128]  # 127.5 rounded
    step = int(15.5 + CLOSE_UP)
    assert close_up[step : step + 2].tolist() == [128, 128]
    assert (level[:17] == 255).all()
    assert not level[18:].any()
    assert not picture[4, 1:, 0].any()


def test_the_level_rises_with_the_number():
    sums = [int(draw_gauges([x], [1])[0, :, 2].sum()) for x in np.linspace(-1, 1, 200)]
    assert sums == sorted(sums)
    assert sums[-1] > 30 * sums[0]
