"""Shapes of household things."""

from __future__ import annotations

from envs.playhouse.geometry import ball, box, cylinder, join, lathe, ring, star, upright
from envs.web.parts import DARK, MAIN, SECOND, Draw, Part


def bottle(u: Draw) -> list[Part]:
    """Return a bottle with a label."""
    radius, neck, height = u(0.15, 0.22), u(0.05, 0.08), u(0.45, 0.6)
    profile = [(0, 0), (radius, 0), (radius, height), (neck, height + u(0.12, 0.22)), (neck, 0.95), (0, 0.95)]
    return [
        (MAIN, lathe(profile, 22)),
        (DARK, cylinder(neck + 0.01, 0.07).moved(z=0.92)),
        (SECOND, cylinder(radius + 0.005, u(0.12, 0.25)).moved(z=0.12)),
    ]


def book(u: Draw) -> list[Part]:
    """Return a book, lying or upright."""
    width, depth, thick = u(0.6, 0.75), 0.95, u(0.1, 0.25)
    pages = box(width * 0.96, depth * 0.95, thick * 0.8).moved(x=0.02, z=thick * 0.1)
    covers = [
        box(width, depth, thick * 0.1),
        box(width, depth, thick * 0.1).moved(z=thick * 0.9),
        box(0.03, depth, thick).moved(x=-width / 2),
    ]
    book: list[Part] = [(MAIN, join(covers)), (SECOND, pages)]
    return [(shade, mesh.turned("x", 80)) for shade, mesh in book] if u.chance(0.5) else book


def car(u: Draw) -> list[Part]:
    """Return a car."""
    width, low, wheel = u(0.38, 0.46), u(0.16, 0.24), u(0.1, 0.13)
    wheels = [
        cylinder(wheel, 0.08).turned("x", 90).moved(x, y * width / 2 + 0.04, wheel)
        for x in (-0.3, 0.3)
        for y in (-1, 1)
    ]
    roof = [(-0.35, 0), (0.22, 0), (0.1, u(0.16, 0.24)), (-0.22, 0.2)]
    return [
        (MAIN, box(1.0, width, low).moved(z=wheel)),
        (SECOND, upright(roof, width * 0.9).moved(z=wheel + low)),
        (MAIN, box(0.3, width * 0.88, 0.03).moved(x=-0.06, z=wheel + low + 0.2)),
        (DARK, join(wheels)),
    ]


def clock(u: Draw) -> list[Part]:
    """Return a wall clock."""
    radius = u(0.38, 0.48)
    hands = [box(0.03, 0.02, radius * share).turned("y", u(0, 360)).moved(z=radius) for share in (0.75, 0.5)]
    return [
        (MAIN, cylinder(radius, u(0.08, 0.2), segments=26).turned("x", 90).moved(z=radius)),
        (SECOND, cylinder(radius * 0.85, 0.02, segments=26).turned("x", 90).moved(0, -0.2, radius)),
        (DARK, join([hand.moved(0, -0.23, 0) for hand in hands])),
    ]


def star_shape(u: Draw) -> list[Part]:
    """Return a star of five or six points."""
    points = [(x, z + 0.5) for x, z in star(u.whole(5, 6), 0.5, u(0.18, 0.28))]
    return [(MAIN, upright(points, u(0.1, 0.25)))]


def umbrella(u: Draw) -> list[Part]:
    """Return an umbrella."""
    depth = u(0.2, 0.35)
    return [
        (MAIN, lathe([(0.5, 0.65), (0.35, 0.65 + depth * 0.7), (0.0, 0.65 + depth)], u.whole(8, 12))),
        (SECOND, lathe([(0.0, 0.64 + depth), (0.35, 0.64 + depth * 0.7), (0.49, 0.65)], 10)),
        (DARK, cylinder(0.02, 0.7 + depth)),
        (DARK, ring(0.06, 0.02, 180, 360, 8).turned("x", 90).moved(0.06, 0, 0.06)),
    ]


def hat(u: Draw) -> list[Part]:
    """Return a hat with a brim."""
    crown, height = u(0.22, 0.3), u(0.2, 0.5)
    return [
        (MAIN, cylinder(0.5, 0.03, segments=24)),
        (MAIN, cylinder(crown, height, crown * u(0.7, 1.0), 22)),
        (SECOND, cylinder(crown + 0.01, 0.08, segments=22).moved(z=0.03)),
    ]


def candle(u: Draw) -> list[Part]:
    """Return a candle."""
    radius = u(0.1, 0.25)
    return [
        (MAIN, cylinder(radius, 0.75, segments=20)),
        (DARK, cylinder(0.012, 0.08).moved(z=0.75)),
        (SECOND, ball(0.035, 0.035, 0.08).moved(z=0.9)),
    ]


def vase(u: Draw) -> list[Part]:
    """Return a vase."""
    waist, belly = u(0.1, 0.2), u(0.26, 0.4)
    return [
        (
            MAIN,
            lathe(
                [(0, 0), (u(0.15, 0.22), 0), (belly, u(0.3, 0.45)), (waist, 0.75), (waist + 0.08, 0.95), (waist, 0.95)],
                24,
            ),
        ),
        (DARK, cylinder(waist, 0.01).moved(z=0.9)),
    ]


def parcel(u: Draw) -> list[Part]:
    """Return a parcel with a band."""
    x, y, z = u(0.6, 1.0), u(0.5, 0.9), u(0.4, 0.9)
    return [(MAIN, box(x, y, z)), (SECOND, box(x * 1.01, u(0.08, 0.15), z * 1.01))]


def tree(u: Draw) -> list[Part]:
    """Return a fir or a round tree."""
    trunk = u(0.2, 0.35)
    crown = [cylinder(u(0.24, 0.34) * (1 - 0.22 * k), 0.32, 0.02).moved(z=trunk + 0.18 * k) for k in range(3)]
    return [
        (MAIN, join(crown) if u.chance(0.5) else ball(0.32, 0.32, 0.36).moved(z=trunk + 0.3)),
        (DARK, cylinder(u(0.04, 0.08), trunk + 0.1)),
    ]


def bucket(u: Draw) -> list[Part]:
    """Return a bucket with a handle."""
    low, high, height = u(0.22, 0.3), u(0.34, 0.42), u(0.5, 0.7)
    return [
        (MAIN, lathe([(0, 0), (low, 0), (high, height), (high - 0.03, height), (low - 0.03, 0.04), (0, 0.04)], 24)),
        (DARK, ring(high, 0.015, 0, 180, 14).turned("x", u(30, 90)).moved(z=height)),
    ]
