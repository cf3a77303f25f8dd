"""The sixty actions."""

import pytest
from android_env.components import action_type

from envs.android.actions import ACTION_INDEX, COLUMNS, MACRO_ACTIONS, ROWS, tap_index


def test_there_are_sixty_different_actions_in_a_fixed_order():
    names = [action.name for action in MACRO_ACTIONS]
    assert len(set(names)) == 60
    assert names[:2] == ["tap_0_0", "tap_0_1"]
    assert names[53:] == ["tap_8_5", "swipe_up", "swipe_down", "swipe_left", "swipe_right", "home", "back"]
    assert [ACTION_INDEX[name] for name in names] == list(range(60))


def test_a_tap_touches_the_centre_of_its_cell_lifts_and_looks():
    touch, lift, look = MACRO_ACTIONS[ACTION_INDEX["tap_3_4"]].steps
    kinds = [step.action["action_type"] for step in (touch, lift, look)]
    assert kinds == [action_type.ActionType.TOUCH, action_type.ActionType.LIFT, action_type.ActionType.REPEAT]
    assert touch.action["touch_position"] == pytest.approx((4.5 / COLUMNS, 3.5 / ROWS))
    assert lift.wait_s is None  # as long as the screen takes


def test_swipes_go_the_way_they_are_named():
    def travel(name):
        path = [step.action["touch_position"] for step in MACRO_ACTIONS[ACTION_INDEX[name]].steps[:-2]]
        (start_x, start_y), (end_x, end_y) = path[0], path[-1]
        return (round(end_x - start_x, 3), round(end_y - start_y, 3))

    assert travel("swipe_up") == (0.0, -0.5)
    assert travel("swipe_down") == (0.0, 0.5)
    assert travel("swipe_left") == (-0.6, 0.0)
    assert travel("swipe_right") == (0.6, 0.0)


def test_tap_index_is_the_cell_of_a_point():
    for index, action in enumerate(MACRO_ACTIONS[: ROWS * COLUMNS]):
        x, y = action.steps[0].action["touch_position"]
        assert tap_index(x, y) == index
    assert tap_index(1.0, 1.0) == ROWS * COLUMNS - 1
