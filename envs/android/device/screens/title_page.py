"""Interim: the icon and the name of an app, for kinds of screens that are not drawn yet."""

from envs.android.apps import APPS, parse_color
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.screens.base import KINDS, ScreenContext, ScreenKind


def draw_title_page(canvas: Canvas, context: ScreenContext) -> None:
    """The app's icon and name in the middle of the screen."""
    canvas.circle(WIDTH / 2, HEIGHT / 2 - 30, 60, parse_color(context.app.background))
    canvas.icon(WIDTH / 2, HEIGHT / 2 - 30, context.app.icon, 70, parse_color(context.app.color))
    canvas.text(WIDTH / 2, HEIGHT / 2 + 60, context.app.name, 30, context.theme.text, "medium", "center")


for _app in APPS:
    KINDS.setdefault(_app.screen["kind"], ScreenKind(draw_title_page))
