"""Which icon is where: launcher pages, dock and drawer."""

import random
from dataclasses import dataclass
from functools import cached_property

from envs.android.apps import AppCatalogue
from envs.android.device.geometry import (
    COLUMNS,
    DOCK_GRID,
    DOCK_SLOTS,
    DRAWER_GRID,
    DRAWER_SLOTS,
    HOME_GRID,
    HOME_ROWS,
    ICON_MARGIN,
    Grid,
)

# A slot holds the index of an app in the catalogue, or None.
Slots = tuple[int | None, ...]


@dataclass(frozen=True)
class LauncherLayout:
    """The placement of all icons; slots hold indices into the catalogue.

    `key` identifies the placement for caches of one catalogue: equal keys, equal layouts. `home_grid` is the grid of a
    page, whose number of rows the catalogue's `home` says.
    """

    key: tuple[str, int]
    pages: tuple[Slots, ...]
    dock: Slots
    drawer: Slots
    home_grid: Grid = HOME_GRID

    @cached_property
    def drawer_screens(self) -> int:
        """How many screenfuls the drawer scrolls over."""
        return max(1, -(-len(self.drawer) // DRAWER_SLOTS))

    def home_app_at(self, page: int, x: float, y: float) -> int | None:
        """Return the app under the point (dp) on a launcher page or in the dock."""
        return (
            _app_at(self.pages[page], self.home_grid.slot_at(x, y, ICON_MARGIN))
            if y < DOCK_GRID.box.y
            else (_app_at(self.dock, DOCK_GRID.slot_at(x, y, ICON_MARGIN)))
        )

    def drawer_app_at(self, screen: int, x: float, y: float) -> int | None:
        """Return the app under the point (dp) when the drawer shows its given screenful."""
        return _app_at(self.drawer_page(screen), DRAWER_GRID.slot_at(x, y, ICON_MARGIN))

    def drawer_page(self, screen: int) -> Slots:
        """Return the slots of the drawer's given screenful."""
        return self.drawer[screen * DRAWER_SLOTS : (screen + 1) * DRAWER_SLOTS]


def _app_at(slots: Slots, slot: int | None) -> int | None:
    return slots[slot] if slot is not None and slot < len(slots) else None


def _pad(slots: list[int | None], size: int) -> Slots:
    return (*slots, *[None] * (size - len(slots)))


def _paged(apps: list[int], size: int) -> list[Slots]:
    return [_pad(list(apps[i : i + size]), size) for i in range(0, len(apps), size)]


def _home_grid(catalogue: AppCatalogue) -> Grid:
    return HOME_GRID._replace(rows=catalogue.home.get("rows", HOME_ROWS))


def fixed_layout(catalogue: AppCatalogue) -> LauncherLayout:
    """Return the catalogue's own layout, the drawer by name; apps that it does not place follow on further pages."""
    grid = _home_grid(catalogue)
    size = grid.rows * COLUMNS
    index = {app.name: i for i, app in enumerate(catalogue.apps)}
    index_or_none: dict[str | None, int | None] = {None: None}
    index_or_none.update(index)
    dock = _pad([index_or_none[name] for name in catalogue.home.get("dock", [])][:DOCK_SLOTS], DOCK_SLOTS)
    pages = [_pad([index_or_none[name] for name in page][:size], size) for page in catalogue.home.get("pages", [])]
    placed = {app for slots in (dock, *pages) for app in slots}
    pages += _paged([i for i in index.values() if i not in placed], size)
    drawer = tuple(index[name] for name in sorted(index, key=str.casefold))
    return LauncherLayout(("fixed", 0), tuple(pages), dock, drawer, grid)


def shuffled_layout(catalogue: AppCatalogue, seed: int) -> LauncherLayout:
    """Return a layout drawn from `seed`: dock, pages (with the gaps of the last one anywhere in it) and drawer."""
    grid = _home_grid(catalogue)
    rng = random.Random(seed)
    apps = list(range(len(catalogue.apps)))
    rng.shuffle(apps)
    dock, rest = apps[:DOCK_SLOTS], apps[DOCK_SLOTS:]
    pages = _paged(rest, grid.rows * COLUMNS)
    last = list(pages[-1]) if pages else []
    rng.shuffle(last)
    drawer = apps[:]
    rng.shuffle(drawer)
    placed = (*pages[:-1], tuple(last))
    return LauncherLayout(("shuffled", seed), placed, _pad(list(dock), DOCK_SLOTS), tuple(drawer), grid)
