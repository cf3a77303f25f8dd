"""Toy vehicles: boat, bus, car, helicopter, plane, rocket, train, truck."""

from __future__ import annotations

from collections.abc import Callable

from envs.playhouse.catalog.category import MAIN, Part
from envs.playhouse.geometry import ball, box, cylinder, lathe, prism, tube, upright


def _wheels(xs: tuple[float, ...], y: float, radius: float, width: float = 0.08) -> list[Part]:
    """Return pairs of wheels at the given x, on the ground."""
    wheel = cylinder(radius, width, segments=14).turned("x", 90)
    hub = cylinder(radius * 0.5, width + 0.02, segments=8).turned("x", 90)
    parts: list[Part] = []
    for x in xs:
        for side in (-y, y):
            parts.append(("tyre", wheel.moved(x, side + width / 2, radius)))
            parts.append(("steel", hub.moved(x, side + width / 2 + 0.01, radius)))
    return parts


def boat() -> list[Part]:
    """Return a sailing boat: coloured hull and sail."""
    hull = prism([(-0.5, -0.19), (0.1, -0.2), (0.36, -0.12), (0.55, 0.0), (0.36, 0.12), (0.1, 0.2), (-0.5, 0.19)], 0.2)
    hull.vertices[hull.vertices[:, 2] < 0.01] *= (0.7, 0.55, 1.0)
    return [
        (MAIN, hull),
        ("wood", box(0.85, 0.26, 0.03).moved(-0.06, z=0.2)),
        ("wood", cylinder(0.025, 0.85).moved(0.05, z=0.2)),
        (MAIN, upright([(0.0, 0.3), (0.0, 1.0), (-0.48, 0.34)], 0.035)),
        ("cream", upright([(0.11, 0.32), (0.48, 0.32), (0.11, 0.92)], 0.03)),
    ]


def bus() -> list[Part]:
    """Return a long bus with a row of windows."""
    return [
        (MAIN, box(1.1, 0.4, 0.16).moved(z=0.09)),
        ("glass", box(1.06, 0.405, 0.15).moved(z=0.25)),
        (MAIN, box(1.1, 0.41, 0.1).moved(z=0.39)),
        *[(MAIN, box(0.05, 0.412, 0.16).moved(x, z=0.245)) for x in (-0.53, -0.28, -0.02, 0.24, 0.53)],
        *_wheels((-0.33, 0.33), 0.18, 0.11),
    ]


def car() -> list[Part]:
    """Return a car with a cabin of glass and four wheels."""
    body = upright([(-0.5, 0.1), (0.5, 0.1), (0.5, 0.24), (0.44, 0.29), (0.2, 0.31), (-0.44, 0.32), (-0.5, 0.28)], 0.42)
    cabin = upright([(-0.38, 0.31), (0.2, 0.31), (0.06, 0.5), (-0.28, 0.5)], 0.37)
    roof = upright([(-0.3, 0.49), (0.09, 0.49), (0.04, 0.54), (-0.25, 0.54)], 0.4)
    return [
        (MAIN, body),
        ("glass", cabin),
        (MAIN, roof),
        *_wheels((-0.3, 0.3), 0.19, 0.13),
    ]


def helicopter() -> list[Part]:
    """Return a bubble cockpit, a tail boom, two rotors and skids."""
    return [
        (MAIN, ball(0.27, 0.2, 0.2).moved(0.1, z=0.32)),
        ("glass", ball(0.17, 0.17, 0.15).moved(0.24, z=0.35)),
        (MAIN, tube([(-0.05, 0, 0.36), (-0.35, 0, 0.4), (-0.62, 0, 0.43)], 0.055)),
        (MAIN, upright([(-0.68, 0.4), (-0.54, 0.4), (-0.62, 0.66), (-0.74, 0.66)], 0.04)),
        ("tyre", cylinder(0.02, 0.14).moved(0.06, z=0.5)),
        ("tyre", box(1.2, 0.075, 0.02).turned("z", 28).moved(0.06, z=0.63)),
        ("tyre", box(1.2, 0.075, 0.02).turned("z", -62).moved(0.06, z=0.63)),
        ("tyre", box(0.26, 0.015, 0.035).turned("y", 40).moved(-0.64, 0.04, 0.53)),
        *[("steel", tube([(-0.2, s, 0.02), (0.1, s, 0.02), (0.38, s, 0.05)], 0.022)) for s in (-0.17, 0.17)],
        *[("steel", tube([(x, s * 0.17, 0.02), (x, s * 0.1, 0.16)], 0.016)) for s in (-1, 1) for x in (-0.02, 0.2)],
    ]


def plane() -> list[Part]:
    """Return a propeller plane: fuselage, wings and tail of one colour."""
    wing = prism([(-0.12, 0.0), (0.16, 0.0), (0.1, 0.62), (-0.06, 0.62)], 0.035)
    mirrored = prism([(-0.06, -0.62), (0.1, -0.62), (0.16, 0.0), (-0.12, 0.0)], 0.035)
    return [
        (MAIN, ball(0.55, 0.1, 0.11).moved(z=0.2)),
        (MAIN, wing.moved(0.05, z=0.17)),
        (MAIN, mirrored.moved(0.05, z=0.17)),
        (MAIN, box(0.14, 0.46, 0.03).moved(-0.45, z=0.21)),
        (MAIN, upright([(-0.55, 0.22), (-0.36, 0.22), (-0.48, 0.46), (-0.57, 0.46)], 0.035)),
        ("glass", ball(0.13, 0.065, 0.08).moved(0.14, z=0.28)),
        ("tyre", box(0.02, 0.34, 0.045).moved(0.56, z=0.18)),
        ("tyre", ball(0.04).moved(0.57, z=0.2)),
        *[("tyre", ball(0.055, 0.03, 0.055).moved(0.15, y, 0.05)) for y in (-0.14, 0.14)],
        *[("tyre", tube([(0.15, y, 0.05), (0.12, y * 0.8, 0.17)], 0.015)) for y in (-0.14, 0.14)],
    ]


def rocket() -> list[Part]:
    """Return a rocket on three fins with a round window."""
    fin = upright([(0.1, 0.0), (0.34, 0.0), (0.3, 0.16), (0.12, 0.42)], 0.04)
    return [
        ("cream", lathe([(0, 0.08), (0.14, 0.08), (0.2, 0.3), (0.2, 0.62)])),
        (MAIN, lathe([(0.205, 0.6), (0.17, 0.8), (0.1, 0.95), (0, 1.06)])),
        (MAIN, lathe([(0.2, 0.2), (0.207, 0.3), (0.207, 0.4), (0.2, 0.4)])),
        *[(MAIN, fin.turned("z", angle)) for angle in (0, 120, 240)],
        *[("glass", ball(0.05, 0.09, 0.09).moved(0.185, 0, 0.52).turned("z", angle)) for angle in (0, 180)],
        ("tyre", cylinder(0.1, 0.1, 0.06)),
    ]


def train() -> list[Part]:
    """Return a steam engine: boiler, chimney, cab."""
    return [
        (MAIN, box(1.0, 0.3, 0.09).moved(z=0.13)),
        (MAIN, cylinder(0.15, 0.56).turned("y", 90).moved(-0.1, z=0.36)),
        ("gold", cylinder(0.155, 0.05).turned("y", 90).moved(0.18, z=0.36)),
        ("tyre", cylinder(0.14, 0.02).turned("y", 90).moved(0.46, z=0.36)),
        ("tyre", cylinder(0.05, 0.2, 0.09).moved(0.33, z=0.48)),
        ("gold", ball(0.08).moved(0.08, z=0.5)),
        (MAIN, box(0.34, 0.34, 0.4).moved(-0.31, z=0.2)),
        ("glass", box(0.2, 0.35, 0.14).moved(-0.31, z=0.42)),
        ("tyre", box(0.44, 0.42, 0.05).moved(-0.31, z=0.6)),
        *[("tyre", mesh) for shade, mesh in _wheels((-0.33, 0.0, 0.3), 0.14, 0.13) if shade == "tyre"],
    ]


def truck() -> list[Part]:
    """Return a tipper truck: coloured cab and open bed."""
    return [
        ("steel", box(1.0, 0.34, 0.06).moved(z=0.14)),
        (MAIN, box(0.3, 0.4, 0.34).moved(0.36, z=0.18)),
        ("glass", box(0.02, 0.34, 0.13).moved(0.51, z=0.35)),
        ("glass", box(0.16, 0.405, 0.12).moved(0.39, z=0.36)),
        (MAIN, box(0.62, 0.42, 0.04).moved(-0.17, z=0.2)),
        *[(MAIN, box(0.62, 0.04, 0.24).moved(-0.17, y, 0.22)) for y in (-0.2, 0.2)],
        *[(MAIN, box(0.04, 0.42, 0.24).moved(x, 0, 0.22)) for x in (-0.47, 0.14)],
        *_wheels((-0.3, 0.33), 0.18, 0.13, 0.1),
    ]


#: Name: (parts, longest edge in metres).
VEHICLES: dict[str, tuple[Callable[[], list[Part]], float]] = {
    "boat": (boat, 0.4),
    "bus": (bus, 0.44),
    "car": (car, 0.4),
    "helicopter": (helicopter, 0.44),
    "plane": (plane, 0.44),
    "rocket": (rocket, 0.4),
    "train": (train, 0.4),
    "truck": (truck, 0.4),
}
