"""Lists: mail, settings, contacts and everything else that is one row under the other."""

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.screens.base import ScreenContext, bank, screen_kind
from envs.android.device.screens.widgets import app_bar, avatar, bottom_nav, floating_button, search_field

# Rows by which one swipe moves the list.
_SCROLL_ROWS = 4


@screen_kind("rows", scrolls=2, warmth=0.2)
def draw_rows(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a list.

    Parameters in apps.yaml: header (search, bar or title), title, hint, section, leading (avatar or icon), pitch,
    primary / secondary / third (banks of texts), trailing (time or none), sorted, letters, fab, nav.
    """
    theme, state, param = context.theme, context.state, context.param
    pitch = float(param("pitch", 60))
    visible = int((HEIGHT - 90) / pitch) + 2
    count = visible + 2 * _SCROLL_ROWS
    names = context.several(param("primary"), count)
    if param("sorted"):
        names.sort()
    y = _header(canvas, context)
    if param("leading") == "icon":
        _settings_rows(canvas, context, y, pitch)
    else:
        minutes = context.below(400)
        for i, name in enumerate(names):
            second = context.pick(param("secondary")) if param("secondary") else ""
            third = context.pick(param("third")) if param("third") else ""
            minutes += context.below(90)
            fresh = context.rng.random() < 0.4
            row = i - state.scroll * _SCROLL_ROWS
            if not 0 <= row < visible:
                continue
            middle = y + (row + 0.5) * pitch
            x = 66.0
            if param("letters"):
                first = i == 0 or names[i - 1][0] != name[0]
                if first:
                    canvas.text(22, middle, name[0], 17, theme.accent, "medium", "center")
                avatar(canvas, 66, middle, 18, name)
                canvas.text(98, middle, name, 16, theme.text)
                continue
            avatar(canvas, 34, middle, 20, name)
            lines = 1 + bool(second) + bool(third)
            top = middle - (lines - 1) * 9
            weight = "medium" if fresh else "regular"
            canvas.text(x, top, name, 15, theme.text, weight, max_width=210)
            for j, text in enumerate(filter(None, (second, third))):
                ink = theme.text if j == 0 and fresh else theme.faint
                canvas.text(x, top + 18 * (j + 1), text, 13, ink, max_width=WIDTH - x - 40)
            if param("trailing") == "time":
                hour = (22 * 60 - minutes) % 1440
                canvas.text(WIDTH - 16, top, f"{hour // 60}:{hour % 60:02d}", 11, theme.faint, anchor="right")
                canvas.icon(WIDTH - 24, top + 28, "star-outline", 18, theme.faint)
    bottom_nav(canvas, context)
    floating_button(canvas, context)


def _header(canvas: Canvas, context: ScreenContext) -> float:
    theme, param = context.theme, context.param
    style = param("header")
    if style == "search":
        y = search_field(canvas, theme, param("hint", "Search"), initial=context.pick("people"))
    elif style == "title":
        canvas.text(22, 62, param("title", context.app.name), 28, theme.text)
        y = search_field(canvas, theme, param("hint", "Search"), 90) + 8
    else:
        y = app_bar(canvas, theme, param("title", context.app.name), ("magnify", "dots-vertical"))
    if param("section"):
        canvas.text(20, y + 14, param("section"), 11, theme.faint, "medium")
        y += 24
    return y


def _settings_rows(canvas: Canvas, context: ScreenContext, y: float, pitch: float) -> None:
    """Draw rows of a bank whose entries read "icon|title|summary", in the bank's own order."""
    theme = context.theme
    entries = bank(context.param("primary"))
    shift = context.state.scroll * _SCROLL_ROWS
    hues = context.below(10)
    for row, entry in enumerate(entries[shift : shift + int((HEIGHT - y) / pitch) + 1]):
        icon, title, summary = entry.split("|")
        summary = summary.replace("#", str(12 + context.below(87)))
        middle = y + (row + 0.5) * pitch
        canvas.circle(38, middle, 18, _TINTS[(row + shift + hues) % len(_TINTS)])
        canvas.icon(38, middle, icon, 22, (255, 255, 255))
        canvas.text(74, middle - 9, title, 16, theme.text)
        canvas.text(74, middle + 11, summary, 13, theme.faint, max_width=WIDTH - 90)


_TINTS = (
    *((66, 133, 244), (0, 150, 136), (255, 143, 0), (216, 67, 21), (67, 160, 71)),
    *((142, 36, 170), (57, 73, 171), (0, 131, 143), (109, 76, 65), (84, 110, 122)),
)
