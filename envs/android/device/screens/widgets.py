"""Pieces that several screens share: bars, search fields, floating buttons, avatars."""

from collections.abc import Sequence

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, NAVIGATION_TOP, WIDTH
from envs.android.device.palette import VIVID, WHITE, Theme, mix
from envs.android.device.pictures import gradient
from envs.android.device.screens.base import ScreenContext

NAV_HEIGHT = 52.0
NAV_TOP = NAVIGATION_TOP - NAV_HEIGHT
BAR_HEIGHT = 52.0
BAR_BOTTOM = 24.0 + BAR_HEIGHT


def search_field(canvas: Canvas, theme: Theme, hint: str, y: float = 30.0, initial: str = "") -> float:
    """Return a rounded search field with a menu icon and, where given, the owner's initial. Return its lower edge."""
    canvas.rrect(12, y, WIDTH - 24, 44, 22, theme.raised)
    canvas.icon(36, y + 22, "menu", 22, theme.faint)
    canvas.text(62, y + 22, hint, 15, theme.faint)
    if initial:
        avatar(canvas, WIDTH - 36, y + 22, 14, initial)
    return y + 44


def app_bar(
    canvas: Canvas,
    theme: Theme,
    title: str,
    icons: Sequence[str] = (),
    color: RGB | None = None,
    leading: str | None = "menu",
) -> float:
    """Draw a bar with a title under the status bar, coloured up to the top where asked; return its lower edge."""
    ink = theme.text
    if color is not None:
        canvas.rect(0, 0, WIDTH, BAR_BOTTOM, color)
        ink = WHITE
    y = 24 + BAR_HEIGHT / 2
    x = 20.0
    if leading:
        canvas.icon(30, y, leading, 24, ink)
        x = 60.0
    room = WIDTH - x - 34 * len(icons) - 10
    canvas.text(x, y, title, 20, ink, "medium", max_width=room)
    for i, name in enumerate(reversed(icons)):
        canvas.icon(WIDTH - 28 - 36 * i, y, name, 22, ink)
    return BAR_BOTTOM


def bottom_nav(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the bar of tabs at the bottom, from the app's `nav` parameter; draw nothing without one."""
    entries = context.param("nav", ())
    if not entries:
        return
    theme = context.theme
    canvas.rect(0, NAV_TOP, WIDTH, HEIGHT - NAV_TOP, theme.surface)
    pitch = WIDTH / len(entries)
    for i, (icon, label) in enumerate(entries):
        cx = (i + 0.5) * pitch
        lit = i == context.state.tab
        if lit:
            canvas.rrect(cx - 28, NAV_TOP + 5, 56, 26, 13, theme.tint)
        color = theme.accent if lit else theme.faint
        canvas.icon(cx, NAV_TOP + 18, icon, 22, color)
        canvas.text(cx, NAV_TOP + 42, label, 11, color, "medium", "center")


def tab_at(entries: int, x: float, y: float) -> int | None:
    """Return the entry of a bottom bar under the point (dp)."""
    if not entries or not NAV_TOP <= y < NAVIGATION_TOP:
        return None
    return min(int(x / (WIDTH / entries)), entries - 1)


def floating_button(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the round or labelled button above the lower right corner, from the app's `fab` parameter, if any."""
    fab = context.param("fab")
    if not fab:
        return
    theme = context.theme
    bottom = (NAV_TOP if context.param("nav") else NAVIGATION_TOP) - 14
    label = fab.get("text", "")
    w = 130.0 if label else 56.0
    canvas.rrect(WIDTH - 14 - w, bottom - 54, w, 54, 16, theme.tint)
    ink = theme.text if theme.dark else theme.accent
    canvas.icon(WIDTH - 14 - w + 28, bottom - 27, fab["icon"], 24, ink)
    if label:
        canvas.text(WIDTH - 14 - w + 50, bottom - 27, label, 15, ink, "medium")


def avatar(canvas: Canvas, cx: float, cy: float, radius: float, name: str) -> None:
    """Draw a coloured disc with the initial of a name; a name always has the same colour."""
    color = VIVID[sum(map(ord, name)) % len(VIVID)]
    canvas.circle(cx, cy, radius, color)
    canvas.text(cx, cy, name[:1].upper(), radius * 1.05, WHITE, "medium", "center")


def chips(canvas: Canvas, theme: Theme, y: float, labels: Sequence[str], lit: int | None = 0) -> None:
    """Draw a row of pill-shaped filters from y down, 28 dp high."""
    x = 14.0
    for i, label in enumerate(labels):
        w = 22 + 7.2 * len(label)
        canvas.rrect(x, y, w, 28, 14, theme.tint if i == lit else theme.surface)
        canvas.text(x + w / 2, y + 14, label, 13, theme.text, "regular", "center")
        x += w + 8


def fill_gradient(canvas: Canvas, top: RGB, bottom: RGB) -> None:
    """Fill the whole screen from `top` down to `bottom`."""
    canvas.image.paste(gradient(*canvas.image.size, top, bottom))


def keyboard(canvas: Canvas, theme: Theme, y: float) -> None:
    """Draw an on-screen keyboard from y down to the gesture handle."""
    canvas.rect(0, y, WIDTH, HEIGHT - y, theme.raised)
    pitch = (NAVIGATION_TOP - y - 4) / 4
    for row, letters in enumerate(("qwertyuiop", "asdfghjkl", "zxcvbnm")):
        left = (WIDTH - 35 * len(letters)) / 2
        for i, letter in enumerate(letters):
            canvas.rrect(left + 35 * i + 2, y + 4 + row * pitch, 31, pitch - 6, 5, theme.surface)
            canvas.text(left + 35 * i + 17.5, y + 1 + (row + 0.5) * pitch, letter, 16, theme.text, "regular", "center")
    last = y + 4 + 3 * pitch
    for x, w, color in ((6, 56, mix(theme.raised, theme.text, 0.2)), (70, 220, theme.surface), (298, 56, theme.accent)):
        canvas.rrect(x, last, w, pitch - 6, 5, color)
