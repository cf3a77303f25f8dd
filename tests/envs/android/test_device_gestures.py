"""What taps, swipes and keys do to the simulated phone."""

import pytest

from envs.android.apps import CATALOGUE
from envs.android.device import Phone
from envs.android.device.geometry import HEIGHT, HOME_GRID, WIDTH, Box
from envs.android.device.renderer import Surface
from vlm_rewards.errors import ConfigError

GMAIL = "com.google.android.gm"


@pytest.fixture
def phone() -> Phone:
    return Phone(seed=3)


def center(cell: Box) -> tuple[float, float]:
    return (cell.x + cell.w / 2) / WIDTH, (cell.y + cell.h / 2) / HEIGHT


def tap(phone: Phone, x: float, y: float) -> None:
    phone.touch_down(x, y)
    phone.touch_up()


def swipe(phone: Phone, start: tuple[float, float], end: tuple[float, float]) -> None:
    phone.touch_down(*start)
    phone.touch_move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    phone.touch_move(*end)
    phone.touch_up()


def left(phone: Phone) -> None:
    swipe(phone, (0.8, 0.5), (0.2, 0.5))


def right(phone: Phone) -> None:
    swipe(phone, (0.2, 0.5), (0.8, 0.5))


def up(phone: Phone) -> None:
    swipe(phone, (0.5, 0.8), (0.5, 0.3))


def down(phone: Phone) -> None:
    swipe(phone, (0.5, 0.3), (0.5, 0.8))


def test_a_tap_on_an_icon_brings_its_app_to_the_front(phone: Phone) -> None:
    tap(phone, *center(HOME_GRID.cell(0)))
    assert phone.foreground == GMAIL


def test_a_tap_between_icons_does_nothing(phone: Phone) -> None:
    cell = HOME_GRID.cell(0)
    tap(phone, (cell.x + cell.w) / WIDTH, (cell.y + cell.h) / HEIGHT)
    assert phone.view.surface is Surface.HOME
    assert phone.log_events() == []


def test_swipes_turn_launcher_pages_and_stop_at_the_ends(phone: Phone) -> None:
    pages = []
    for gesture in (left, left, right, right):
        gesture(phone)
        pages.append(phone.view.page)
    assert pages == [1, 1, 0, 0]


def test_a_short_drag_snaps_back(phone: Phone) -> None:
    swipe(phone, (0.5, 0.5), (0.42, 0.5))
    assert phone.view.page == 0


def test_the_second_page_needs_a_swipe(phone: Phone) -> None:
    left(phone)
    slot = phone.layout.pages[1].index([app.name for app in CATALOGUE.apps].index("Drive"))
    tap(phone, *center(HOME_GRID.cell(slot)))
    assert phone.foreground == CATALOGUE.by_name["Drive"].package


def test_swiping_up_shows_the_drawer_and_down_closes_it(phone: Phone) -> None:
    up(phone)
    assert phone.view.surface is Surface.DRAWER
    down(phone)
    assert phone.view.surface is Surface.HOME


def test_swiping_down_pulls_the_shade_and_up_pushes_it_back(phone: Phone) -> None:
    down(phone)
    assert phone.view.shade == 1.0
    up(phone)
    assert phone.view == phone.view._replace(shade=0.0, surface=Surface.HOME)


def test_back_closes_the_shade_and_keeps_the_app(phone: Phone) -> None:
    phone.launch(GMAIL)
    swipe(phone, (0.5, 0.01), (0.5, 0.6))
    assert (phone.view.shade, phone.foreground) == (1.0, None)
    phone.key("BACK")
    assert (phone.view.shade, phone.foreground) == (0.0, GMAIL)


@pytest.mark.parametrize("gesture", [left, right, up, down])
def test_swipes_in_an_app_do_not_leave_it(phone: Phone, gesture) -> None:
    phone.launch(GMAIL)
    gesture(phone)
    assert phone.foreground == GMAIL


@pytest.mark.parametrize("key", ["HOME", "BACK"])
def test_home_and_back_leave_an_app_for_the_launcher(phone: Phone, key: str) -> None:
    up(phone)
    phone.launch(GMAIL)
    phone.key(key)
    assert (phone.foreground, phone.view.surface) == (None, Surface.HOME)


def test_recents_returns_to_the_other_app(phone: Phone) -> None:
    phone.launch(GMAIL)
    phone.launch("com.android.settings")
    phone.key("RECENTS")
    assert phone.foreground == GMAIL


def test_lifting_without_a_finger_does_nothing(phone: Phone) -> None:
    phone.touch_up()
    assert phone.view.surface is Surface.HOME


def test_unknown_names_are_refused(phone: Phone) -> None:
    with pytest.raises(ConfigError, match=r"com\.google\.android\.gm"):
        phone.launch("com.google.android.gmm")
    with pytest.raises(ConfigError, match="RECENTS"):
        phone.key("MENU")
    with pytest.raises(ConfigError, match="shuffled"):
        Phone(layout="random")


def test_only_cold_starts_are_logged(phone: Phone) -> None:
    phone.launch(GMAIL)
    phone.key("HOME")
    phone.launch(GMAIL)
    events = phone.log_events()
    assert [(event.level, event.tag) for event in events] == [("I", "ActivityTaskManager")]
    assert events[0].message.startswith(f"Displayed {GMAIL}/.ConversationListActivityGmail: +")
    assert events[0].message.endswith("ms")
    phone.force_stop(GMAIL)
    phone.launch(GMAIL)
    assert len(phone.log_events()) == 1
    assert phone.log_events() == []


def test_stopping_all_apps_shows_the_launcher(phone: Phone) -> None:
    phone.launch(GMAIL)
    phone.force_stop()
    assert (phone.foreground, phone.running) == (None, ())


def test_only_tick_moves_the_clock(phone: Phone) -> None:
    before = phone.now
    tap(phone, *center(HOME_GRID.cell(0)))
    phone.render(96, 60)
    assert (phone.clock_seconds, phone.now) == (0.0, before)
    phone.tick(90.0)
    assert (phone.clock_seconds, (phone.now - before).total_seconds()) == (90.0, 90.0)
    phone.reset(4)
    assert phone.clock_seconds == 90.0
