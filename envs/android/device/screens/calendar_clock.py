"""Month calendar and clock face."""

import calendar
import math

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import VIVID, WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import bottom_nav

_MONTHS = calendar.Calendar(calendar.MONDAY)


@screen_kind("month", shows="date", warmth=0.05)
def draw_month(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the current month: a grid of days with events as coloured bars, today in a disc."""
    theme, today = context.theme, context.now
    canvas.icon(28, 50, "menu", 24, theme.text)
    canvas.text(58, 50, f"{today:%B}", 24, theme.text, "regular")
    canvas.text(WIDTH - 112, 50, str(today.year), 15, theme.faint)
    canvas.icon(WIDTH - 60, 50, "magnify", 22, theme.faint)
    canvas.icon(WIDTH - 26, 50, "calendar-today", 24, theme.accent)
    weeks = _MONTHS.monthdayscalendar(today.year, today.month)
    column, top = WIDTH / 7, 100.0
    pitch = (HEIGHT - 24 - top) / len(weeks)
    for i, letter in enumerate("MTWTFSS"):
        canvas.text((i + 0.5) * column, 84, letter, 12, theme.accent if i > 4 else theme.faint, "medium", "center")
    hues = [context.choose(VIVID) for _ in range(4)]
    for row, week in enumerate(weeks):
        y = top + row * pitch
        canvas.rect(0, y, WIDTH, 1.4, theme.line)
        for i, day in enumerate(week):
            x = i * column
            events = max(0, context.below(5) - 2)
            names = [(context.pick("events"), context.choose(hues)) for _ in range(events)]
            if i:
                canvas.rect(x, y, 1.2, pitch, theme.line)
            if not day:
                continue
            middle = y + 15
            if day == today.day:
                canvas.circle(x + column / 2, middle, 13, theme.accent)
            ink = theme.on_accent if day == today.day else theme.text
            canvas.text(x + column / 2, middle, str(day), 13, ink, "medium", "center")
            for j, (name, hue) in enumerate(names):
                ey = y + 31 + 17 * j
                canvas.rrect(x + 2, ey, column - 4, 15, 3, hue if not theme.dark else mix(hue, (0, 0, 0), 0.2))
                canvas.text(x + 5, ey + 8, name, 9.5, WHITE, "medium", max_width=column - 8)
    canvas.rrect(WIDTH - 72, HEIGHT - 86, 56, 56, 16, theme.tint)
    canvas.icon(WIDTH - 44, HEIGHT - 58, "plus", 30, theme.accent)


@screen_kind("dial", shows="minute", warmth=0.6)
def draw_dial(canvas: Canvas, context: ScreenContext) -> None:
    """Draw an analogue clock that shows the phone's time, the date, and the time in other cities."""
    theme, now = context.theme, context.now
    canvas.text(20, 50, "Clock", 22, theme.text)
    canvas.icon(WIDTH - 26, 50, "dots-vertical", 22, theme.faint)
    cx, cy, radius = WIDTH / 2, 196.0, 112.0
    style = context.below(3)
    face = (theme.surface, mix(theme.background, theme.accent, 0.18), theme.background)[style]
    canvas.circle(cx, cy, radius + 6, theme.accent if style != 1 else theme.raised)
    canvas.circle(cx, cy, radius, face)
    for i in range(60 if style == 0 else 12):
        angle = i * math.tau / (60 if style == 0 else 12)
        long = i % 5 == 0 or style != 0
        inner = radius - (16 if long else 8)
        ux, uy = math.sin(angle), -math.cos(angle)
        ends = ((cx + ux * inner, cy + uy * inner), (cx + ux * (radius - 4), cy + uy * (radius - 4)))
        canvas.line(ends, 3.4 if long else 1.4, theme.text if long else theme.faint)
    if style == 1:
        for i in range(1, 13):
            angle = i * math.tau / 12
            x, y = cx + math.sin(angle) * (radius - 30), cy - math.cos(angle) * (radius - 30)
            canvas.text(x, y, str(i), 17, theme.text, "medium", "center")
    minutes = now.hour % 12 * 60 + now.minute
    for turn, reach, width in ((minutes / 720, 0.55, 8.0), (now.minute / 60, 0.84, 5.0)):
        ux, uy = math.sin(turn * math.tau), -math.cos(turn * math.tau)
        tail = (cx - ux * 12, cy - uy * 12)
        canvas.line((tail, (cx + ux * radius * reach, cy + uy * radius * reach)), width, theme.text)
    canvas.circle(cx, cy, 8, theme.accent)
    canvas.text(cx, 344, f"{now.hour}:{now.minute:02d}", 40, theme.text, "light", "center")
    canvas.text(cx, 378, f"{now:%a, %b} {now.day}", 14, theme.faint, "regular", "center")
    for i, city in enumerate(context.several("cities", 2)):
        y = 400 + 52 * i
        hour = (now.hour + 1 + context.below(22)) % 24
        canvas.rrect(16, y, WIDTH - 32, 46, 14, theme.surface)
        canvas.text(32, y + 23, city, 16, theme.text)
        canvas.text(WIDTH - 34, y + 23, f"{hour}:{now.minute:02d}", 20, theme.text, "light", "right")
    bottom_nav(canvas, context)
