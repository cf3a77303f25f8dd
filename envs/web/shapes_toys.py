"""Shapes of toys and vehicles, and of a few things that stand among them."""

from __future__ import annotations

import numpy as np

from envs.playhouse.geometry import ball, box, cylinder, join, lathe, prism, ring, tube, upright
from envs.web.parts import DARK, MAIN, SECOND, Draw, Part


def toy_ball(u: Draw) -> list[Part]:
    """Return a ball, often with a stripe."""
    parts: list[Part] = [(MAIN, ball(0.5, segments=u.whole(14, 22)))]
    if u.chance(0.5):
        stripe = ring(0.5, u(0.02, 0.05), steps=20).turned("x", u(0, 90))
        parts.append((SECOND, stripe.moved(z=0)))
    return parts


def boat(u: Draw) -> list[Part]:
    """Return a boat with a sail or a cabin."""
    length, width, depth = 1.0, u(0.28, 0.4), u(0.16, 0.26)
    outline = [(-0.5, -width / 2), (0.2, -width / 2), (0.5, 0), (0.2, width / 2), (-0.5, width / 2)]
    parts: list[Part] = [(MAIN, prism([(x * length, y) for x, y in outline], depth))]
    if u.chance(0.6):
        mast = u(0.6, 0.9)
        parts.append((DARK, cylinder(0.018, mast).moved(x=u(-0.05, 0.1), z=depth)))
        sail = [(0.0, 0.05), (u(0.3, 0.42), 0.08), (0.0, mast - 0.05)]
        side = -1 if u.chance(0.5) else 1
        parts.append((SECOND, upright([(x * side, z) for x, z in sail], 0.02).moved(x=0.03, z=depth)))
    else:
        parts.append((SECOND, box(u(0.25, 0.4), width * 0.6, u(0.12, 0.22)).moved(x=-0.15, z=depth)))
        parts.append((DARK, cylinder(u(0.04, 0.07), u(0.15, 0.3)).moved(x=-0.2, z=depth + 0.1)))
    return parts


def chair(u: Draw) -> list[Part]:
    """Return a chair with a closed or a barred back."""
    seat, height, back = u(0.4, 0.52), u(0.38, 0.5), u(0.4, 0.6)
    leg = u(0.03, 0.06)
    reach = seat / 2 - leg / 2
    legs = [box(leg, leg, height).moved(x, y) for x in (-reach, reach) for y in (-reach, reach)]
    parts: list[Part] = [(MAIN, box(seat, seat, u(0.04, 0.09)).moved(z=height))]
    parts += [(MAIN if u.chance(0.5) else DARK, join(legs))]
    if u.chance(0.5):
        parts.append((MAIN, box(0.05, seat, back).moved(x=-reach, z=height + 0.04)))
    else:
        bars = [
            box(0.04, 0.05, back).moved(-reach, y, height + 0.04) for y in np.linspace(-reach, reach, u.whole(3, 5))
        ]
        parts.append((MAIN, join(bars)))
        parts.append((MAIN, box(0.05, seat, 0.08).moved(-reach, 0, height + back)))
    return parts


def drum(u: Draw) -> list[Part]:
    """Return a drum with rims, often with a stick."""
    radius, height = u(0.3, 0.48), u(0.3, 0.7)
    parts: list[Part] = [
        (MAIN, cylinder(radius, height, segments=22)),
        (SECOND, cylinder(radius * 0.97, 0.02, segments=22).moved(z=height)),
    ]
    for z in (0.02, height - 0.02):
        parts.append((DARK, ring(radius, 0.025, steps=20).moved(z=z)))
    if u.chance(0.5):
        parts.append((DARK, tube([(-0.3, u(-0.2, 0.2), height + 0.05), (0.3, u(-0.2, 0.2), height + 0.09)], 0.02)))
    return parts


def duck(u: Draw) -> list[Part]:
    """Return a bath duck."""
    body = u(0.28, 0.36)
    head = u(0.15, 0.2)
    lift = u(0.3, 0.42)
    return [
        (MAIN, ball(0.42, body, body * 0.85).moved(z=body * 0.8)),
        (MAIN, ball(head).moved(x=0.26, z=body + lift)),
        (MAIN, cylinder(head * 0.7, lift).moved(x=0.24, z=body * 0.8)),
        (MAIN, ball(0.14, 0.08, 0.06).moved(x=-0.42, z=body + u(0, 0.1))),
        (SECOND, ball(u(0.1, 0.16), 0.08, 0.035).moved(x=0.26 + head, z=body + lift - 0.03)),
        (DARK, join([ball(0.03).moved(0.26 + head * 0.75, y, body + lift + 0.06) for y in (-0.1, 0.1)])),
    ]


def mug(u: Draw) -> list[Part]:
    """Return a mug of any taper."""
    bottom, top, height = u(0.22, 0.36), u(0.28, 0.38), u(0.5, 0.95)
    wall = lathe([(0, 0), (bottom, 0), (top, height), (top - 0.04, height), (bottom - 0.04, 0.1), (0, 0.1)], 22)
    middle = (bottom + top) / 2
    handle = (
        ring(height * u(0.22, 0.34), u(0.03, 0.055), -100, 100, 12).turned("x", 90).moved(middle - 0.02, 0, height / 2)
    )
    parts: list[Part] = [(MAIN, wall), (MAIN, handle)]
    if u.chance(0.6):
        parts.append((DARK, cylinder(min(bottom, top) - 0.05, 0.02).moved(z=height * 0.8)))
    return parts


def plane(u: Draw) -> list[Part]:
    """Return a plane with a propeller or with jets."""
    body = u(0.07, 0.11)
    span, sweep = u(0.8, 1.1), u(0.0, 0.25)
    wing = [
        (0.1, 0),
        (-0.1 - sweep, span / 2),
        (-0.25 - sweep, span / 2),
        (-0.15, 0),
        (-0.25 - sweep, -span / 2),
        (-0.1 - sweep, -span / 2),
    ]
    low = 0.15
    parts: list[Part] = [
        (MAIN, ball(0.5, body, body).moved(z=low)),
        (MAIN if u.chance(0.6) else SECOND, prism(wing, 0.025).moved(z=low + u(-0.05, 0.08))),
        (MAIN, upright([(-0.5, 0), (-0.3, 0), (-0.45, 0.25), (-0.52, 0.25)], 0.02).moved(z=low)),
        (SECOND, prism([(-0.36, -0.2), (-0.36, 0.2), (-0.48, 0.2), (-0.48, -0.2)], 0.02).moved(z=low + 0.03)),
    ]
    if u.chance(0.5):
        parts.append(
            (
                DARK,
                join(
                    [box(0.02, 0.04, u(0.2, 0.3)).moved(x=0.5, z=low - 0.12), cylinder(0.03, 0.06).moved(0.46, z=low)]
                ),
            )
        )
    else:
        parts.append((DARK, join([ball(0.12, 0.045, 0.045).moved(-0.05, y, low - 0.06) for y in (-0.25, 0.25)])))
    return parts


def roll(u: Draw) -> list[Part]:
    """Return a roll of paper, upright or lying."""
    radius, height = u(0.28, 0.45), u(0.4, 0.95)
    core = u(0.08, 0.16)
    outside = lathe([(core, 0), (radius, 0), (radius, height), (core, height), (core, 0)], 26)
    paper: list[Part] = [
        (MAIN, outside),
        (SECOND, lathe([(core + 0.012, height + 0.004), (core - 0.02, height + 0.004), (core - 0.02, 0)], 20)),
    ]
    if u.chance(0.5):
        return [(shade, mesh.turned("x", 90)) for shade, mesh in paper]
    return paper


def rocket(u: Draw) -> list[Part]:
    """Return a rocket with three or four fins."""
    radius, height = u(0.13, 0.22), u(0.5, 0.7)
    nose = u(0.2, 0.35)
    count = u.whole(3, 4)
    fin = upright(
        [(radius * 0.8, 0.0), (radius + u(0.1, 0.2), -0.05), (radius + 0.12, 0.1), (radius * 0.8, u(0.2, 0.32))], 0.03
    )
    return [
        (MAIN, cylinder(radius, height, segments=20).moved(z=0.1)),
        (SECOND if u.chance(0.5) else MAIN, cylinder(radius, nose, 0.01, 20).moved(z=0.1 + height)),
        (SECOND, join([fin.turned("z", 360 * k / count).moved(z=0.1) for k in range(count)])),
        (DARK, cylinder(radius * 0.6, 0.1, radius * 0.5)),
        (DARK, join([ball(radius * 0.35).moved(x=radius * 0.85, z=0.1 + height * u(0.5, 0.8))])),
    ]


def lamp(u: Draw) -> list[Part]:
    """Return a lamp with a shade on a stem or a belly."""
    low, high, shade = u(0.22, 0.34), u(0.1, 0.26), u(0.24, 0.4)
    stem = u(0.4, 0.6)
    parts: list[Part] = [
        (MAIN, lathe([(low, stem), (high, stem + shade)], 22)),
        (SECOND, lathe([(high, stem + shade - 0.01), (low - 0.01, stem)], 22)),
        (DARK, cylinder(u(0.12, 0.2), 0.05, segments=20)),
    ]
    if u.chance(0.5):
        parts.append((DARK, cylinder(0.025, stem + shade * 0.5)))
    else:
        belly = u(0.08, 0.15)
        parts.append((MAIN, lathe([(0.06, 0.04), (belly, stem * 0.35), (0.05, stem * 0.75), (0.03, stem)], 20)))
    return parts


def teddy(u: Draw) -> list[Part]:
    """Return a sitting bear."""
    belly, head = u(0.2, 0.27), u(0.16, 0.22)
    top = belly * 1.9 + head * 0.7
    limbs = [ball(0.08, 0.08, u(0.14, 0.18)).moved(u(-0.02, 0.1), y * (belly + 0.03), belly * 1.25) for y in (-1, 1)]
    feet = [ball(u(0.14, 0.18), 0.09, 0.09).moved(0.16, y * belly * 0.8, 0.09) for y in (-1, 1)]
    ears = [ball(0.04, head * 0.4, head * 0.4).moved(0, y * head * 0.75, top + head * 0.75) for y in (-1, 1)]
    return [
        (
            MAIN,
            join(
                [
                    ball(belly * 0.85, belly, belly * 1.15).moved(z=belly * 1.1),
                    ball(head).moved(z=top),
                    *limbs,
                    *feet,
                    *ears,
                ]
            ),
        ),
        (SECOND, join([ball(0.07, 0.08, 0.06).moved(head * 0.85, 0, top - 0.05)])),
        (
            DARK,
            join(
                [ball(0.025).moved(head * 0.85, y, top + 0.05) for y in (-0.07, 0.07)]
                + [ball(0.03).moved(head + 0.05, 0, top - 0.02)]
            ),
        ),
    ]


def train(u: Draw) -> list[Part]:
    """Return a steam engine."""
    width, boiler = u(0.26, 0.34), u(0.11, 0.16)
    wheel = u(0.08, 0.12)
    wheels = [
        cylinder(wheel, 0.05).turned("x", 90).moved(x, y * width / 2, wheel)
        for x in (-0.35, -0.05, 0.25)
        for y in (-1, 1)
    ]
    cab = u(0.3, 0.42)
    return [
        (MAIN, box(1.0, width, 0.1).moved(z=wheel)),
        (MAIN, cylinder(boiler, 0.6, segments=18).turned("y", 90).moved(-0.1, 0, wheel + 0.1 + boiler)),
        (SECOND if u.chance(0.5) else MAIN, box(0.3, width, cab).moved(x=-0.33, z=wheel + 0.08)),
        (
            DARK,
            join([*wheels, cylinder(0.05, u(0.15, 0.25), 0.08).moved(x=u(0.25, 0.36), z=wheel + 0.05 + 2 * boiler)]),
        ),
        (DARK, box(0.36, width + 0.05, 0.04).moved(x=-0.33, z=wheel + 0.08 + cab)),
    ]
