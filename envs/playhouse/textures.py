"""Floor and wall textures, painted with numpy: uint8 (128, 128, 3), tiling seamlessly, one metre a repeat.

Also the pictures and windows that hang on walls, which do not tile.
"""

from __future__ import annotations

import numpy as np

SIZE = 128


def _plain(rgb: tuple[float, float, float]) -> np.ndarray:
    result: np.ndarray = np.ones((SIZE, SIZE, 3)) * np.array(rgb)
    return result


def _speckle(image: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """Return grain that keeps the hue: one factor a pixel."""
    return image * (1 + amount * np.random.default_rng(seed).standard_normal((SIZE, SIZE, 1)))


def _planks(rgb: tuple[float, float, float], boards: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = _plain(rgb)
    width = SIZE // boards
    for i in range(boards):
        rows = slice(i * width, (i + 1) * width)
        grain = np.convolve(np.tile(rng.standard_normal(SIZE), 3), np.ones(9) / 9, "same")[SIZE : 2 * SIZE]
        image[rows] *= 1 + 0.07 * rng.standard_normal() + 0.08 * grain[None, :, None]
        image[i * width] *= 0.6
        seam = int(rng.integers(SIZE))
        image[rows, seam] *= 0.6
    return image


def _tiles(rgb: tuple[float, float, float], other: tuple[float, float, float], count: int) -> np.ndarray:
    cell = np.arange(SIZE) * count // SIZE
    image = np.where(((cell[:, None] + cell[None]) % 2 == 0)[..., None], np.array(rgb), np.array(other))
    joint = np.arange(SIZE) % (SIZE // count) == 0
    image[joint] = image[:, joint] = 0.55
    return image


def _stripes(rgb: tuple[float, float, float], other: tuple[float, float, float], count: int) -> np.ndarray:
    columns = (np.arange(SIZE) * 2 * count // SIZE) % 2 == 0
    return np.where(columns[None, :, None], np.array(rgb), np.array(other)) * np.ones((SIZE, 1, 1))


def _dots(rgb: tuple[float, float, float], other: tuple[float, float, float]) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    cell = SIZE // 4
    shifted = x + np.where((y // cell) % 2 == 0, 0, cell // 2)
    inside = np.hypot(shifted % cell - cell / 2, y % cell - cell / 2) < cell * 0.17
    return np.where(inside[..., None], np.array(other), np.array(rgb))


def _bricks(rgb: tuple[float, float, float], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = _plain(rgb)
    height, width = SIZE // 8, SIZE // 4
    for row in range(8):
        for column in range(4):
            left = column * width + (row % 2) * width // 2
            columns = np.arange(left, left + width) % SIZE
            image[row * height : (row + 1) * height, columns] *= 1 + 0.1 * rng.standard_normal()
            image[row * height : (row + 1) * height, left % SIZE] = 0.78
        image[row * height] = 0.78
    return image


def _window(rgb: tuple[float, float, float]) -> np.ndarray:
    """Return a sky above a lawn, in a cross of white bars."""
    image = _plain(rgb)
    image[:] = np.linspace(1.0, 0.8, SIZE)[:, None, None] * np.array([0.62, 0.82, 1.0])
    image[int(SIZE * 0.72) :] = (0.52, 0.7, 0.42)
    edge = SIZE // 14
    for bar in (slice(0, edge), slice(SIZE - edge, SIZE), slice(SIZE // 2 - edge // 2, SIZE // 2 + edge // 2)):
        image[bar] = image[:, bar] = 0.95
    return image


def _painting(seed: int) -> np.ndarray:
    """Return muted hills in a wooden frame."""
    rng = np.random.default_rng(seed)
    image = _plain((0.85, 0.83, 0.74))
    columns = np.arange(SIZE)
    for level in range(3):
        line = SIZE * (0.35 + 0.2 * level) + 9 * np.sin(columns / (11 + 5 * level) + rng.uniform(0, 6))
        image[np.arange(SIZE)[:, None] > line[None]] = np.array([0.62, 0.64, 0.55]) * rng.uniform(0.6, 1.05, 3)
    for edge in (slice(0, 9), slice(SIZE - 9, SIZE)):
        image[edge] = image[:, edge] = (0.45, 0.32, 0.2)
    return image


def _finish(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8))


#: Floor textures by name.
FLOORS: dict[str, np.ndarray] = {
    "oak": _finish(_planks((0.72, 0.55, 0.37), 8, 1)),
    "walnut": _finish(_planks((0.45, 0.31, 0.22), 8, 2)),
    "pine": _finish(_planks((0.86, 0.73, 0.53), 6, 3)),
    "white tiles": _finish(_tiles((0.86, 0.86, 0.84), (0.8, 0.8, 0.79), 3)),
    "checker": _finish(_tiles((0.78, 0.78, 0.76), (0.45, 0.48, 0.5), 3)),
    "sand carpet": _finish(_speckle(_plain((0.74, 0.67, 0.56)), 0.06, 4)),
    "slate carpet": _finish(_speckle(_plain((0.47, 0.5, 0.54)), 0.07, 5)),
    "sage carpet": _finish(_speckle(_plain((0.56, 0.61, 0.51)), 0.06, 6)),
}

#: Wall textures by name: pale, so that things stand out against them.
WALLS: dict[str, np.ndarray] = {
    "ivory": _finish(_speckle(_plain((0.93, 0.9, 0.82)), 0.015, 7)),
    "sky": _finish(_speckle(_plain((0.78, 0.85, 0.9)), 0.015, 8)),
    "mint": _finish(_speckle(_plain((0.8, 0.88, 0.8)), 0.015, 9)),
    "rose stripes": _finish(_stripes((0.92, 0.86, 0.83), (0.87, 0.78, 0.75), 4)),
    "blue stripes": _finish(_stripes((0.86, 0.89, 0.92), (0.77, 0.82, 0.87), 3)),
    "dots": _finish(_dots((0.92, 0.9, 0.84), (0.78, 0.74, 0.64))),
    "bricks": _finish(_bricks((0.78, 0.62, 0.54), 10)),
}

#: What hangs on walls.
DECOR: dict[str, np.ndarray] = {
    "window": _finish(_window((0.7, 0.85, 1.0))),
    "hills": _finish(_painting(11)),
    "lake": _finish(_painting(12)),
}
