"""Where the agent can stand, and the way there, on a grid of 0.1 m cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

CELL = 0.1
#: Radius of the agent's body, metres.
AGENT_RADIUS = 0.22
#: Clearance the planner keeps between the agent's body and walls or furniture, metres.
CLEARANCE = 0.06

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class NavGrid:
    """Free cells of a home.

    Attributes:
        origin: (x, y) of the centre of cell (0, 0), metres.
        free: bool (rows along x, columns along y): the agent's centre can be there.
    """

    origin: tuple[float, float]
    free: np.ndarray

    @classmethod
    def of(cls, bounds: Rectangle, solids: Iterable[Rectangle]) -> NavGrid:
        """Return the grid over `bounds` (x0, y0, x1, y1) with the rectangles of walls and furniture blocked."""
        x = np.arange(bounds[0], bounds[2] + CELL, CELL)
        y = np.arange(bounds[1], bounds[3] + CELL, CELL)
        free = np.ones((len(x), len(y)), dtype=bool)
        margin = AGENT_RADIUS + CLEARANCE
        for x0, y0, x1, y1 in solids:
            rows = (x >= x0 - margin) & (x <= x1 + margin)
            columns = (y >= y0 - margin) & (y <= y1 + margin)
            free[np.ix_(rows, columns)] = False
        return cls((float(x[0]), float(y[0])), free)

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Return the indices of the cell at (x, y), clipped to the grid."""
        i = int(np.clip(round((x - self.origin[0]) / CELL), 0, self.free.shape[0] - 1))
        j = int(np.clip(round((y - self.origin[1]) / CELL), 0, self.free.shape[1] - 1))
        return i, j

    def points(self, mask: np.ndarray) -> np.ndarray:
        """Return the centres of the cells in a bool mask: float (N, 2), metres."""
        result: np.ndarray = np.argwhere(mask) * CELL + np.array(self.origin)
        return result

    def distances(self, x: float, y: float) -> np.ndarray:
        """Return the metres from every cell's centre to (x, y): float (rows, columns)."""
        dx = np.arange(self.free.shape[0]) * CELL + self.origin[0] - x
        dy = np.arange(self.free.shape[1]) * CELL + self.origin[1] - y
        result: np.ndarray = np.hypot(dx[:, None], dy[None])
        return result

    def without(self, discs: Iterable[tuple[float, float, float]]) -> NavGrid:
        """Return the same grid with discs (x, y, radius) around movable things blocked too."""
        free = self.free.copy()
        for x, y, radius in discs:
            free &= self.distances(x, y) > radius
        return NavGrid(self.origin, free)

    def component(self, x: float, y: float) -> np.ndarray:
        """Return the cells that can be reached from (x, y): bool (rows, columns)."""
        labels, _ = ndimage.label(self.free)
        i, j = self.cell(x, y)
        result: np.ndarray = (labels == labels[i, j]) & self.free
        return result

    def largest_component(self) -> np.ndarray:
        """Return the largest connected free area: bool (rows, columns)."""
        labels, count = ndimage.label(self.free)
        if count == 0:
            return self.free
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        result: np.ndarray = labels == int(sizes.argmax())
        return result

    def path(self, start: tuple[float, float], goals: np.ndarray) -> np.ndarray | None:
        """Return the shortest way from `start` to the nearest of the goal cells (bool mask).

        Returns:
            float (N, 2): cell centres in order, the first next to `start`; None where there is no way.
        """
        goals = goals & self.free
        if not goals.any():
            return None
        source = self._nearest_free(*start)
        index = np.full(self.free.shape, -1)
        index[self.free] = np.arange(self.free.sum())
        pairs, lengths = [], []
        for di, dj in ((1, 0), (0, 1), (1, 1), (1, -1)):
            a = index[: -di or None, max(0, -dj) : self.free.shape[1] - max(0, dj)]
            b = index[di:, max(0, dj) : self.free.shape[1] + min(0, dj)]
            both = (a >= 0) & (b >= 0)
            pairs.append(np.stack([a[both], b[both]]))
            lengths.append(np.full(int(both.sum()), np.hypot(di, dj)))
        ends, weights = np.concatenate(pairs, axis=1), np.concatenate(lengths)
        count = int(self.free.sum())
        graph = sparse.csr_matrix((weights, (ends[0], ends[1])), shape=(count, count))
        distance, previous = csgraph.dijkstra(
            graph, directed=False, indices=int(index[source]), return_predecessors=True
        )
        targets = index[goals]
        best = int(targets[np.argmin(distance[targets])])
        if not np.isfinite(distance[best]):
            return None
        chain = [best]
        while previous[chain[-1]] >= 0:
            chain.append(int(previous[chain[-1]]))
        return self.points(self.free)[chain[::-1]]

    def _nearest_free(self, x: float, y: float) -> tuple[int, int]:
        i, j = self.cell(x, y)
        if self.free[i, j]:
            return i, j
        distance = np.where(self.free, self.distances(x, y), np.inf)
        row, column = np.unravel_index(int(distance.argmin()), distance.shape)
        return int(row), int(column)
