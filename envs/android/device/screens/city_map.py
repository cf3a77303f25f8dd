"""A street map."""

import math

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import WHITE
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import avatar

_CHIPS = (("silverware-fork-knife", "Restaurants"), ("gas-station", "Fuel"), ("coffee", "Coffee"), ("bed", "Hotels"))
# Land, block, street, main road, park, water, label.
_LIGHT: tuple[RGB, ...] = (
    (238, 236, 230),
    (248, 247, 243),
    (255, 255, 255),
    (253, 214, 99),
    (180, 222, 170),
    (150, 203, 235),
    (84, 88, 96),
)
_DARK: tuple[RGB, ...] = (
    (36, 42, 52),
    (44, 50, 62),
    (70, 78, 92),
    (150, 124, 60),
    (34, 74, 62),
    (20, 52, 92),
    (170, 178, 190),
)


@screen_kind("map", scrolls=1)
def draw_map(canvas: Canvas, context: ScreenContext) -> None:
    """Draw streets at a slant, parks, a river, names, a red pin, and the owner's place as a blue dot."""
    theme = context.theme
    land, block, street, road, park, water, label = _DARK if theme.dark else _LIGHT
    canvas.rect(0, 0, WIDTH, HEIGHT, land)
    angle = context.rng.uniform(-0.5, 0.5)
    ox, oy = 180 + context.rng.uniform(-40, 40), 300 + context.rng.uniform(-40, 40) - 90 * context.state.scroll
    cos, sin = math.cos(angle), math.sin(angle)

    def at(u: float, v: float) -> tuple[float, float]:
        return ox + u * cos - v * sin, oy + u * sin + v * cos

    pitch = 62 + context.below(30)
    for _ in range(3):
        u, v = context.rng.uniform(-260, 200), context.rng.uniform(-300, 260)
        w, h = pitch * context.rng.uniform(1, 2.2), pitch * context.rng.uniform(1, 2.2)
        canvas.polygon((at(u, v), at(u + w, v), at(u + w, v + h), at(u, v + h)), park)
    for _ in range(5):
        u, v = context.rng.uniform(-250, 220), context.rng.uniform(-300, 280)
        canvas.polygon((at(u, v), at(u + 40, v), at(u + 40, v + 30), at(u, v + 30)), block)
    phase, bend = context.rng.uniform(0, 6), context.rng.uniform(30, 90)
    side = context.choose((-160, -110, 120, 170))
    river = [at(side + bend * math.sin(phase + v / 110), v) for v in range(-480, 481, 60)]
    canvas.line(river, 54, water)
    for i in range(-8, 9):
        canvas.line((at(i * pitch, -600), at(i * pitch, 600)), 7 if i % 3 else 9, street)
        canvas.line((at(-600, i * pitch), at(600, i * pitch)), 7 if i % 4 else 9, street)
    major = context.below(3) - 1
    canvas.line((at(major * pitch, -600), at(major * pitch, 600)), 13, road)
    canvas.line((at(-600, (major + 1) * pitch), at(600, (major + 1) * pitch)), 13, road)
    for name in context.several("places", 5):
        canvas.text(30 + context.below(220), 140 + context.below(300), name, 12, label, "medium")
    for name in context.several("shops", 3):
        x, y = 40 + context.below(200), 150 + context.below(280)
        canvas.circle(x, y, 8, context.choose(((242, 153, 0), (66, 133, 244), (123, 31, 162))))
        canvas.text(x + 12, y, name, 11, label)
    x, y = 90 + context.below(180), 190 + context.below(170)
    canvas.circle(x - 60, y + 90, 17, (170, 200, 250))
    canvas.circle(x - 60, y + 90, 9, WHITE)
    canvas.circle(x - 60, y + 90, 7, (26, 115, 232))
    canvas.icon(x, y, "map-marker", 62, (217, 48, 37))
    field: RGB = (48, 52, 60) if theme.dark else WHITE
    canvas.rrect(14, 32, WIDTH - 28, 46, 23, field)
    canvas.icon(38, 55, "map-marker", 24, (52, 168, 83))
    canvas.text(62, 55, context.param("hint", "Search here"), 16, theme.faint)
    avatar(canvas, WIDTH - 40, 55, 15, context.pick("people"))
    cx = 14.0
    for icon, text in _CHIPS:
        w = 40 + 7.0 * len(text)
        canvas.rrect(cx, 88, w, 30, 15, field)
        canvas.icon(cx + 18, 103, icon, 17, theme.faint)
        canvas.text(cx + 32, 103, text, 13, theme.text)
        cx += w + 8
    canvas.circle(WIDTH - 44, 400, 25, field)
    canvas.icon(WIDTH - 44, 400, "crosshairs-gps", 26, theme.faint)
    canvas.rrect(WIDTH - 70, 434, 52, 52, 14, (26, 115, 232))
    canvas.icon(WIDTH - 44, 460, "directions", 30, WHITE)
    canvas.rrect(0, 500, WIDTH, 110, 18, field)
    canvas.rrect(WIDTH / 2 - 16, 507, 32, 4, 2, theme.line)
    canvas.text(20, 532, f"Latest in {context.pick('cities')}", 17, theme.text, "medium")
