"""Toys, instruments and animals: ball, bear, crown, dice, drum, duck, fish, guitar, racket, robot ..."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from envs.playhouse.catalog.category import MAIN, Part
from envs.playhouse.geometry import ball, box, cylinder, lathe, prism, ring, star, tube, upright


def teddy() -> list[Part]:
    """Return a sitting teddy bear."""
    return [
        (MAIN, ball(0.22, 0.24, 0.27).moved(z=0.3)),
        ("cream", ball(0.12, 0.16, 0.18).moved(0.13, 0, 0.3)),
        (MAIN, ball(0.19, 0.21, 0.19).moved(0.03, 0, 0.68)),
        *[(MAIN, ball(0.05, 0.085, 0.085).moved(0.0, y, 0.86)) for y in (-0.16, 0.16)],
        ("cream", ball(0.09, 0.1, 0.08).moved(0.18, 0, 0.63)),
        ("tyre", ball(0.03, 0.04, 0.03).moved(0.27, 0, 0.66)),
        *[("tyre", ball(0.03).moved(0.19, y, 0.74)) for y in (-0.075, 0.075)],
        *[(MAIN, ball(0.1, 0.09, 0.19).turned("x", 35 * s).moved(0.04, -0.26 * s, 0.4)) for s in (-1, 1)],
        *[(MAIN, ball(0.22, 0.11, 0.11).turned("z", 18 * s).moved(0.22, 0.16 * s, 0.11)) for s in (-1, 1)],
        *[("cream", ball(0.03, 0.07, 0.07).moved(0.43, 0.22 * s, 0.12)) for s in (-1, 1)],
    ]


def drum() -> list[Part]:
    """Return a drum with white skins, golden rims and two sticks."""
    sticks = [tube([(-0.26, 0.08 * s, 0.56), (0.3, 0.22 * s, 0.58)], 0.022) for s in (-1, 1)]
    return [
        (MAIN, cylinder(0.36, 0.42).moved(z=0.04)),
        ("gold", cylinder(0.38, 0.06)),
        ("gold", cylinder(0.38, 0.06).moved(z=0.44)),
        ("cream", cylinder(0.35, 0.01).moved(z=0.5)),
        *[("wood", stick) for stick in sticks],
        *[("wood", ball(0.045).moved(0.3, 0.22 * s, 0.58)) for s in (-1, 1)],
    ]


def ball_toy() -> list[Part]:
    """Return a play ball with a white band."""
    return [(MAIN, ball(0.3).moved(z=0.3)), ("cream", ball(0.306, 0.306, 0.07).moved(z=0.3))]


def duck() -> list[Part]:
    """Return a rubber duck."""
    return [
        (MAIN, ball(0.34, 0.24, 0.2).moved(z=0.2)),
        (MAIN, upright([(-0.2, 0.18), (-0.44, 0.46), (-0.16, 0.36)], 0.16)),
        (MAIN, ball(0.19).moved(0.2, 0, 0.5)),
        ("beak", ball(0.13, 0.1, 0.04).moved(0.4, 0, 0.47)),
        *[("tyre", ball(0.035).moved(0.32, y, 0.58)) for y in (-0.12, 0.12)],
        *[(MAIN, ball(0.2, 0.05, 0.11).moved(-0.06, y, 0.26)) for y in (-0.23, 0.23)],
    ]


def fish() -> list[Part]:
    """Return a standing fish with big fins."""
    return [
        (MAIN, ball(0.4, 0.14, 0.25).moved(0.06, 0, 0.34)),
        (MAIN, upright([(-0.3, 0.34), (-0.62, 0.1), (-0.52, 0.34), (-0.62, 0.6)], 0.06)),
        ("beak", upright([(-0.16, 0.52), (0.2, 0.55), (-0.1, 0.72), (-0.24, 0.7)], 0.04)),
        ("beak", upright([(-0.08, 0.02), (0.14, 0.02), (0.06, 0.16), (-0.06, 0.16)], 0.12)),
        *[("cream", ball(0.06, 0.03, 0.06).moved(0.27, y, 0.42)) for y in (-0.11, 0.11)],
        *[("tyre", ball(0.03, 0.02, 0.03).moved(0.29, y, 0.42)) for y in (-0.135, 0.135)],
    ]


def dice() -> list[Part]:
    """Return a big die with white pips."""
    pip = cylinder(0.055, 0.012, segments=10)
    spots = {1: [(0, 0)], 2: [(-1, -1), (1, 1)], 3: [(-1, -1), (0, 0), (1, 1)]}
    spots[4] = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    spots[5] = [*spots[4], (0, 0)]
    parts: list[Part] = [(MAIN, box(0.5, 0.5, 0.5))]
    for number, axis, degrees in ((5, "x", 0), (3, "x", 90), (4, "x", -90), (2, "y", 90), (1, "y", -90)):
        for u, v in spots[number]:
            parts.append(("cream", pip.moved(u * 0.14, v * 0.14, 0.245).turned(axis, degrees).moved(z=0.25)))
    return parts


def guitar() -> list[Part]:
    """Return an acoustic guitar standing on a foot."""
    body = [(0.0, 0.26, 0.2), (0.0, 0.2, 0.5)]
    parts: list[Part] = [(MAIN, cylinder(radius, 0.14).turned("y", 90).moved(-0.07, 0, z)) for _, radius, z in body]
    return [
        *[(shade, mesh.moved(z=0.06)) for shade, mesh in parts],
        ("tyre", cylinder(0.085, 0.15).turned("y", 90).moved(-0.073, 0, 0.5)),
        ("wood", box(0.05, 0.085, 0.62).moved(0.045, 0, 0.6)),
        ("wood", box(0.06, 0.15, 0.17).moved(0.03, 0, 1.2)),
        ("wood", box(0.02, 0.2, 0.04).moved(0.075, 0, 0.25)),
        *[("cream", box(0.012, 0.008, 0.95).moved(0.085, y, 0.27)) for y in (-0.022, 0.022)],
    ]


def kite() -> list[Part]:
    """Return a diamond kite leaning on its tail of bows."""
    sail = upright([(0.0, 0.2), (0.34, 0.72), (0.0, 1.05), (-0.34, 0.72)], 0.03)
    bow = upright([(-0.1, -0.05), (0.0, 0.0), (0.1, -0.05), (0.1, 0.05), (0.0, 0.01), (-0.1, 0.05)], 0.04)
    parts: list[Part] = [
        (MAIN, sail),
        ("wood", box(0.025, 0.05, 0.85).moved(z=0.2)),
        ("wood", box(0.68, 0.05, 0.025).moved(z=0.71)),
        ("cream", tube([(0, 0, 0.22), (0.05, 0, 0.14), (0.2, 0, 0.05), (0.45, 0, 0.03)], 0.015)),
        ("cream", bow.moved(0.17, 0, 0.07)),
        ("cream", bow.moved(0.38, 0, 0.06)),
    ]
    return [(shade, mesh.turned("z", 90)) for shade, mesh in parts]


def racket() -> list[Part]:
    """Return a tennis racket, head up."""
    angles = np.linspace(0, 2 * np.pi, 25)
    hoop = tube(np.stack([0 * angles, 0.26 * np.cos(angles), 0.75 + 0.33 * np.sin(angles)], axis=1), 0.038)
    strings = [box(0.012, 0.012, 0.62).moved(0, y, 0.44) for y in (-0.13, -0.065, 0.0, 0.065, 0.13)]
    strings += [box(0.012, 0.46, 0.012).moved(0, 0, z) for z in (0.55, 0.63, 0.71, 0.79, 0.87, 0.95)]
    return [
        (MAIN, hoop),
        *[("cream", string) for string in strings],
        (MAIN, tube([(0, -0.15, 0.48), (0, 0, 0.3)], 0.025)),
        (MAIN, tube([(0, 0.15, 0.48), (0, 0, 0.3)], 0.025)),
        (MAIN, cylinder(0.04, 0.14).moved(z=0.22)),
        ("tyre", cylinder(0.055, 0.24)),
    ]


def robot() -> list[Part]:
    """Return a boxy robot with aerial, eyes and grippers."""
    return [
        (MAIN, box(0.3, 0.42, 0.4).moved(z=0.24)),
        (MAIN, box(0.26, 0.3, 0.24).moved(z=0.7)),
        ("steel", cylinder(0.07, 0.08).moved(z=0.63)),
        *[("gold", cylinder(0.05, 0.03).turned("y", 90).moved(0.12, y, 0.84)) for y in (-0.07, 0.07)],
        ("tyre", box(0.02, 0.16, 0.03).moved(0.13, 0, 0.74)),
        ("tyre", box(0.02, 0.26, 0.16).moved(0.145, 0, 0.38)),
        ("steel", cylinder(0.015, 0.12).moved(z=0.93)),
        ("gold", ball(0.04).moved(z=1.07)),
        *[("steel", box(0.12, 0.1, 0.34).moved(0, y, 0.27)) for y in (-0.27, 0.27)],
        *[("steel", box(0.16, 0.14, 0.24).moved(0, y, 0)) for y in (-0.12, 0.12)],
    ]


def skateboard() -> list[Part]:
    """Return a skateboard with raised ends."""
    deck = upright(
        [(-0.5, 0.24), (-0.34, 0.16), (0.34, 0.16), (0.5, 0.24), (0.5, 0.28), (0.33, 0.2), (-0.33, 0.2), (-0.5, 0.28)],
        0.26,
    )
    wheel = cylinder(0.075, 0.07, segments=12).turned("x", 90)
    return [
        (MAIN, deck),
        *[("steel", box(0.08, 0.16, 0.09).moved(x, 0, 0.07)) for x in (-0.28, 0.28)],
        *[("cream", wheel.moved(x, y + 0.035, 0.075)) for x in (-0.28, 0.28) for y in (-0.11, 0.11)],
    ]


def snowman() -> list[Part]:
    """Return two balls, a carrot and a coloured hat and scarf."""
    return [
        ("cream", ball(0.27, 0.27, 0.25).moved(z=0.24)),
        ("cream", ball(0.19).moved(z=0.6)),
        (MAIN, cylinder(0.22, 0.04).moved(z=0.74)),
        (MAIN, cylinder(0.15, 0.26).moved(z=0.76)),
        (MAIN, cylinder(0.2, 0.1, 0.17).moved(z=0.42)),
        (MAIN, box(0.06, 0.1, 0.26).turned("x", 12).moved(0.2, 0.1, 0.22)),
        ("beak", cylinder(0.04, 0.2, 0.0).turned("y", 90).moved(0.17, 0, 0.6)),
        *[("tyre", ball(0.03).moved(0.165, y, 0.67)) for y in (-0.07, 0.07)],
        *[("tyre", ball(0.03).moved(0.262, 0, z)) for z in (0.2, 0.3)],
    ]


def star_toy() -> list[Part]:
    """Return a five-pointed star on a round foot."""
    body = upright([(x, z + 0.5) for x, z in star(5, 0.44, 0.19)], 0.16).turned("z", 90)
    return [(MAIN, body), ("steel", cylinder(0.2, 0.05)), ("steel", cylinder(0.04, 0.2))]


def crown() -> list[Part]:
    """Return a crown with five points and gems."""
    angles = np.deg2rad(np.arange(0, 360, 72))
    band = [(0.3, 0.0), (0.3, 0.2)]
    spikes: list[Part] = []
    for angle in angles:
        spike = prism([(-0.13, 0.0), (0.13, 0.0), (0.0, 0.26)], 0.04).turned("x", 90)
        turned = spike.turned("z", float(np.rad2deg(angle)) + 90)
        x, y = 0.29 * np.cos(angle), 0.29 * np.sin(angle)
        spikes.append((MAIN, turned.moved(x, y, 0.18)))
        spikes.append(("cream", ball(0.045).moved(x, y, 0.46)))
        spikes.append(("glass", ball(0.05).moved(1.02 * x, 1.02 * y, 0.1)))
    return [
        (MAIN, lathe(band)),
        (MAIN, lathe([(0.26, 0.2), (0.26, 0.0)])),
        (MAIN, lathe([(0.3, 0.2), (0.26, 0.2)])),
        *spikes,
    ]


def trumpet() -> list[Part]:
    """Return a trumpet on a stand: bell, loop and valves."""
    bell = lathe([(0.03, 0), (0.035, 0.4), (0.06, 0.6), (0.12, 0.72), (0.2, 0.78), (0.17, 0.78), (0.05, 0.6), (0, 0.6)])
    parts: list[Part] = [
        (MAIN, bell.turned("y", 90).moved(-0.3, 0, 0.4)),
        (MAIN, tube([(-0.5, 0, 0.4), (-0.3, 0, 0.4)], 0.03)),
        (
            MAIN,
            tube(
                [(-0.2, 0, 0.4), (-0.28, 0, 0.33), (-0.2, 0, 0.26), (0.1, 0, 0.26), (0.18, 0, 0.33), (0.1, 0, 0.4)],
                0.028,
            ),
        ),
        *[("steel", cylinder(0.03, 0.26).moved(x, 0, 0.28)) for x in (-0.12, -0.05, 0.02)],
        ("steel", ball(0.04, 0.05, 0.05).moved(-0.5, 0, 0.4)),
        ("wood", cylinder(0.03, 0.26)),
        ("wood", cylinder(0.17, 0.04)),
    ]
    return parts


def umbrella() -> list[Part]:
    """Return an open umbrella standing on its handle."""
    canopy = lathe([(0.5, 0.62), (0.46, 0.74), (0.32, 0.88), (0.14, 0.96), (0, 0.98)], segments=8)
    inside = lathe([(0, 0.95), (0.3, 0.86), (0.5, 0.62)], segments=8)
    hook = ring(0.09, 0.025, 180, 360, 10).turned("x", 90).moved(0.09, 0, 0.115)
    return [
        (MAIN, canopy),
        (MAIN, inside),
        ("steel", cylinder(0.02, 0.95).moved(z=0.1)),
        ("steel", cylinder(0.015, 0.08).moved(z=0.97)),
        ("wood", hook),
    ]


def xylophone() -> list[Part]:
    """Return bars of falling length on two rails, with a mallet."""
    bars = [box(0.09, 0.56 - 0.055 * i, 0.05).moved(-0.42 + 0.14 * i, 0, 0.14) for i in range(7)]
    return [
        *[(MAIN, bar) for bar in bars],
        *[
            (
                "wood",
                prism(
                    [(-0.5, s * 0.2 - 0.03), (0.5, s * 0.09 - 0.03), (0.5, s * 0.09 + 0.03), (-0.5, s * 0.2 + 0.03)],
                    0.14,
                ),
            )
            for s in (-1, 1)
        ],
        ("cream", tube([(-0.3, 0.05, 0.22), (0.3, -0.12, 0.22)], 0.018)),
        ("cream", ball(0.06).moved(0.3, -0.12, 0.24)),
    ]


#: Name: (parts, longest edge in metres).
TOYS: dict[str, tuple[Callable[[], list[Part]], float]] = {
    "ball": (ball_toy, 0.3),
    "crown": (crown, 0.3),
    "dice": (dice, 0.26),
    "drum": (drum, 0.32),
    "duck": (duck, 0.36),
    "fish": (fish, 0.4),
    "guitar": (guitar, 0.48),
    "kite": (kite, 0.44),
    "racket": (racket, 0.46),
    "robot": (robot, 0.38),
    "skateboard": (skateboard, 0.44),
    "snowman": (snowman, 0.38),
    "star": (star_toy, 0.36),
    "teddy": (teddy, 0.38),
    "trumpet": (trumpet, 0.42),
    "umbrella": (umbrella, 0.44),
    "xylophone": (xylophone, 0.42),
}
