"""Planning, learning and meeting: check list, board of cards, periodic table, function graphs, video call."""

import itertools
import math

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import AppState, ScreenContext, screen_kind
from envs.android.device.screens.widgets import fill_gradient, floating_button


@screen_kind("checklist", scrolls=1, warmth=0.0)
def draw_checklist(canvas: Canvas, context: ScreenContext) -> None:
    """Draw errands with round boxes under a coloured head; those done are ticked and struck through."""
    theme, accent = context.theme, context.app.accent_rgb
    count = 11
    names = context.several("errands", count)
    done = [context.rng.random() < 0.45 for _ in range(count)]
    for i, (name, is_done) in enumerate(zip(names, done, strict=True)):
        y = 196 + 50.0 * (i - 3 * context.state.scroll)
        due = context.choose(("Today", "Friday", "Next week", "No date"))
        if y < 150:
            continue
        canvas.circle(38, y, 14, _PRIORITIES[i % 3])
        canvas.circle(38, y, 11, _PRIORITIES[i % 3] if is_done else theme.background)
        if is_done:
            canvas.icon(38, y, "check", 18, WHITE)
        ink = theme.faint if is_done else theme.text
        canvas.text(66, y - 7, name, 16, ink, max_width=270)
        canvas.text(66, y + 12, due, 12, theme.faint)
        if is_done:
            canvas.rect(66, y - 7, min(270.0, canvas.text_width(name, 16)), 2, theme.faint)
        canvas.rect(66, y + 24, WIDTH - 66, 1.4, theme.line)
    head = mix(accent, BLACK, 0.3) if theme.dark else accent
    canvas.rrect(0, -30, WIDTH, 190, 30, head)
    canvas.text(24, 62, context.choose(("My day", "Household", "Errands", "This week")), 32, WHITE, "medium")
    canvas.text(24, 100, f"{sum(done)} of {count} done", 17, WHITE)
    canvas.rrect(24, 126, WIDTH - 48, 10, 5, mix(head, BLACK, 0.3))
    canvas.rrect(24, 126, (WIDTH - 48) * max(0.06, sum(done) / count), 10, 5, WHITE)
    floating_button(canvas, context)


_PRIORITIES: tuple[RGB, ...] = ((229, 57, 53), (255, 160, 0), (66, 133, 244))


@screen_kind("kanban", scrolls=1, warmth=0.0, themed=False)
def draw_kanban(canvas: Canvas, context: ScreenContext) -> None:
    """Draw white cards with coloured labels in columns side by side."""
    tone = context.choose(((0, 121, 145), (0, 110, 120), (20, 100, 160)))
    fill_gradient(canvas, tone, mix(tone, (90, 40, 140), 0.5))
    canvas.icon(28, 50, "menu", 26, WHITE)
    canvas.text(56, 50, context.pick("documents"), 20, WHITE, "medium", max_width=220)
    canvas.icon(WIDTH - 30, 50, "account-plus", 24, WHITE)
    titles = ("Ideas", "Doing", "Done")
    for column in range(3):
        x = 10 + 148.0 * column - 90 * context.state.scroll
        count = 2 + context.below(3)
        canvas.rrect(x, 82, 140, 40 + 110.0 * count, 12, (232, 234, 240))
        canvas.text(x + 12, 104, f"{titles[column]} ({count})", 15, (44, 48, 60), "medium")
        for i in range(count):
            y = 124 + 108.0 * i
            canvas.rrect(x + 6, y + 2, 128, 100, 8, (190, 194, 204))
            canvas.rrect(x + 6, y, 128, 100, 8, WHITE)
            for j in range(1 + context.below(3)):
                canvas.rrect(x + 14 + 40 * j, y + 10, 34, 10, 5, context.choose(VIVID))
            canvas.paragraph(x + 14, y + 38, 112, context.pick("errands"), 13.5, (44, 48, 60), 2)
            canvas.circle(x + 116, y + 82, 11, context.choose(VIVID))
            canvas.icon(
                x + 24, y + 82, context.choose(("clock-outline", "paperclip", "message-outline")), 16, (130, 134, 146)
            )


# Column (from 0), row, symbol and group of each element of the table; groups index _GROUPS.
_ROWS = (
    "HHe",
    "LiBeBCNOFNe",
    "NaMgAlSiPSClAr",
    "KCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKr",
    "RbSrYZrNbMoTcRuRhPdAgCdInSnSbTeIXe",
)
_GROUPS: tuple[RGB, ...] = (
    (255, 112, 100),
    (255, 190, 80),
    (250, 225, 110),
    (120, 200, 250),
    (130, 215, 140),
    (200, 150, 250),
)


def _elements() -> list[tuple[int, int, str, int]]:
    found: list[tuple[int, int, str, int]] = []
    for row, text in enumerate(_ROWS):
        starts = [i for i, char in enumerate(text) if char.isupper()] + [len(text)]
        symbols = [text[a:b] for a, b in itertools.pairwise(starts)]
        for i, symbol in enumerate(symbols):
            from_right = len(symbols) - i
            column = i if len(symbols) == 18 or i < min(2, len(symbols) - 1) else 18 - from_right
            group = (
                0 if column == 0 else 1 if column == 1 else 5 if column == 17 else 2 if column < 12 else 3 + column % 2
            )
            found.append((column, row, symbol, group))
    return found


_ELEMENTS = _elements()


@screen_kind("elements", warmth=0.0)
def draw_elements(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the periodic table in colours, one element of it written large."""
    theme = context.theme
    canvas.text(20, 54, context.app.name, 24, theme.text, "medium")
    canvas.icon(WIDTH - 30, 54, "magnify", 24, theme.faint)
    number = context.below(len(_ELEMENTS))
    top, wide, tall = 84.0, WIDTH / 18, 42.0
    shift = context.choose(VIVID)
    for i, (column, row, symbol, group) in enumerate(_ELEMENTS):
        color = _GROUPS[group] if i != number else shift
        canvas.rect(column * wide + 1, top + row * tall + 1, wide - 2, tall - 2, color)
        canvas.text((column + 0.5) * wide, top + (row + 0.5) * tall, symbol, 11, BLACK, "medium", "center")
    column, row, symbol, group = _ELEMENTS[number]
    canvas.rrect(20, 316, 150, 170, 16, _GROUPS[group])
    canvas.text(36, 340, str(number + 1), 20, BLACK, "medium")
    canvas.text(95, 400, symbol, 76, BLACK, "medium", "center")
    canvas.text(95, 460, f"{1 + 2.1 * number + context.rng.random():.2f}", 16, BLACK, "regular", "center")
    facts = ("Melts at", "Boils at", "Density", "Radius")
    for i, label in enumerate(facts):
        canvas.text(190, 328 + 42 * i, label, 12, theme.faint)
        canvas.text(190, 346 + 42 * i, f"{context.below(3000)} {('K', 'K', 'kg', 'pm')[i]}", 17, theme.text, "medium")
    for i, color in enumerate(_GROUPS):
        canvas.rrect(20 + 55 * i, 510, 46, 26, 8, color)


@screen_kind("functions", warmth=0.0, themed=False)
def draw_functions(canvas: Canvas, context: ScreenContext) -> None:
    """Draw curves of functions in a coordinate system on squared paper, with their formulas."""
    paper, grid, ink = (222, 238, 252), (150, 190, 228), (20, 40, 70)
    canvas.rect(0, 0, WIDTH, 424, paper)
    cx, cy, unit = 180.0 + context.below(60) - 30, 220.0 + context.below(60) - 30, 36.0
    for i in range(-8, 9):
        canvas.rect(cx + i * unit, 0, 1.4, 424, grid)
        canvas.rect(0, cy + i * unit, WIDTH, 1.4, grid)
    canvas.rect(cx - 1.4, 0, 3.4, 424, ink)
    canvas.rect(0, cy - 1.4, WIDTH, 3.4, ink)
    hues = context.rng.sample(((214, 40, 50), (30, 110, 230), (20, 150, 70), (150, 60, 190)), 3)
    formulas = []
    for hue in hues:
        a, b = 1 + context.below(3), context.below(5) - 2
        form = context.below(4)
        points = []
        for i in range(91):
            x = (4.0 * i - cx) / unit
            value = (a * math.sin(x + b), 0.3 * a * x * x + b, 0.5 * a * x + b, 0.08 * a * x**3 - x)[form]
            points.append((4.0 * i, max(-40.0, min(464.0, cy - unit * value))))
        canvas.line(points, 4.4, hue)
        formulas.append((f"{a}·sin(x{b:+d})", f"0.{3 * a}·x²{b:+d}", f"{a / 2}·x{b:+d}", f"0.0{8 * a}·x^3-x")[form])
    canvas.rect(0, 412, WIDTH, 164, (16, 44, 92))
    for i, (hue, formula) in enumerate(zip(hues, formulas, strict=True)):
        y = 438 + 42.0 * i
        canvas.rect(0, y - 19, 18, 38, hue)
        canvas.text(36, y, f"y = {formula}", 21, WHITE)
        canvas.circle(WIDTH - 34, y, 11, hue)
        canvas.rect(0, y + 20, WIDTH, 1.4, (60, 90, 140))


def _mute(state: AppState, x: float, y: float) -> AppState:
    return state._replace(text="" if state.text else "x") if y > 490 and x < 110 else state


@screen_kind("video_call", on_tap=_mute, warmth=0.0, themed=False)
def draw_video_call(canvas: Canvas, context: ScreenContext) -> None:
    """Draw six faces in tiles with names, and a bar with a red button to hang up."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (32, 33, 38))
    canvas.text(
        WIDTH / 2,
        46,
        f"{context.pick('events')} {context.below(59)}:{context.below(60):02d}",
        15,
        WHITE,
        "medium",
        "center",
    )
    speaker = context.below(6)
    for i, name in enumerate(context.several("people", 6)):
        x, y = 8 + 174.0 * (i % 2), 68 + 140.0 * (i // 2)
        if i == speaker:
            canvas.rrect(x - 3, y - 3, 176, 140, 14, (80, 150, 255))
        if context.rng.random() < 0.15:
            canvas.rrect(x, y, 170, 134, 12, (60, 64, 72))
            canvas.circle(x + 85, y + 62, 34, context.choose(VIVID))
            canvas.text(x + 85, y + 62, name[0], 32, WHITE, "medium", "center")
        else:
            canvas.picture(x, y, 170, 134, 2 + 8 * context.below(12), 12)
        canvas.rrect(x + 8, y + 110, 90, 18, 6, (20, 20, 24))
        canvas.text(x + 14, y + 119, name, 11.5, WHITE, max_width=80)
    is_muted = bool(context.state.text)
    for i, name in enumerate(("microphone", "video", "message-text", "phone-hangup")):
        x = 60 + 80.0 * i
        color: RGB = (226, 40, 46) if i == 3 else WHITE if i == 0 and is_muted else (70, 72, 80)
        canvas.circle(x, 520, 28, color)
        canvas.icon(x, 520, name, 28, (32, 33, 38) if i == 0 and is_muted else WHITE)
