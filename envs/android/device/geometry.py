"""Where things are on the phone's screen, in density-independent pixels (dp) of a 360 x 576 dp display."""

from typing import NamedTuple

WIDTH, HEIGHT = 360.0, 576.0
ASPECT = HEIGHT / WIDTH

STATUS_HEIGHT = 24.0
# The strip of the gesture handle at the bottom of the screen.
NAVIGATION_TOP = 556.0
SEARCH_TOP, SEARCH_HEIGHT = 40.0, 40.0
PAGE_DOTS_Y = 444.0

COLUMNS = 4
HOME_ROWS = 3
SLOTS_PER_PAGE = COLUMNS * HOME_ROWS
DOCK_SLOTS = COLUMNS
DRAWER_ROWS = 6
DRAWER_SLOTS = COLUMNS * DRAWER_ROWS


class Box(NamedTuple):
    """A rectangle in dp: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float

    def contains(self, x: float, y: float, margin: float = 0.0) -> bool:
        """Return whether the point (x, y), in dp, lies inside after shrinking each side by `margin` dp."""
        return self.x + margin <= x < self.x + self.w - margin and self.y + margin <= y < self.y + self.h - margin


class Grid(NamedTuple):
    """A grid of equal cells; slots are numbered row by row."""

    box: Box
    rows: int
    columns: int

    def cell(self, slot: int) -> Box:
        """Return the cell of a slot, in dp."""
        w, h = self.box.w / self.columns, self.box.h / self.rows
        row, column = divmod(slot, self.columns)
        return Box(self.box.x + column * w, self.box.y + row * h, w, h)

    def slot_at(self, x: float, y: float, margin: float = 0.0) -> int | None:
        """Return the slot whose cell, shrunk by `margin` dp, holds the point; None between the cells or outside."""
        if not self.box.contains(x, y):
            return None
        column = int((x - self.box.x) / (self.box.w / self.columns))
        row = int((y - self.box.y) / (self.box.h / self.rows))
        slot = row * self.columns + column
        return slot if self.cell(slot).contains(x, y, margin) else None


HOME_GRID = Grid(Box(12, 90, 336, 336), HOME_ROWS, COLUMNS)
DOCK_GRID = Grid(Box(12, 454, 336, 96), 1, COLUMNS)
DRAWER_GRID = Grid(Box(12, 84, 336, 468), DRAWER_ROWS, COLUMNS)
# A finger this near to a cell's border misses the icon.
ICON_MARGIN = 5.0
