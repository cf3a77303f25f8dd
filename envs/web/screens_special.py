"""Screens of games, instruments and sports, and of the telephone itself."""

from __future__ import annotations

import numpy as np

from envs.web.pen import Pen


def chess(p: Pen) -> None:
    """Draw a board with pieces."""
    p.bar()
    top, cell = p.height * p.u(0.2, 0.35), 0.125
    light, deep = (
        (int(p.u(220, 245)),) * 2 + (int(p.u(190, 215)),),
        (int(p.u(70, 150)), int(p.u(80, 130)), int(p.u(50, 90))),
    )
    for row in range(8):
        for column in range(8):
            p.rect(
                column * cell,
                top + row * cell,
                (column + 1) * cell,
                top + (row + 1) * cell,
                light if (row + column) % 2 else deep,
            )
            if (row < 2 or row > 5) and p.chance(0.7):
                x, y = (column + 0.5) * cell, top + (row + 0.5) * cell
                fill = (20, 20, 20) if row < 2 else (252, 252, 250)
                p.shape([(x - 0.035, y + 0.04), (x + 0.035, y + 0.04), (x, y - 0.03)], fill)
                p.disc(x, y - 0.025, 0.022, fill)


def sudoku(p: Pen) -> None:
    """Draw nine by nine squares with digits."""
    p.bar()
    top, cell = p.height * p.u(0.15, 0.3), 0.1
    for k in range(10):
        thick = 0.016 if k % 3 == 0 else 0.006
        p.line([(0.05 + k * cell, top), (0.05 + k * cell, top + 0.9)], p.ink, thick)
        p.line([(0.05, top + k * cell), (0.95, top + k * cell)], p.ink, thick)
    for k in range(81):
        if p.chance(0.45):
            p.text(0.1 + cell * (k % 9), top + 0.05 + cell * (k // 9), str(p.n(1, 9)), 0.075, centred=True)


def patience(p: Pen) -> None:
    """Draw cards on a green table."""
    p.rect(0, 0, 1, p.height, (int(p.u(10, 50)), int(p.u(90, 140)), int(p.u(40, 80))))
    for column in range(7):
        y = p.height * 0.28
        for _ in range(column + 1 if p.chance(0.7) else 2):
            p.rect(0.02 + column * 0.138, y, 0.145 + column * 0.138, y + 0.2, (245, 245, 240), 0.012)
            p.text(
                0.03 + column * 0.138,
                y + 0.005,
                "A2345678JQK"[p.n(0, 10)],
                0.06,
                (200, 30, 40) if p.chance(0.5) else (20, 20, 20),
            )
            y += 0.075


def blocks(p: Pen) -> None:
    """Draw blocks piled up in a well."""
    p.rect(0.1, 0.1, 0.9, p.height - 0.1, (18, 20, 30) if p.chance(0.7) else p.soft)
    cell = 0.08
    for column in range(10):
        for row in range(p.n(1, 8)):
            y = p.height - 0.1 - (row + 1) * cell
            p.rect(0.1 + column * cell, y, 0.1 + (column + 1) * cell - 0.008, y + cell - 0.008, p.any_colour())
    fill, x = p.any_colour(), 0.1 + cell * p.n(2, 6)
    for dx, dy in ((0, 0), (1, 0), (2, 0), (1, 1)):
        p.rect(x + dx * cell, 0.5 + dy * cell, x + (dx + 1) * cell - 0.008, 0.5 + (dy + 1) * cell - 0.008, fill)


def compass(p: Pen) -> None:
    """Draw a rose and a needle."""
    x, y, r = 0.5, p.height / 2, p.u(0.32, 0.44)
    p.circle(x, y, r, p.ink, 0.02)
    for k, name in enumerate("NESW"):
        a = k * np.pi / 2 - np.pi / 2
        p.text(x + 0.8 * r * np.cos(a), y + 0.8 * r * np.sin(a), name, 0.09, centred=True)
    a = p.u(0, 2 * np.pi)
    for sign, fill in ((1, (210, 40, 40)), (-1, (170, 170, 180))):
        tip = (x + sign * 0.65 * r * np.cos(a), y + sign * 0.65 * r * np.sin(a))
        p.shape([tip, (x - 0.05 * np.sin(a), y + 0.05 * np.cos(a)), (x + 0.05 * np.sin(a), y - 0.05 * np.cos(a))], fill)


def piano(p: Pen) -> None:
    """Draw keys."""
    top, keys = p.height * p.u(0.3, 0.5), p.n(6, 9)
    p.rect(0, 0, 1, top, p.soft)
    for k in range(keys):
        p.rect(k / keys + 0.004, top, (k + 1) / keys - 0.004, p.height, (250, 250, 248))
    for k in range(1, keys):
        if k % 7 not in (3, 0):
            p.rect(k / keys - 0.04, top, k / keys + 0.04, top + (p.height - top) * 0.6, (16, 16, 18))


def code(p: Pen) -> None:
    """Draw lines in colours."""
    p.rect(0, 0, 1, p.height, (28, 30, 38) if p.chance(0.7) else p.paper)
    y = 0.1
    while y < p.height - 0.05:
        x = 0.06 + 0.08 * p.n(0, 3)
        for _ in range(p.n(1, 4)):
            wide = p.u(0.06, 0.25)
            p.rect(x, y, min(0.96, x + wide), y + 0.025, p.any_colour())
            x += wide + 0.03
            if x > 0.9:
                break
        y += 0.065


def terminal(p: Pen) -> None:
    """Draw green text on black."""
    p.rect(0, 0, 1, p.height, (6, 8, 8))
    green = (60, int(p.u(190, 250)), 90)
    y = 0.08
    while y < p.height * p.u(0.5, 0.9):
        p.text(0.04, y, "$ " + p.words(p.n(1, 2)).lower(), 0.06, green)
        y += 0.09


def ticker(p: Pen) -> None:
    """Draw a share's price as a line."""
    p.bar()
    top, low = p.height * 0.3, p.height * 0.7
    up = p.chance(0.5)
    fill = (40, 190, 90) if up else (220, 60, 60)
    p.text(0.08, top - 0.2, f"{p.n(10, 999)}.{p.n(10, 99)}", 0.13)
    level, points = (0.8 if up else 0.2), []
    for k in range(16):
        level = float(np.clip(level + (-0.04 if up else 0.04) + p.u(-0.12, 0.12), 0, 1))
        points.append((k / 15, top + level * (low - top)))
    p.line(points, fill, 0.018)
    p.lines(0.08, 0.9, low + 0.12, p.height - 0.1, 0.12)


def rings(p: Pen) -> None:
    """Draw three rings, partly closed."""
    p.bar()
    x, y = 0.5, p.height * p.u(0.3, 0.45)
    for k in range(3):
        fill = p.any_colour()
        p.circle(x, y, 0.4 - 0.1 * k, p.soft, 0.07)
        p.circle(x, y, 0.4 - 0.1 * k, fill, 0.07, -90, p.u(0, 250))
    p.text(0.5, y + 0.6, f"{p.n(1000, 15000)} steps", 0.09, centred=True)


def heartbeat(p: Pen) -> None:
    """Draw a pulse as a line."""
    p.bar()
    y = p.height * 0.45
    points = [(0.0, y)]
    for k in range(4):
        x = 0.1 + 0.24 * k
        points += [
            (x, y),
            (x + 0.03, y - 0.06),
            (x + 0.06, y),
            (x + 0.08, y + 0.08),
            (x + 0.11, y - 0.3),
            (x + 0.14, y + 0.12),
            (x + 0.16, y),
        ]
    p.line([*points, (1.0, y)], (225, 50, 70), 0.016)
    p.text(0.5, y + 0.4, f"{p.n(52, 160)} bpm", 0.13, centred=True)


def seats(p: Pen) -> None:
    """Draw rows of seats before a screen."""
    top = p.bar()
    p.rect(0.15, top + 0.05, 0.85, top + 0.09, p.ink)
    for row in range(8):
        for column in range(9):
            x, y = 0.08 + column * 0.096, top + 0.25 + row * 0.11
            p.rect(x, y, x + 0.07, y + 0.07, p.accent if p.chance(0.25) else p.soft, 0.015)


def checklist(p: Pen) -> None:
    """Draw round boxes, some of them ticked."""
    top, end = p.bar(), p.tabs()
    while top + 0.15 < end:
        done = p.chance(0.4)
        if done:
            p.disc(0.12, top + 0.07, 0.045, p.accent)
        else:
            p.circle(0.12, top + 0.07, 0.045, p.ink, 0.012)
        p.text(0.22, top + 0.035, p.words(p.n(1, 2)), 0.065)
        top += p.u(0.14, 0.17)


def launcher(p: Pen) -> None:
    """Draw icons on a wallpaper."""
    for k in range(12):
        shade = tuple(int(c * (0.5 + 0.5 * k / 12)) for c in p.second)
        p.rect(0, p.height * k / 12, 1, p.height * (k + 1) / 12 + 0.01, (shade[0], shade[1], shade[2]))
    columns, rows, style = p.n(3, 6), p.n(4, 6), p.n(0, 2)
    for row in range(rows):
        for column in range(columns):
            if not p.chance(0.88):
                continue
            x, y = (column + 0.5) / columns, 0.22 + row * (p.height - 0.3) / rows
            size = 0.32 / columns
            if style == 0:
                p.disc(x, y, size, p.any_colour())
            else:
                p.rect(x - size, y - size, x + size, y + size, p.any_colour(), 0.03 if style == 1 else 0.0)
            p.disc(x, y, size * 0.45, (250, 250, 250))


def notifications(p: Pen) -> None:
    """Draw round tiles above cards."""
    for k in range(8):
        p.disc(0.14 + 0.24 * (k % 4), 0.2 + 0.24 * (k // 4), 0.08, p.accent if p.chance(0.4) else p.soft)
    top = 0.65
    while top < p.height - 0.25:
        deep = p.u(0.18, 0.3)
        p.rect(0.04, top, 0.96, top + deep, p.soft, 0.05)
        p.disc(0.14, top + deep / 2, 0.05, p.any_colour())
        p.text(0.24, top + 0.03, p.words(2), 0.06)
        top += deep + 0.04
