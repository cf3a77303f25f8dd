"""Which icon is where: launcher pages, dock and drawer."""

import random
from dataclasses import dataclass
from functools import cached_property

from envs.android.apps import AppCatalogue
from envs.android.device.geometry import (
    DOCK_GRID,
    DOCK_SLOTS,
    DRAWER_GRID,
    DRAWER_SLOTS,
    HOME_GRID,
    ICON_MARGIN,
    SLOTS_PER_PAGE,
)

# A slot holds the index of an app in the catalogue, or None.
Slots = tuple[int | None, ...]


@dataclass(frozen=True)
class LauncherLayout:
    """The placement of all icons; slots hold indices into the catalogue.

    `key` identifies the placement for caches: equal keys, equal layouts.
    """

    key: tuple[str, int]
    pages: tuple[Slots, ...]
    dock: Slots
    drawer: Slots

    @cached_property
    def drawer_screens(self) -> int:
        """How many screenfuls the drawer scrolls over."""
        return max(1, -(-len(self.drawer) // DRAWER_SLOTS))

    def home_app_at(self, page: int, x: float, y: float) -> int | None:
        """The app under the point (dp) on a launcher page or in the dock."""
        return (
            _app_at(self.pages[page], HOME_GRID.slot_at(x, y, ICON_MARGIN))
            if y < DOCK_GRID.box.y
            else (_app_at(self.dock, DOCK_GRID.slot_at(x, y, ICON_MARGIN)))
        )

    def drawer_app_at(self, screen: int, x: float, y: float) -> int | None:
        """The app under the point (dp) when the drawer shows its given screenful."""
        return _app_at(self.drawer_page(screen), DRAWER_GRID.slot_at(x, y, ICON_MARGIN))

    def drawer_page(self, screen: int) -> Slots:
        """The slots of the drawer's given screenful."""
        return self.drawer[screen * DRAWER_SLOTS : (screen + 1) * DRAWER_SLOTS]


def _app_at(slots: Slots, slot: int | None) -> int | None:
    return slots[slot] if slot is not None and slot < len(slots) else None


def _pad(slots: list[int | None], size: int) -> Slots:
    return (*slots, *[None] * (size - len(slots)))


def _paged(apps: list[int]) -> list[Slots]:
    return [_pad(list(apps[i : i + SLOTS_PER_PAGE]), SLOTS_PER_PAGE) for i in range(0, len(apps), SLOTS_PER_PAGE)]


def fixed_layout(catalogue: AppCatalogue) -> LauncherLayout:
    """The catalogue's own layout, the drawer by name; apps that it does not place follow on further pages."""
    index = {app.name: i for i, app in enumerate(catalogue.apps)}
    index_or_none: dict[str | None, int | None] = {None: None}
    index_or_none.update(index)
    dock = _pad([index_or_none[name] for name in catalogue.home.get("dock", [])][:DOCK_SLOTS], DOCK_SLOTS)
    pages = [
        _pad([index_or_none[name] for name in page][:SLOTS_PER_PAGE], SLOTS_PER_PAGE)
        for page in catalogue.home.get("pages", [])
    ]
    placed = {app for slots in (dock, *pages) for app in slots}
    pages += _paged([i for i in index.values() if i not in placed])
    drawer = tuple(index[name] for name in sorted(index, key=str.casefold))
    return LauncherLayout(("fixed", 0), tuple(pages), dock, drawer)


def shuffled_layout(catalogue: AppCatalogue, seed: int) -> LauncherLayout:
    """A layout drawn from `seed`: dock, pages (with the gaps of the last one anywhere in it) and drawer."""
    rng = random.Random(seed)
    apps = list(range(len(catalogue.apps)))
    rng.shuffle(apps)
    dock, rest = apps[:DOCK_SLOTS], apps[DOCK_SLOTS:]
    pages = _paged(rest)
    last = list(pages[-1]) if pages else []
    rng.shuffle(last)
    drawer = apps[:]
    rng.shuffle(drawer)
    return LauncherLayout(("shuffled", seed), (*pages[:-1], tuple(last)), _pad(list(dock), DOCK_SLOTS), tuple(drawer))
