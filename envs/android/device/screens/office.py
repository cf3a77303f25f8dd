"""Spreadsheet, text document and presentation."""

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar

_SCROLL = 150.0


@screen_kind("table", scrolls=1, warmth=0.0)
def draw_table(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a spreadsheet. Entries of the bank `title` read "name|column,...|row,..."."""
    theme = context.theme
    title, heads, labels = (context.pick("sheets")).split("|")
    columns, rows = heads.split(","), labels.split(",")
    cell = WHITE if not theme.dark else (28, 29, 31)
    shadow = mix(cell, (128, 132, 138), 0.18)
    line = mix(cell, (128, 132, 138), 0.35)
    canvas.rect(0, 0, WIDTH, HEIGHT, cell)
    gutter, pitch, left = 34.0, 28.0, 34.0
    widths = [92.0] + [78.0] * 4
    top = 76 + 30.0
    first_row, first_column = context.below(3), 1
    count = int((HEIGHT - top) / pitch) + 1
    # Cells.
    scale = context.choose((10, 100, 1000))
    shaded = mix(cell, theme.accent, 0.28)
    canvas.rect(left, top + pitch * (1 + first_row), WIDTH, pitch, shaded)
    for i in range(count + 6):
        y = top + pitch * (1 + i) - context.state.scroll * 5 * pitch
        x = left
        for j, w in enumerate(widths):
            number = context.below(scale * 9) / 10 + scale / 10
            k = i - first_row
            if 0 <= k <= len(rows) and j < len(columns) and top < y + pitch < HEIGHT:
                middle = y + pitch / 2
                if k == 0:
                    canvas.text(x + 6, middle, columns[j], 13, theme.text, "medium")
                elif j == 0:
                    canvas.text(x + 6, middle, rows[k - 1], 13, theme.text)
                else:
                    text = f"{number:,.0f}" if scale > 10 else f"{number:.1f}"
                    ink = (211, 47, 47) if j == 3 and number < scale * 0.3 else theme.text
                    canvas.text(x + w - 6, middle, text, 13, ink, anchor="right")
            x += w
    # Grid lines, then the headings of columns and rows over them.
    for i in range(count + 1):
        canvas.rect(0, top + pitch * i, WIDTH, 1.4, line)
    x = left
    for w in widths:
        canvas.rect(x, top, 1.4, HEIGHT, line)
        x += w
    canvas.rect(0, top, gutter, HEIGHT, shadow)
    canvas.rect(0, top, WIDTH, pitch, shadow)
    x = left
    for j, w in enumerate(widths):
        canvas.text(x + w / 2, top + pitch / 2, "ABCDEFG"[j + first_column - 1], 12, theme.faint, "medium", "center")
        x += w
    for i in range(count):
        number = str(i + 1 + context.state.scroll * 5)
        canvas.text(gutter / 2, top + pitch * (1.5 + i), number, 11, theme.faint, "regular", "center")
    # The selected cell.
    column, row = 1 + context.below(3), 2 + context.below(7)
    sx, sy = left + 92 + 78 * (column - 1), top + pitch * row
    for x, y, w, h in ((sx, sy, 78, 3), (sx, sy + pitch, 78, 3), (sx, sy, 3, pitch), (sx + 76, sy, 3, pitch)):
        canvas.rect(x, y, w, h, theme.accent)
    canvas.rect(0, 76, WIDTH, 30, theme.background)
    canvas.text(12, 91, "fx", 14, theme.faint, "light")
    canvas.text(40, 91, f"=SUM({'ABCD'[column]}2:{'ABCD'[column]}{row})", 13, theme.text)
    app_bar(canvas, theme, title, ("undo", "account-plus", "dots-vertical"), _bar(context), "check")
    canvas.rect(0, HEIGHT - 52, WIDTH, 52, theme.surface)
    canvas.rrect(14, HEIGHT - 50, 84, 26, 6, shaded)
    canvas.text(56, HEIGHT - 37, "Sheet1", 12, theme.text, "medium", "center")
    canvas.icon(116, HEIGHT - 37, "plus", 20, theme.faint)


@screen_kind("document", scrolls=2, warmth=0.0)
def draw_document(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a page of a word processor; its title comes from the bank `title`."""
    theme = context.theme
    desk = (232, 234, 237) if not theme.dark else (14, 14, 16)
    page = WHITE if not theme.dark else (38, 39, 42)
    canvas.rect(0, 0, WIDTH, HEIGHT, desk)
    top = 124 - context.state.scroll * _SCROLL
    left, width = 22.0, WIDTH - 44
    canvas.rect(left, top, width, 900, page)
    x, y, room = left + 26, top + 42, width - 52
    title = context.pick(context.param("title"))
    y += 31 * canvas.paragraph(x, y, room, title, 24, theme.text, 2, "medium", 1.3)
    if context.rng.random() < 0.6:
        canvas.text(x, y - 6, context.pick("people"), 13, theme.faint)
        y += 22
    for block in range(6):
        if context.rng.random() < (0.9 if block == 0 else 0.35):
            canvas.text(x, y, context.choose(_HEADINGS), 16, theme.accent, "medium")
            y += 24
        kind = context.rng.random()
        if kind < 0.2 and block:
            canvas.picture(x, y - 4, room, 110, context.below(96))
            y += 128
        elif kind < 0.45:
            for text in context.several("sentences", 3):
                canvas.circle(x + 5, y, 2.6, theme.text)
                y += 18 * canvas.paragraph(x + 16, y, room - 16, text, 13, theme.text, 2, pitch=1.4)
            y += 10
        else:
            text = " ".join(context.several("sentences", 3))
            y += 18.2 * canvas.paragraph(x, y, room, text, 13, theme.text, 8, pitch=1.4) + 12
    canvas.rect(0, 76, WIDTH, 36, theme.surface)
    for i, name in enumerate(_TOOLS):
        canvas.icon(28 + 50.5 * i, 94, name, 22, theme.accent if i == context.state.tab else theme.faint)
    app_bar(canvas, theme, title, ("undo", "account-plus", "dots-vertical"), _bar(context), "check")


@screen_kind("slides", scrolls=1, warmth=0.0)
def draw_slides(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a slide deck. Entries of the bank `title` read "name|slide,..."."""
    theme = context.theme
    canvas.rect(0, 0, WIDTH, HEIGHT, (240, 240, 242) if not theme.dark else (24, 24, 26))
    name, titles = context.pick(context.param("title")).split("|")
    color = context.choose(VIVID)
    back = context.choose((WHITE, (250, 245, 232), (34, 40, 60), mix(color, WHITE, 0.8)))
    slides = titles.split(",")
    current = context.state.scroll
    _slide(canvas, context, 20, 96, 320, 180, name, color, back, title_slide=True)
    for i, title in enumerate(slides[current : current + 4]):
        x, y = 20 + 164 * (i % 2), 316 + 108 * (i // 2)
        if i == 0:
            canvas.rrect(x - 5, y - 5, 166, 98, 4, theme.accent)
        _slide(canvas, context, x, y, 156, 88, title, color, back, title_slide=False)
    canvas.text(20, 296, f"{1 + current} of {1 + len(slides)}", 12, theme.faint)
    app_bar(canvas, theme, name, ("play", "account-plus", "dots-vertical"), _bar(context), "check")


def _slide(
    canvas: Canvas,
    context: ScreenContext,
    x: float,
    y: float,
    w: float,
    h: float,
    title: str,
    color: RGB,
    back: RGB,
    *,
    title_slide: bool,
) -> None:
    ink = WHITE if sum(back) < 300 else (36, 36, 40)
    canvas.rect(x + 2, y + 3, w, h, mix(context.theme.background, BLACK, 0.3))
    canvas.rect(x, y, w, h, back)
    if title_slide:
        canvas.rect(x, y, w * 0.05, h, color)
        canvas.paragraph(x + w * 0.12, y + h * 0.4, w * 0.6, title, h * 0.13, ink, 2, "medium", 1.2)
        canvas.rect(x + w * 0.12, y + h * 0.68, w * 0.2, h * 0.025, color)
        canvas.text(x + w * 0.12, y + h * 0.8, context.pick("people"), h * 0.07, ink)
        canvas.circle(x + w * 0.84, y + h * 0.28, h * 0.18, color)
        return
    canvas.rect(x, y, w, h * 0.05, color)
    canvas.text(x + w * 0.08, y + h * 0.2, title, h * 0.15, ink, "medium", max_width=w * 0.85)
    kind = context.below(3)
    values = [0.2 + 0.8 * context.rng.random() for _ in range(5)]
    if kind == 0:
        for i, value in enumerate(values):
            tall = h * 0.5 * value
            canvas.rect(x + w * (0.1 + 0.16 * i), y + h * 0.9 - tall, w * 0.11, tall, VIVID[i] if i % 2 else color)
    elif kind == 1:
        for i, value in enumerate(values[:4]):
            canvas.circle(x + w * 0.1, y + h * (0.4 + 0.14 * i), h * 0.025, color)
            canvas.rect(
                x + w * 0.15, y + h * (0.38 + 0.14 * i), w * (0.35 + 0.4 * value), h * 0.04, mix(back, ink, 0.6)
            )
    else:
        canvas.picture(x + w * 0.5, y + h * 0.32, w * 0.42, h * 0.56, context.below(96))
        for i in range(3):
            canvas.rect(x + w * 0.08, y + h * (0.4 + 0.15 * i), w * 0.34, h * 0.045, mix(back, ink, 0.6))


def _bar(context: ScreenContext) -> RGB:
    accent = context.app.accent_rgb
    return mix(accent, BLACK, 0.45) if context.theme.dark else accent


_HEADINGS = (
    "Introduction",
    "Background",
    "Summary",
    "What we did",
    "Next steps",
    "Open questions",
    "Method",
    "Results",
)
_TOOLS = (
    "format-bold",
    "format-italic",
    "format-underline",
    "format-color-text",
    "format-align-left",
    "format-list-bulleted",
    "plus",
)
