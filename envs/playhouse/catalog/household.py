"""Household things: mug, table lamp, roll, teapot, bottle, book, clock, boot, hat, chair ..."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from envs.playhouse.catalog.category import MAIN, Part
from envs.playhouse.geometry import Mesh, ball, box, cylinder, join, lathe, prism, ring, tube, upright


def mug() -> list[Part]:
    """Return a mug with an open top and one handle."""
    wall = lathe([(0, 0), (0.3, 0), (0.32, 0.04), (0.32, 0.7), (0.27, 0.7), (0.27, 0.4)])
    handle = ring(0.2, 0.05, -95, 95, 12).turned("x", 90).moved(0.32, 0, 0.36)
    return [(MAIN, wall), (MAIN, handle), ("bark", cylinder(0.28, 0.02).moved(z=0.5))]


def table_lamp() -> list[Part]:
    """Return a coloured shade on a stem."""
    shade = lathe([(0.36, 0.5), (0.2, 0.95), (0, 0.95)])
    inside = lathe([(0, 0.56), (0.36, 0.5)])
    return [
        (MAIN, shade),
        ("flame", inside),
        ("steel", cylinder(0.03, 0.55)),
        ("steel", ball(0.08, 0.08, 0.1).moved(z=0.2)),
        (MAIN, cylinder(0.2, 0.07, 0.14)),
    ]


def roll() -> list[Part]:
    """Return a roll of paper with a cardboard core, one sheet hanging."""
    outside = lathe([(0.12, 0), (0.34, 0), (0.34, 0.62), (0.12, 0.62)], 24)
    core = lathe([(0.12, 0.625), (0.1, 0.625), (0.1, 0.3), (0.0, 0.3)])
    rim = lathe([(0.15, 0.622), (0.12, 0.628)])
    sheet = box(0.26, 0.012, 0.61).moved(0.1, -0.342)
    return [(MAIN, outside), ("wood", core), ("wood", rim), (MAIN, sheet)]


def teapot() -> list[Part]:
    """Return a round pot, spout, handle and lid."""
    return [
        (MAIN, ball(0.32, 0.32, 0.26).moved(z=0.27)),
        (MAIN, cylinder(0.2, 0.05)),
        (MAIN, tube([(0.24, 0, 0.2), (0.4, 0, 0.26), (0.46, 0, 0.4), (0.56, 0, 0.48)], 0.06)),
        (MAIN, ring(0.17, 0.04, 80, 280, 12).turned("x", 90).moved(-0.3, 0, 0.3)),
        ("gold", cylinder(0.17, 0.04, 0.12).moved(z=0.5)),
        ("gold", ball(0.06).moved(z=0.58)),
    ]


def bottle() -> list[Part]:
    """Return a bottle with a label and a cap."""
    profile = [(0, 0), (0.2, 0), (0.2, 0.5), (0.17, 0.62), (0.08, 0.74), (0.075, 0.9), (0, 0.9)]
    return [
        (MAIN, lathe(profile)),
        ("cream", lathe([(0.205, 0.16), (0.205, 0.4)])),
        ("steel", cylinder(0.085, 0.09).moved(z=0.88)),
    ]


def book() -> list[Part]:
    """Return a thick book lying flat, cream pages and a mark."""
    return [
        (MAIN, box(0.5, 0.7, 0.04)),
        (MAIN, box(0.5, 0.7, 0.04).moved(z=0.2)),
        (MAIN, box(0.04, 0.7, 0.24).moved(-0.25)),
        ("cream", box(0.44, 0.66, 0.16).moved(0.0, z=0.04)),
        ("gold", box(0.3, 0.06, 0.012).moved(0.02, 0.12, 0.238)),
        ("gold", box(0.3, 0.06, 0.012).moved(0.02, -0.02, 0.238)),
    ]


def clock() -> list[Part]:
    """Return an alarm clock with two bells."""
    face = cylinder(0.33, 0.18, segments=24).turned("y", 90).moved(-0.09, 0, 0.42)
    dial = cylinder(0.27, 0.2, segments=24).turned("y", 90).moved(-0.1, 0, 0.42)
    hands = [box(0.21, 0.035, 0.2).moved(0.0, 0, 0.42), box(0.21, 0.15, 0.035).moved(0, 0.075, 0.41)]
    return [
        (MAIN, face),
        ("cream", dial),
        *[("tyre", hand) for hand in hands],
        *[(MAIN, ball(0.13, 0.13, 0.1).turned("x", 30 * s).moved(0, -0.2 * s, 0.8)) for s in (-1, 1)],
        ("steel", ring(0.1, 0.02, 0, 180, 8).turned("x", 90).turned("z", 90).moved(0, 0, 0.84)),
        *[("tyre", cylinder(0.04, 0.16).turned("x", 25 * s).moved(0, 0.18 * s, 0.0)) for s in (-1, 1)],
    ]


def boot() -> list[Part]:
    """Return a rain boot."""
    side = [(-0.2, 0.06), (0.36, 0.06), (0.42, 0.16), (0.34, 0.27), (0.14, 0.34), (0.1, 0.8), (-0.2, 0.8)]
    return [
        (MAIN, upright(side, 0.26)),
        ("tyre", prism([(-0.24, -0.15), (0.4, -0.15), (0.47, 0.0), (0.4, 0.15), (-0.24, 0.15)], 0.07)),
        ("cream", box(0.34, 0.29, 0.07).moved(-0.05, 0, 0.74)),
        ("tyre", box(0.22, 0.18, 0.01).moved(-0.05, 0, 0.806)),
    ]


def hat() -> list[Part]:
    """Return a brimmed hat with a band."""
    crown = lathe([(0.24, 0.03), (0.23, 0.2), (0.19, 0.3), (0.1, 0.33), (0, 0.31)])
    brim = lathe([(0, 0.0), (0.5, 0.02), (0.5, 0.05), (0.2, 0.05)], 24)
    return [(MAIN, brim), (MAIN, crown), ("cream", lathe([(0.25, 0.05), (0.245, 0.13)]))]


def chair() -> list[Part]:
    """Return a doll's chair."""
    return [
        (MAIN, box(0.44, 0.44, 0.06).moved(z=0.4)),
        *[(MAIN, box(0.06, 0.06, 0.4).moved(x, y)) for x in (-0.18, 0.18) for y in (-0.18, 0.18)],
        *[(MAIN, box(0.05, 0.06, 0.5).moved(-0.19, y, 0.46)) for y in (-0.18, 0.18)],
        *[(MAIN, box(0.04, 0.36, 0.09).moved(-0.19, 0, z)) for z in (0.6, 0.84)],
        ("cream", box(0.36, 0.38, 0.04).moved(0.02, 0, 0.46)),
    ]


def bucket() -> list[Part]:
    """Return a bucket with a raised handle."""
    wall = lathe([(0, 0), (0.24, 0), (0.34, 0.55), (0.31, 0.55), (0.23, 0.1), (0, 0.1)])
    handle = ring(0.34, 0.022, 0, 180, 14).turned("x", 90).moved(0, 0, 0.52)
    return [(MAIN, wall), ("steel", handle), ("steel", lathe([(0.345, 0.5), (0.352, 0.56)]))]


def candle() -> list[Part]:
    """Return a thick candle with a flame on a saucer."""
    return [
        (MAIN, cylinder(0.17, 0.6).moved(z=0.05)),
        ("gold", lathe([(0, 0), (0.28, 0), (0.34, 0.08), (0.3, 0.08), (0.2, 0.04)])),
        ("tyre", cylinder(0.012, 0.08).moved(z=0.65)),
        ("flame", lathe([(0, 0.68), (0.06, 0.76), (0.04, 0.86), (0, 0.97)], 10)),
    ]


def plant() -> list[Part]:
    """Leave in a coloured pot."""
    leaves: list[Mesh] = []
    for level, (tilt, count, reach) in enumerate(((62, 6, 0.3), (35, 5, 0.32), (10, 2, 0.3))):
        for i in range(count):
            leaf = ball(0.085, 0.03, reach).moved(z=reach).turned("y", tilt)
            leaves.append(leaf.turned("z", 360 * i / count + 25 * level).moved(z=0.42))
    pot = lathe([(0, 0), (0.22, 0), (0.3, 0.38), (0.34, 0.38), (0.34, 0.48), (0.28, 0.48), (0.26, 0.42)])
    return [(MAIN, pot), ("bark", cylinder(0.28, 0.03).moved(z=0.41)), ("leaf", join(leaves))]


def pan() -> list[Part]:
    """Return a cooking pot with lid and two handles."""
    return [
        (MAIN, lathe([(0, 0), (0.32, 0), (0.34, 0.04), (0.34, 0.36)])),
        ("steel", lathe([(0.36, 0.35), (0.36, 0.4), (0.2, 0.47), (0, 0.49)])),
        ("tyre", ball(0.07, 0.07, 0.05).moved(z=0.53)),
        *[("tyre", ring(0.1, 0.03, -90 + s, 90 + s, 8).moved(0.34 * (1 if s == 0 else -1), 0, 0.28)) for s in (0, 180)],
    ]


def suitcase() -> list[Part]:
    """Return a suitcase on end with a handle, straps and corners."""
    return [
        (MAIN, box(0.26, 0.8, 0.56).moved(z=0.04)),
        *[("bark", box(0.27, 0.07, 0.57).moved(0, y, 0.035)) for y in (-0.24, 0.24)],
        ("bark", ring(0.12, 0.03, 0, 180, 8).turned("x", 90).turned("z", 90).moved(0, 0, 0.6)),
        *[("gold", box(0.29, 0.09, 0.06).moved(0, y, 0.4)) for y in (-0.24, 0.24)],
        *[("tyre", box(0.2, 0.1, 0.05).moved(0, y)) for y in (-0.3, 0.3)],
    ]


def bell() -> list[Part]:
    """Return a hand bell with a wooden grip."""
    cup = lathe([(0, 0.05), (0.36, 0.02), (0.38, 0.06), (0.27, 0.2), (0.22, 0.42), (0.12, 0.52), (0, 0.55)])
    return [
        (MAIN, cup),
        ("wood", cylinder(0.05, 0.2).moved(z=0.53)),
        ("wood", ball(0.08, 0.08, 0.09).moved(z=0.78)),
        ("gold", ball(0.09).moved(z=0.06)),
    ]


def hammer() -> list[Part]:
    """Return a hammer standing on its head."""
    return [
        (MAIN, cylinder(0.13, 0.34).turned("y", 90).moved(-0.06, 0, 0.14)),
        (MAIN, upright([(-0.06, 0.04), (-0.34, 0.12), (-0.34, 0.16), (-0.06, 0.26)], 0.18)),
        ("wood", cylinder(0.05, 0.85).moved(0.05, 0, 0.12)),
        (MAIN, cylinder(0.065, 0.3).moved(0.05, 0, 0.72)),
    ]


def telephone() -> list[Part]:
    """Return a rotary telephone with the receiver on top."""
    base = upright([(-0.3, 0.0), (0.34, 0.0), (0.34, 0.1), (0.02, 0.36), (-0.2, 0.36), (-0.3, 0.2)], 0.5)
    dial = cylinder(0.17, 0.03, segments=20).turned("y", 50).moved(0.18, 0, 0.24)
    holes = [
        ball(0.03).moved(0.115 * np.cos(a), 0.115 * np.sin(a), 0.03).turned("y", 50).moved(0.18, 0, 0.24)
        for a in np.linspace(0, 2 * np.pi, 9)[:-1]
    ]
    return [
        (MAIN, base),
        ("cream", dial),
        *[("tyre", hole) for hole in holes],
        (MAIN, tube([(-0.09, -0.38, 0.5), (-0.09, -0.15, 0.54), (-0.09, 0.15, 0.54), (-0.09, 0.38, 0.5)], 0.06)),
        *[(MAIN, cylinder(0.11, 0.11).moved(-0.09, y, 0.38)) for y in (-0.36, 0.36)],
    ]


def camera() -> list[Part]:
    """Return a camera with a big lens."""
    return [
        (MAIN, box(0.26, 0.66, 0.42)),
        (MAIN, box(0.22, 0.24, 0.1).moved(0, 0, 0.42)),
        ("tyre", cylinder(0.19, 0.2).turned("y", 90).moved(0.1, 0, 0.21)),
        ("steel", cylinder(0.2, 0.06).turned("y", 90).moved(0.12, 0, 0.21)),
        ("glass", ball(0.04, 0.13, 0.13).moved(0.3, 0, 0.21)),
        ("steel", cylinder(0.06, 0.05).moved(0, -0.23, 0.42)),
        ("glass", box(0.02, 0.1, 0.07).moved(0.13, 0.24, 0.33)),
    ]


def cushion() -> list[Part]:
    """Return a square cushion with a button."""
    top = ball(0.42, 0.42, 0.16, 20)
    squared = top.vertices.copy()
    length = np.maximum(np.hypot(squared[:, 0], squared[:, 1]), 1e-9)
    stretch = length / np.maximum(np.abs(squared[:, :2]).max(axis=1), 1e-9)
    squared[:, :2] *= (1 + 0.75 * (stretch - 1))[:, None]
    return [
        (MAIN, Mesh(squared, top.normals, top.faces).moved(z=0.16)),
        ("cream", ball(0.06, 0.06, 0.03).moved(z=0.32)),
    ]


def mushroom() -> list[Part]:
    """Return a mushroom with a spotted cap."""
    cap = lathe([(0.16, 0.34), (0.4, 0.32), (0.4, 0.4), (0.33, 0.56), (0.18, 0.67), (0, 0.7)])
    spots = [
        ball(0.075, 0.075, 0.04).turned("y", tilt).moved(r, 0, z).turned("z", turn)
        for r, z, tilt, turns in ((0.36, 0.5, 55, (0, 60, 120, 180, 240, 300)), (0.2, 0.655, 25, (30, 150, 270)))
        for turn in turns
    ]
    return [(MAIN, cap), ("cream", lathe([(0, 0), (0.17, 0), (0.13, 0.2), (0.15, 0.36)])), ("cream", join(spots))]


#: Name: (parts, longest edge in metres).
HOUSEHOLD: dict[str, tuple[Callable[[], list[Part]], float]] = {
    "bell": (bell, 0.34),
    "book": (book, 0.36),
    "boot": (boot, 0.36),
    "bottle": (bottle, 0.4),
    "bucket": (bucket, 0.38),
    "camera": (camera, 0.34),
    "candle": (candle, 0.36),
    "chair": (chair, 0.42),
    "clock": (clock, 0.36),
    "cushion": (cushion, 0.42),
    "hammer": (hammer, 0.42),
    "hat": (hat, 0.42),
    "mug": (mug, 0.3),
    "mushroom": (mushroom, 0.34),
    "pan": (pan, 0.4),
    "plant": (plant, 0.44),
    "roll": (roll, 0.3),
    "suitcase": (suitcase, 0.42),
    "table lamp": (table_lamp, 0.4),
    "teapot": (teapot, 0.4),
    "telephone": (telephone, 0.36),
}
