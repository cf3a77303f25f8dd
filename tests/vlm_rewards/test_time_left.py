"""How long work will still take, in words."""

import pytest

from vlm_rewards.time_left import TimeLeft, duration


def test_the_rest_takes_as_long_as_the_beginning_did():
    clock = iter([100.0, 130.0, 160.0, 160.0]).__next__
    left = TimeLeft(total=40, done=10, clock=clock)
    assert left.seconds(15) == 30 * 25 / 5
    assert left.text(40) == ""
    assert left.seconds(10) is None, "nothing new is done, so nothing tells"


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (59.6, "60 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_in_the_unit_that_fits(seconds, words):
    assert duration(seconds) == words
