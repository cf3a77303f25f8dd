"""Out of doors: hiking map, night sky, underground map, rain radar, globe, football pitch, garden."""

import itertools
import math

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import fill_gradient


def _blob(
    context: ScreenContext, cx: float, cy: float, radius: float, bumps: tuple[float, ...]
) -> list[tuple[float, float]]:
    """Return a closed wavy line around (cx, cy); equal `bumps` give lines that do not cross."""
    points = []
    for i in range(36):
        angle = math.tau * i / 36
        reach = radius * (1 + sum(0.12 * math.sin((k + 2) * angle + bump) for k, bump in enumerate(bumps)))
        points.append((cx + reach * math.cos(angle), cy + reach * math.sin(angle)))
    return points


@screen_kind("contours", scrolls=1, warmth=0.0, themed=False)
def draw_contours(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a hiking map: woods, contour lines, a dashed red trail, and its profile of heights."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (206, 226, 178))
    for _ in range(4):
        x, y = context.rng.uniform(0, WIDTH), context.rng.uniform(40, 400)
        bumps = tuple(context.rng.uniform(0, 6) for _ in range(3))
        canvas.polygon(_blob(context, x, y, 40 + context.below(60), bumps), (160, 200, 130))
    shift = -60.0 * context.state.scroll
    for _ in range(2):
        x, y = context.rng.uniform(60, 300), context.rng.uniform(90, 360) + shift
        bumps = tuple(context.rng.uniform(0, 6) for _ in range(4))
        for ring in range(8):
            line = _blob(context, x, y, 16.0 + 22 * ring, bumps)
            canvas.line([*line, line[0]], 2.2, (170, 120, 70))
        canvas.polygon(((x - 9, y + 8), (x + 9, y + 8), (x, y - 9)), (90, 60, 30))
    x, y = 40.0 + context.below(60), 372.0
    angle = -1.2
    for _ in range(40):
        angle += context.rng.uniform(-0.5, 0.5) + (0.2 if x > 310 else 0) * -1
        ahead = (min(345, max(15, x + 8 * math.cos(angle))), min(395, max(60, y + 8 * math.sin(angle))))
        canvas.line(((x, y), ahead), 6, (220, 30, 40))
        x, y = min(345, max(15, ahead[0] + 5 * math.cos(angle))), min(395, max(60, ahead[1] + 5 * math.sin(angle)))
    canvas.icon(x, y - 16, "flag", 38, (220, 30, 40))
    canvas.rect(0, 404, WIDTH, 172, (250, 250, 244))
    ink = (40, 60, 40)
    canvas.text(20, 428, context.pick("places"), 19, ink, "medium")
    canvas.text(20, 452, f"{3 + context.below(20)} km   {100 + context.below(1400)} m up", 14, (100, 110, 100))
    canvas.icon(WIDTH - 40, 436, "map-marker-path", 30, (46, 125, 50))
    phase = context.rng.uniform(0, 6)
    hill = [(20 + 10.0 * i, 512 - 26 * math.sin(phase + i / 5) - context.rng.uniform(0, 12)) for i in range(33)]
    canvas.polygon([(20.0, 552.0), *hill, (340.0, 552.0)], (102, 187, 106))
    canvas.line(hill, 3, (46, 125, 50))


@screen_kind("stars", warmth=0.0, themed=False)
def draw_stars(canvas: Canvas, context: ScreenContext) -> None:
    """Draw constellations as joined stars with names on a dark sky over a black horizon."""
    fill_gradient(canvas, (2, 4, 22), (18, 44, 92))
    for _ in range(110):
        x, y = context.rng.uniform(0, WIDTH), context.rng.uniform(24, 500)
        canvas.circle(x, y, context.rng.uniform(0.7, 1.9), (214, 222, 255))
    line = (80, 140, 220)
    for i, name in enumerate(context.several("constellations", 4)):
        x, y = 30 + 170.0 * (i % 2) + context.below(30), 80 + 200.0 * (i // 2) + context.below(40)
        points = [(x, y)]
        for _ in range(5):
            px, py = points[-1]
            points.append(
                (min(x + 130, px + 14 + context.below(34)), min(y + 120, max(y - 10, py + context.below(90) - 40)))
            )
        canvas.line(points, 2.4, line)
        for px, py in points:
            canvas.circle(px, py, 3 + context.below(3), WHITE)
        canvas.text(x + 50, y + 138, name.upper(), 12, (130, 180, 240), "medium", "center")
    x = context.rng.uniform(60, 300)
    canvas.circle(x, 110 + context.below(260), 12, context.choose(((255, 196, 120), (255, 130, 90), (240, 230, 190))))
    ridge = [(18.0 * i, 492 + 16 * math.sin(i * 0.9 + x) - context.below(14)) for i in range(21)]
    canvas.polygon([(0.0, HEIGHT), *ridge, (WIDTH, HEIGHT)], (2, 3, 8))
    for i, letter in enumerate(("W", "NW", "N", "NE", "E")):
        canvas.text(
            30 + 75 * i, 536, letter, 16, (220, 60, 60) if letter == "N" else (150, 160, 190), "medium", "center"
        )


@screen_kind("metro", warmth=0.0)
def draw_metro(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a map of underground lines: thick coloured lines with bends, and stations as white rings."""
    theme = context.theme
    canvas.rect(0, 0, WIDTH, HEIGHT, (24, 28, 36) if theme.dark else WHITE)
    hues = context.rng.sample(VIVID, 6)
    stops: list[tuple[float, float]] = []
    for i, hue in enumerate(hues):
        if i % 2:
            y = 100 + 66.0 * i
            bend, turn = 80 + context.below(160), context.choose((-70, 70))
            points = [(-10.0, y), (float(bend), y), (bend + abs(turn), y + turn), (WIDTH + 10, y + turn)]
        else:
            x = 60 + 54.0 * i
            bend, turn = 180 + context.below(170), context.choose((-60, 60))
            points = [(x, 60.0), (x, float(bend)), (x + turn, bend + abs(turn)), (x + turn, 600.0)]
        canvas.line(points, 12, hue)
        for (ax, ay), (bx, by) in itertools.pairwise(points):
            stops += [(ax + (bx - ax) * t, ay + (by - ay) * t) for t in (0.35, 0.75)]
    for x, y in stops:
        canvas.circle(x, y, 7, (20, 20, 24))
        canvas.circle(x, y, 4.6, WHITE)
    for (x, y), name in zip(stops[::5], context.several("places", len(stops[::5])), strict=True):
        canvas.text(x + 11, y - 11, name, 12, theme.text, "medium", max_width=110)
    canvas.rect(0, 0, WIDTH, 74, (0, 60, 150))
    canvas.text(20, 52, context.pick("cities") + " lines", 20, WHITE, "medium")
    canvas.icon(WIDTH - 30, 52, "directions", 26, WHITE)
    canvas.rect(0, 488, WIDTH, 88, theme.background)
    for i in range(2):
        canvas.rrect(14, 496 + 28 * i, 34, 22, 5, hues[i])
        canvas.text(31, 507 + 28 * i, str(1 + i), 14, WHITE, "medium", "center")
        canvas.text(58, 507 + 28 * i, context.pick("places"), 15, theme.text)
        canvas.text(WIDTH - 20, 507 + 28 * i, f"{1 + context.below(12)} min", 15, theme.text, "medium", "right")


@screen_kind("rain", warmth=0.0, themed=False)
def draw_rain(canvas: Canvas, context: ScreenContext) -> None:
    """Draw showers as blobs from blue to red over a grey coast, and a bar of times."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (92, 112, 128))
    bumps = tuple(context.rng.uniform(0, 6) for _ in range(4))
    coast = _blob(context, 150 + context.below(100), 250 + context.below(80), 190, bumps)
    canvas.polygon(coast, (168, 170, 164))
    canvas.line([*coast, coast[0]], 2, (60, 64, 70))
    levels: tuple[RGB, ...] = ((70, 150, 250), (40, 200, 90), (250, 225, 50), (245, 130, 30), (225, 30, 60))
    for _ in range(3):
        x, y = context.rng.uniform(50, 310), context.rng.uniform(110, 430)
        bumps = tuple(context.rng.uniform(0, 6) for _ in range(5))
        radius, strength = 50.0 + context.below(56), 3 + context.below(3)
        for level in range(strength):
            canvas.polygon(_blob(context, x, y, radius * (1 - 0.19 * level), bumps), levels[level])
    for city in context.several("cities", 3):
        x, y = 30 + context.below(230), 110 + context.below(330)
        canvas.circle(x, y, 4, BLACK)
        canvas.text(x + 8, y, city, 13, BLACK, "medium")
    canvas.rrect(14, 34, WIDTH - 28, 44, 12, (30, 36, 44))
    canvas.icon(38, 56, "umbrella", 24, levels[0])
    canvas.text(
        60,
        56,
        context.choose(("Rain in 10 min", "Dry for an hour", "Heavy showers", "Rain until noon")),
        17,
        WHITE,
        "medium",
    )
    canvas.rrect(0, 476, WIDTH, 110, 18, (30, 36, 44))
    canvas.circle(40, 512, 22, levels[0])
    canvas.icon(40, 512, "play", 28, WHITE)
    share = context.rng.random()
    canvas.rrect(78, 500, 262, 8, 4, (90, 98, 108))
    canvas.rrect(78, 500, 262 * share, 8, 4, levels[0])
    canvas.circle(78 + 262 * share, 504, 10, WHITE)
    hour = context.below(20)
    for i in range(4):
        canvas.text(92 + 78 * i, 528, f"{hour + i}:00", 12, WHITE, "regular", "center")


@screen_kind("globe", warmth=0.0, themed=False)
def draw_globe(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the earth from space: a blue ball with green land, white clouds and an atmosphere."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (0, 0, 6))
    for _ in range(50):
        canvas.circle(
            context.rng.uniform(0, WIDTH),
            context.rng.uniform(0, HEIGHT),
            context.rng.uniform(0.6, 1.5),
            (190, 190, 210),
        )
    cx, cy, radius = WIDTH / 2, 290.0, 150.0
    canvas.circle(cx, cy, radius + 12, (24, 62, 120))
    canvas.circle(cx, cy, radius, (28, 104, 200))
    for count, size, color in (
        (5, 62, context.choose(((70, 150, 70), (110, 150, 70), (86, 140, 84)))),
        (7, 20, (236, 242, 250)),
    ):
        for _ in range(count):
            angle, share = context.rng.uniform(0, math.tau), math.sqrt(context.rng.random())
            r = size * context.rng.uniform(0.6, 1.0)
            reach = (radius - r * 1.3) * share
            bumps = tuple(context.rng.uniform(0, 6) for _ in range(3))
            x, y = cx + reach * math.cos(angle), cy + reach * math.sin(angle)
            points = _blob(context, x, y, r, bumps)
            if size == 20:
                points = [(x + 1.9 * (px - x), y + 0.5 * (py - y)) for px, py in points]
            canvas.polygon([_inside(point, cx, cy, radius) for point in points], color)
    canvas.arc(cx, cy, radius + 3, 200, 330, 5, (150, 200, 255))
    canvas.rrect(20, 38, WIDTH - 40, 46, 23, (30, 34, 44))
    canvas.icon(46, 61, "magnify", 22, (170, 176, 190))
    canvas.text(70, 61, context.pick("cities"), 16, (220, 224, 232))
    for i, name in enumerate(("dice-5", "compass-outline", "map-marker")):
        canvas.circle(90 + 90 * i, 516, 26, (30, 34, 44))
        canvas.icon(90 + 90 * i, 516, name, 28, WHITE)


def _inside(point: tuple[float, float], cx: float, cy: float, radius: float) -> tuple[float, float]:
    dx, dy = point[0] - cx, point[1] - cy
    share = min(1.0, (radius - 1) / max(1.0, math.hypot(dx, dy)))
    return cx + dx * share, cy + dy * share


@screen_kind("pitch", warmth=0.0, themed=False)
def draw_pitch(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a football pitch with two teams as numbered shirts, and the score above."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (20, 60, 34))
    home, away = context.rng.sample(VIVID, 2)
    cities = context.several("cities", 2)
    for x, city, anchor in ((20.0, cities[0], "left"), (WIDTH - 20.0, cities[1], "right")):
        canvas.text(x, 56, city, 17, WHITE, "medium", anchor, max_width=110)
    canvas.rrect(134, 34, 92, 44, 10, WHITE)
    canvas.text(WIDTH / 2, 56, f"{context.below(5)} - {context.below(5)}", 26, (20, 30, 24), "medium", "center")
    top, tall = 92.0, 452.0
    for i in range(10):
        canvas.rect(10, top + tall / 10 * i, 340, tall / 10 + 1, (56, 152, 66) if i % 2 else (66, 168, 76))
    line = 3.0
    for x, y, w, h in ((14, top + 4, 332, tall - 8), (92, top + 4, 176, 66), (92, top + tall - 70, 176, 66)):
        for bx, by, bw, bh in (
            (x, y, w, line),
            (x, y + h - line, w, line),
            (x, y, line, h),
            (x + w - line, y, line, h),
        ):
            canvas.rect(bx, by, bw, bh, WHITE)
    canvas.rect(14, top + tall / 2, 332, line, WHITE)
    canvas.arc(WIDTH / 2, top + tall / 2, 50, 0, 360, line, WHITE)
    for side, color in ((1, home), (-1, away)):
        formation = context.choose(((1, 4, 4, 2), (1, 4, 3, 3), (1, 3, 5, 2)))
        for row, count in enumerate(formation):
            y = top + tall / 2 - side * (tall / 2 - 34 - 56 * row)
            for i in range(count):
                x = WIDTH * (i + 1) / (count + 1) + context.below(16) - 8
                canvas.circle(x, y, 15, WHITE)
                canvas.circle(x, y, 13, mix(color, BLACK, 0.2))
                canvas.text(x, y, str(1 + context.below(23)), 13, WHITE, "medium", "center")


@screen_kind("garden", scrolls=1, warmth=0.0, themed=False)
def draw_garden(canvas: Canvas, context: ScreenContext) -> None:
    """Draw plants in clay pots on wooden shelves, each with its name."""
    wall = context.choose(((236, 244, 226), (244, 238, 222), (226, 240, 236)))
    canvas.rect(0, 0, WIDTH, HEIGHT, wall)
    canvas.text(20, 54, context.app.name, 25, (40, 84, 50), "medium")
    canvas.icon(WIDTH - 30, 54, "plus", 28, (40, 84, 50))
    names = context.several("plants", 6)
    for i, name in enumerate(names):
        x, foot = 62 + 118.0 * (i % 3), 258 + 222.0 * (i // 3) - 30 * context.state.scroll
        if i % 3 == 0:
            canvas.rect(0, foot, WIDTH, 14, (150, 104, 62))
            canvas.rect(0, foot + 14, WIDTH, 4, (112, 76, 44))
        green: RGB = context.choose(((56, 142, 60), (104, 159, 56), (0, 121, 90), (130, 170, 60)))
        bloom = context.choose(VIVID)
        kind, tall = context.below(3), 60.0 + context.below(44)
        base = foot - 50
        canvas.rect(x - 2, base - tall, 4, tall, mix(green, BLACK, 0.3))
        for j in range(7):
            y, lean = base - tall * (0.15 + 0.13 * j), (-1) ** j
            if kind == 0:
                canvas.polygon(((x, y), (x + lean * 40, y - 26), (x + lean * 30, y + 4)), green)
            else:
                canvas.circle(x + lean * 17, y, 17, green)
        if kind == 1:
            for dx, dy in ((-22, 8), (20, 0), (0, -14)):
                canvas.circle(x + dx, base - tall + dy, 10, bloom)
        pot = context.choose(((196, 98, 60), (210, 120, 80), (170, 84, 60)))
        canvas.polygon(((x - 34, foot - 52), (x + 34, foot - 52), (x + 25, foot), (x - 25, foot)), pot)
        canvas.rrect(x - 38, foot - 58, 76, 14, 4, mix(pot, BLACK, 0.15))
        canvas.text(x, foot + 30, name, 13, (40, 60, 40), "medium", "center", 112)
    canvas.rrect(20, 524, WIDTH - 40, 30, 15, (44, 160, 232))
    canvas.icon(WIDTH / 2 - 56, 539, "water", 20, WHITE)
    canvas.text(WIDTH / 2 + 8, 539, f"Water {1 + context.below(6)} plants", 14, WHITE, "medium", "center")
