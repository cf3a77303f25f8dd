"""All categories by name, and look-ups that answer a wrong name with near ones."""

from __future__ import annotations

from envs.playhouse.catalog.category import Category, make_category
from envs.playhouse.catalog.colours import COLOURS, Rgb
from envs.playhouse.catalog.household import HOUSEHOLD
from envs.playhouse.catalog.toys import TOYS
from envs.playhouse.catalog.vehicles import VEHICLES
from envs.playhouse.errors import UnknownNameError

#: Every built-in category, in alphabetical order.
CATEGORIES: dict[str, Category] = {
    name: make_category(name, build(), size)
    for name, (build, size) in sorted({**VEHICLES, **TOYS, **HOUSEHOLD}.items())
}


def find_category(name: str, categories: dict[str, Category] | None = None) -> Category:
    """Return the category called `name`.

    Raises:
        UnknownNameError: There is none; names near ones.
    """
    known = CATEGORIES if categories is None else categories
    if name not in known:
        raise UnknownNameError.of("category", name, known)
    return known[name]


def find_colour(name: str) -> Rgb:
    """Return the RGB of the colour called `name`.

    Raises:
        UnknownNameError: There is none; names near ones.
    """
    if name not in COLOURS:
        raise UnknownNameError.of("colour", name, COLOURS)
    return COLOURS[name]
