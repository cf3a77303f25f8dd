"""The things of the playhouse: their shapes, sizes and colours.

`CATEGORIES` maps each category name to its `Category`; `COLOURS` maps each colour name that a goal can use
to its RGB. Every part of a category is either of the goal's colour or of one of the fixed `SHADES`.
"""

from envs.playhouse.catalog.category import MAIN, Category, Part
from envs.playhouse.catalog.colours import COLOURS, SHADES
from envs.playhouse.catalog.registry import CATEGORIES, find_category, find_colour

__all__ = ["CATEGORIES", "COLOURS", "MAIN", "SHADES", "Category", "Part", "find_category", "find_colour"]
