"""Where icons are: fixed or shuffled, all reachable, hit where they are drawn."""

import numpy as np
import pytest

from envs.android.apps import APPS, COMMON_APPS
from envs.android.device import Phone
from envs.android.device.geometry import (
    DOCK_GRID,
    DRAWER_GRID,
    HEIGHT,
    HOME_GRID,
    ICON_MARGIN,
    SLOTS_PER_PAGE,
    WIDTH,
    Grid,
)

TAP_CELLS = [((column + 0.5) / 6, (row + 0.5) / 9) for row in range(9) for column in range(6)]


def tap(phone: Phone, x: float, y: float) -> None:
    phone.touch_down(x, y)
    phone.touch_up()


def swipe(phone: Phone, start: tuple[float, float], end: tuple[float, float]) -> None:
    phone.touch_down(*start)
    phone.touch_move(*end)
    phone.touch_up()


def reachable(layout: str, seed: int, *swipes: tuple[tuple[float, float], tuple[float, float]]) -> set[str]:
    """Packages that one tap into a cell of the 9 x 6 grid brings to the front after the swipes."""
    found = set()
    phone = Phone(seed, layout)
    for cell in TAP_CELLS:
        phone.reset(seed)
        for start, end in swipes:
            swipe(phone, start, end)
        tap(phone, *cell)
        found |= {phone.foreground} - {None}
    return found


LEFT = ((0.8, 0.5), (0.2, 0.5))
UP = ((0.5, 0.75), (0.5, 0.25))


def test_the_fixed_layout_is_the_same_for_every_seed() -> None:
    assert {Phone(seed).layout for seed in range(20)} == {Phone(0).layout}


def test_the_shuffled_layout_follows_the_seed() -> None:
    layouts = {Phone(seed, "shuffled").layout for seed in range(20)}
    assert len(layouts) == 20
    phone = Phone(3, "shuffled")
    before = phone.layout
    phone.reset(4)
    assert phone.layout != before
    phone.reset(3)
    assert phone.layout == before


@pytest.mark.parametrize(("layout", "seed"), [("fixed", 0), ("shuffled", 1), ("shuffled", 2)])
def test_pages_and_dock_hold_every_app_once_and_so_does_the_drawer(layout: str, seed: int) -> None:
    placement = Phone(seed, layout).layout
    home = [app for slots in (placement.dock, *placement.pages) for app in slots if app is not None]
    assert sorted(home) == sorted(placement.drawer) == list(range(len(APPS)))
    assert {len(page) for page in placement.pages} == {SLOTS_PER_PAGE}


@pytest.mark.parametrize(("layout", "seed"), [("fixed", 0), ("shuffled", 1)])
def test_the_agents_tap_cells_reach_every_app(layout: str, seed: int) -> None:
    everything = {app.package for app in APPS}
    assert reachable(layout, seed) | reachable(layout, seed, LEFT) == everything
    assert reachable(layout, seed, UP) == everything


def test_common_apps_are_one_tap_away_in_the_fixed_layout_and_some_need_a_page_swipe_in_a_shuffled_one() -> None:
    common = {app.package for app in COMMON_APPS}
    assert common <= reachable("fixed", 0)
    assert len(reachable("fixed", 0)) < len(APPS)
    assert not common <= reachable("shuffled", 0)


@pytest.mark.parametrize("grid", [HOME_GRID, DOCK_GRID, DRAWER_GRID])
def test_slots_are_hit_inside_their_cell_and_missed_between_cells(grid: Grid) -> None:
    for slot in range(grid.rows * grid.columns):
        cell = grid.cell(slot)
        assert grid.slot_at(cell.x + cell.w / 2, cell.y + cell.h / 2, ICON_MARGIN) == slot
        assert grid.slot_at(cell.x + 1, cell.y + cell.h / 2, ICON_MARGIN) is None
    assert grid.slot_at(0, 0, ICON_MARGIN) is None


def test_icons_are_drawn_where_they_are_hit() -> None:
    """Two layouts of one seed differ in the cells whose app differs, and nowhere else on the page."""
    reference = Phone(0, "shuffled")
    height, width = 400, 250
    first = reference.render(height, width).astype(int)
    other = Phone(0, "fixed").render(height, width).astype(int)
    changed = np.abs(first - other).max(axis=2) > 12
    for slot in range(SLOTS_PER_PAGE):
        cell = HOME_GRID.cell(slot)
        same = reference.layout.pages[0][slot] == Phone(0).layout.pages[0][slot]
        top, left = round(cell.y / HEIGHT * height), round(cell.x / WIDTH * width)
        patch = changed[top : top + round(cell.h / HEIGHT * height), left : left + round(cell.w / WIDTH * width)]
        assert patch.any() == (not same)
        changed[top : top + round(cell.h / HEIGHT * height), left : left + round(cell.w / WIDTH * width)] = False
    assert not changed[: round(DOCK_GRID.box.y / HEIGHT * height)].any()


def test_a_random_agent_rarely_succeeds() -> None:
    """Twenty random macro actions open a given common app in about seven episodes of a hundred."""
    rng = np.random.default_rng(0)
    swipes = [UP, UP[::-1], LEFT, LEFT[::-1]]
    phone = Phone(0)
    hits = 0
    episodes = 1500
    for episode in range(episodes):
        phone.reset(episode)
        goal = COMMON_APPS[episode % len(COMMON_APPS)].package
        for action in rng.integers(60, size=20):
            if action < 54:
                tap(phone, *TAP_CELLS[action])
            elif action < 58:
                swipe(phone, *swipes[action - 54])
            else:
                phone.key("HOME" if action == 58 else "BACK")
            if phone.foreground == goal:
                hits += 1
                break
    assert 0.045 < hits / episodes < 0.1
