"""Screens of apps that most telephones have."""

from __future__ import annotations

import numpy as np

from envs.web.pen import Pen


def inbox(p: Pen) -> None:
    """Draw a list of e-mails."""
    top, end = p.bar(), p.tabs()
    step = p.u(0.2, 0.27)
    while top + step < end + 0.05:
        p.disc(0.12, top + step / 2, 0.06, p.any_colour())
        p.text(0.23, top + 0.03, p.words(), 0.06)
        p.rect(0.23, top + 0.12, p.u(0.6, 0.95), top + 0.145, p.soft)
        top += step
    if p.chance(0.6):
        p.disc(0.85, end - 0.15, 0.08, p.accent)


def table(p: Pen) -> None:
    """Draw a spreadsheet."""
    top, end = p.bar(), p.tabs()
    columns, step = p.n(3, 6), p.u(0.07, 0.11)
    p.rect(0, top, 1, top + step, p.soft)
    p.rect(0, top, 0.09, end, p.soft)
    y = top
    while y < end:
        p.line([(0, y), (1, y)], p.soft, 0.006)
        for k in range(columns):
            if p.chance(0.55):
                p.text(0.11 + k * 0.89 / columns, y + 0.015, str(p.n(1, 999)), step * 0.55)
        y += step
    for k in range(columns + 1):
        x = 0.09 + k * 0.91 / columns
        p.line([(x, top), (x, end)], p.soft, 0.006)


def browser(p: Pen) -> None:
    """Draw a web page under or over an address bar."""
    low = p.chance(0.4)
    y = p.height - 0.17 if low else 0.05
    p.rect(0.06, y, 0.94, y + 0.11, p.soft, 0.05)
    p.text(0.13, y + 0.025, "www.example.com", 0.06)
    top = 0.06 if low else 0.22
    if p.chance(0.6):
        p.rect(0.05, top, 0.95, top + 0.4, p.any_colour())
        top += 0.45
    p.text(0.06, top, p.words(2), 0.09)
    p.lines(0.06, 0.94, top + 0.15, (p.height - 0.25) if low else p.height - 0.05)


def keypad(p: Pen) -> None:
    """Draw a calculator."""
    split = p.height * p.u(0.3, 0.45)
    p.text(p.u(0.3, 0.6), split - 0.25, str(p.n(1, 99999)), 0.16)
    columns, rows = p.n(4, 5), p.n(4, 5)
    round_by = float(p.rng.choice([0.0, 0.03, 0.09]))
    cell, deep = 1 / columns, (p.height - split) / rows
    marks = "789/456*123-0.=+C%()^"
    for row in range(rows):
        for column in range(columns):
            last = column == columns - 1
            fill = p.accent if last else p.soft
            x, y = column * cell, split + row * deep
            p.rect(x + 0.012, y + 0.012, x + cell - 0.012, y + deep - 0.012, fill, round_by)
            p.text(x + cell / 2, y + deep / 2, marks[(row * 4 + column) % len(marks)], 0.09, centred=True)


def dial(p: Pen) -> None:
    """Draw a clock face."""
    p.bar()
    x, y, r = 0.5, p.height * p.u(0.35, 0.45), p.u(0.3, 0.42)
    if p.chance(0.5):
        p.disc(x, y, r, p.soft)
    p.circle(x, y, r, p.ink, 0.02)
    for k in range(12):
        a = k * np.pi / 6
        p.line(
            [
                (x + 0.85 * r * np.cos(a), y + 0.85 * r * np.sin(a)),
                (x + 0.96 * r * np.cos(a), y + 0.96 * r * np.sin(a)),
            ],
            p.ink,
        )
    for share, fill, thick in ((0.55, p.ink, 0.03), (0.8, p.ink, 0.02), (0.85, p.accent, 0.01)):
        a = p.u(0, 2 * np.pi)
        p.line([(x, y), (x + share * r * np.cos(a), y + share * r * np.sin(a))], fill, thick)
    p.text(0.5, y + r + 0.2, f"{p.n(0, 23)}:{p.n(10, 59)}", p.u(0.1, 0.2), centred=True)
    p.tabs()


def chat(p: Pen) -> None:
    """Draw message bubbles."""
    top = p.bar()
    end = p.height - 0.18
    while top < end - 0.15:
        mine, deep, wide = p.chance(0.5), p.u(0.1, 0.26), p.u(0.35, 0.72)
        x0 = 0.96 - wide if mine else 0.04
        p.rect(x0, top, x0 + wide, top + deep, p.accent if mine else p.soft, 0.05)
        p.rect(x0 + 0.05, top + 0.04, x0 + wide - 0.07, top + 0.06, p.paper)
        top += deep + 0.05
    p.rect(0.05, p.height - 0.14, 0.95, p.height - 0.04, p.soft, 0.05)


def dialer(p: Pen) -> None:
    """Draw a dial pad."""
    p.text(0.5, 0.25, f"0{p.n(100, 999)} {p.n(1000, 9999)}", 0.1, centred=True)
    top, step = p.height * 0.3, p.height * 0.13
    for k, mark in enumerate("123456789*0#"):
        x, y = 0.2 + 0.3 * (k % 3), top + step * (k // 3)
        if p.chance(0.7):
            p.disc(x, y, 0.1, p.soft)
        p.text(x, y, mark, 0.11, centred=True)
    p.disc(0.5, top + 4 * step + 0.03, 0.11, (int(p.u(20, 90)), int(p.u(150, 210)), int(p.u(40, 110))))


def month(p: Pen) -> None:
    """Draw a month and its events."""
    top = p.bar(("March", "July", "May", "October")[p.n(0, 3)])
    step = p.u(0.13, 0.18)
    for day in range(p.n(28, 35)):
        x, y = (day % 7 + 0.5) / 7, top + 0.12 + step * (day // 7)
        if p.chance(0.06):
            p.disc(x, y, 0.06, p.accent)
        p.text(x, y, str(day % 31 + 1), 0.06, centred=True)
        if p.chance(0.2):
            p.rect(x - 0.05, y + 0.045, x + 0.05, y + 0.065, p.any_colour())
    y = top + 0.15 + 5 * step
    while y < p.height - 0.15 and p.chance(0.8):
        p.rect(0.06, y, 0.94, y + 0.12, p.soft, 0.02)
        p.rect(0.06, y, 0.09, y + 0.12, p.any_colour())
        y += 0.16
    p.tabs()


def document(p: Pen) -> None:
    """Draw a page of text."""
    top, end = p.bar(), p.tabs()
    p.rect(0.05, top, 0.95, end - 0.04, (250, 250, 248) if p.chance(0.6) else p.paper)
    p.text(0.12, top + 0.06, p.words(2), 0.09, (20, 20, 20) if not p.dark else None)
    p.lines(0.12, 0.88, top + 0.22, end - 0.12, p.u(0.055, 0.08), 0.018)


def map(p: Pen) -> None:
    """Draw streets, parks, water and a pin."""
    p.rect(0, 0, 1, p.height, (int(p.u(200, 240)), int(p.u(205, 240)), int(p.u(200, 235))) if not p.dark else p.soft)
    for _ in range(p.n(2, 4)):
        x, y = p.u(0, 1), p.u(0, p.height)
        p.rect(
            x - p.u(0.1, 0.3),
            y,
            x + 0.25,
            y + p.u(0.15, 0.4),
            (int(p.u(120, 190)), int(p.u(180, 225)), int(p.u(110, 170))),
        )
    if p.chance(0.7):
        y = p.u(0.2, p.height)
        p.line(
            [(-0.1, y), (0.3, y + p.u(-0.2, 0.2)), (0.7, y + p.u(-0.3, 0.3)), (1.1, y)], (90, 160, 220), p.u(0.06, 0.14)
        )
    for _ in range(p.n(7, 14)):
        a, x, y = p.u(0, np.pi), p.u(0, 1), p.u(0, p.height)
        end = 2 * np.cos(a), 2 * np.sin(a)
        p.line(
            [(x - end[0], y - end[1]), (x + end[0], y + end[1])],
            (255, 255, 255) if p.chance(0.7) else (250, 215, 120),
            p.u(0.012, 0.045),
        )
    x, y = p.u(0.3, 0.7), p.height * p.u(0.35, 0.6)
    p.shape([(x, y), (x - 0.06, y - 0.12), (x + 0.06, y - 0.12)], p.accent)
    p.disc(x, y - 0.14, 0.07, p.accent)
    if p.chance(0.6):
        p.rect(0.06, 0.07, 0.94, 0.19, p.paper, 0.05)


def gallery(p: Pen) -> None:
    """Draw a grid of pictures."""
    top, end = p.bar(), p.tabs()
    columns = p.n(2, 4)
    cell = 1 / columns
    while top < end:
        for k in range(columns):
            x = k * cell
            p.rect(x + 0.008, top + 0.008, x + cell - 0.008, top + cell - 0.008, p.any_colour())
            p.rect(x + 0.008, top + cell * p.u(0.5, 0.8), x + cell - 0.008, top + cell - 0.008, p.any_colour())
            if p.chance(0.4):
                p.disc(x + cell * p.u(0.3, 0.7), top + cell * 0.35, cell * 0.15, p.any_colour())
        top += cell


def feed(p: Pen) -> None:
    """Draw films with a triangle to play them."""
    top, end = p.bar(), p.tabs()
    while top < end:
        deep = p.u(0.42, 0.6)
        p.rect(0, top, 1, top + deep, p.any_colour())
        p.shape([(0.45, top + deep / 2 - 0.08), (0.45, top + deep / 2 + 0.08), (0.58, top + deep / 2)], (255, 255, 255))
        p.disc(0.09, top + deep + 0.09, 0.05, p.any_colour())
        p.rect(0.18, top + deep + 0.05, p.u(0.6, 0.9), top + deep + 0.075, p.ink)
        top += deep + 0.2


def settings(p: Pen) -> None:
    """Draw rows with switches."""
    top, end = p.bar("Settings" if p.chance(0.5) else ""), p.tabs()
    step = p.u(0.15, 0.2)
    while top + step < end:
        p.rect(0.05, top + 0.03, 0.15, top + 0.13, p.any_colour(), 0.02)
        p.text(0.21, top + 0.04, p.words(), 0.06)
        if p.chance(0.5):
            on = p.chance(0.5)
            p.rect(0.8, top + 0.05, 0.94, top + 0.12, p.accent if on else p.soft, 0.03)
            p.disc(0.9 if on else 0.84, top + 0.085, 0.03, (255, 255, 255))
        top += step


def cards(p: Pen) -> None:
    """Note in two columns."""
    top, end = p.bar(), p.tabs()
    lefts = [top, top]
    while min(lefts) < end - 0.1:
        k = int(np.argmin(lefts))
        deep = p.u(0.25, 0.55)
        fill = p.any_colour() if p.chance(0.7) else p.soft
        p.rect(0.03 + 0.48 * k, lefts[k], 0.49 + 0.48 * k, lefts[k] + deep, fill, 0.03)
        p.lines(0.07 + 0.48 * k, 0.44 + 0.48 * k, lefts[k] + 0.06, lefts[k] + deep - 0.06)
        lefts[k] += deep + 0.03


def viewfinder(p: Pen) -> None:
    """Draw what a camera sees, and its shutter button."""
    p.rect(0, 0, 1, p.height, (12, 12, 14))
    low, high = p.height * 0.1, p.height * p.u(0.72, 0.8)
    p.rect(0, low, 1, high, p.any_colour())
    p.rect(0, (low + high) / 2, 1, high, p.any_colour())
    p.disc(p.u(0.3, 0.7), (low + high) / 2, 0.2, p.any_colour())
    p.circle(0.5, (high + p.height) / 2, 0.12, (255, 255, 255), 0.02)
    p.disc(0.5, (high + p.height) / 2, 0.09, (255, 255, 255))


def player(p: Pen) -> None:
    """Draw an album and its controls."""
    y = p.u(0.15, 0.3)
    p.rect(0.12, y, 0.88, y + 0.76, p.any_colour(), 0.03)
    p.disc(0.5, y + 0.38, p.u(0.12, 0.3), p.any_colour())
    y += 0.9
    p.text(0.5, y, p.words(2), 0.08, centred=True)
    p.line([(0.12, y + 0.14), (0.88, y + 0.14)], p.soft, 0.02)
    p.line([(0.12, y + 0.14), (p.u(0.2, 0.8), y + 0.14)], p.accent, 0.02)
    p.disc(0.5, y + 0.34, 0.1, p.accent)
    p.shape([(0.47, y + 0.28), (0.47, y + 0.4), (0.56, y + 0.34)], p.paper)
    for x, way in ((0.27, -1), (0.73, 1)):
        p.shape([(x - way * 0.04, y + 0.29), (x - way * 0.04, y + 0.39), (x + way * 0.04, y + 0.34)], p.ink)


def weather(p: Pen) -> None:
    """Draw a sky, a temperature and a week."""
    p.rect(0, 0, 1, p.height, (int(p.u(40, 140)), int(p.u(110, 180)), int(p.u(170, 235))))
    p.disc(0.3 + p.u(0, 0.4), 0.35, 0.14, (250, 210, 70))
    for _ in range(p.n(1, 3)):
        x, y = p.u(0.3, 0.7), p.u(0.35, 0.5)
        for k in range(3):
            p.disc(x + 0.09 * (k - 1), y, 0.08, (240, 244, 248))
    p.text(0.5, 0.75, f"{p.n(-5, 34)}°", 0.22, (255, 255, 255), centred=True)
    for k in range(5):
        y = 1.0 + k * 0.15
        p.text(0.08, y, ("Mon", "Tue", "Wed", "Thu", "Fri")[k], 0.065, (255, 255, 255))
        p.line([(0.4, y + 0.04), (0.9, y + 0.04)], (220, 230, 240), 0.02)
