"""Body and mind: training, heartbeat, sleep, breathing, drinking, cycling, habits."""

import math

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import AppState, ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar, fill_gradient


@screen_kind("rings", warmth=0.0)
def draw_rings(canvas: Canvas, context: ScreenContext) -> None:
    """Draw three rings of the day's training, its figures, and bars of the week."""
    theme = context.theme
    canvas.text(22, 56, "Today", 28, theme.text, "medium")
    colors: tuple[RGB, ...] = ((250, 17, 79), (146, 232, 42), (30, 200, 240))
    for i, color in enumerate(colors):
        radius = 118.0 - 36 * i
        canvas.arc(WIDTH / 2, 210, radius, 0, 360, 30, mix(theme.background, color, 0.25))
        canvas.arc(WIDTH / 2, 210, radius, -90, -90 + 360 * (0.2 + 0.8 * context.rng.random()), 30, color)
    facts = (
        ("Move", f"{context.below(700)} kcal"),
        ("Train", f"{context.below(90)} min"),
        ("Stand", f"{context.below(14)} h"),
    )
    for i, (label, value) in enumerate(facts):
        x = 64.0 + 116 * i
        canvas.text(x, 360, label, 14, theme.faint, "regular", "center")
        canvas.text(x, 384, value, 19, mix(colors[i], theme.text, 0.25), "medium", "center")
    canvas.rrect(14, 408, WIDTH - 28, 140, 18, theme.surface)
    for i, day in enumerate("MTWTFSS"):
        x = 38 + 47.0 * i
        for j, color in enumerate(colors):
            tall = 16 + 68 * context.rng.random()
            canvas.rrect(x - 14 + 10 * j, 518 - tall, 8, tall, 3, color)
        canvas.text(x, 534, day, 13, theme.faint, "medium", "center")


@screen_kind("heartbeat", warmth=0.0, themed=False)
def draw_heartbeat(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a heartbeat traced on pink squared paper, and the pulse in large figures."""
    paper = (255, 226, 228)
    canvas.rect(0, 0, WIDTH, HEIGHT, paper)
    for i in range(37):
        tone = (240, 140, 150) if i % 4 == 0 else (250, 192, 198)
        canvas.rect(10 * i, 0, 1.4, HEIGHT, tone)
    for i in range(58):
        tone = (240, 140, 150) if i % 4 == 0 else (250, 192, 198)
        canvas.rect(0, 10 * i, WIDTH, 1.4, tone)
    red = (206, 16, 44)
    canvas.rrect(14, 40, WIDTH - 28, 138, 20, red)
    canvas.icon(70, 108, "heart", 72, WHITE)
    canvas.text(264, 98, str(48 + context.below(110)), 76, WHITE, "medium", "right")
    canvas.text(272, 118, "bpm", 24, WHITE)
    canvas.text(
        190, 156, context.choose(("Resting", "Walking", "After sport", "Just measured")), 15, WHITE, "regular", "center"
    )
    beat = 76.0 + context.below(60)
    phase, size = context.below(70), 0.7 + 0.5 * context.rng.random()
    shape = (
        (0, 0),
        (0.16, 0),
        (0.22, 12),
        (0.28, 0),
        (0.36, 0),
        (0.4, -12),
        (0.45, 90),
        (0.5, -34),
        (0.55, 0),
        (0.7, 22),
        (0.8, 0),
    )
    for middle in (270.0, 400.0):
        points: list[tuple[float, float]] = []
        for k in range(-1, 7):
            points += [(k * beat + phase + beat * t, middle - size * v) for t, v in shape]
        canvas.line(points, 4, (24, 20, 24))
    canvas.rrect(60, 486, 240, 50, 25, red)
    canvas.text(WIDTH / 2, 511, "Measure again", 18, WHITE, "medium", "center")


@screen_kind("night", warmth=0.0, themed=False)
def draw_night(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a night's sleep: a moon among stars, and its phases as lilac steps."""
    fill_gradient(canvas, (34, 22, 84), (80, 52, 140))
    for _ in range(40):
        canvas.circle(
            context.rng.uniform(0, WIDTH), context.rng.uniform(24, 230), context.rng.uniform(0.8, 2.4), (220, 214, 255)
        )
    x = 230.0 + context.below(70)
    canvas.circle(x, 104, 46, (255, 240, 190))
    canvas.circle(x - 20, 94, 42, (42, 28, 92))
    canvas.text(24, 60, "Last night", 17, (200, 190, 250), "medium")
    canvas.text(24, 112, f"{5 + context.below(5)}h {context.below(60)}m", 44, WHITE, "light")
    canvas.text(24, 158, f"Quality {55 + context.below(45)}%", 18, (200, 190, 250))
    top = 220.0
    canvas.rrect(12, top, WIDTH - 24, 214, 20, (52, 36, 108))
    tones: tuple[RGB, ...] = ((255, 190, 120), (190, 170, 255), (140, 110, 240), (96, 70, 210))
    for i, (label, tone) in enumerate(zip(("Awake", "REM", "Light", "Deep"), tones, strict=True)):
        canvas.text(24, top + 34 + 46 * i, label, 13, tone, "medium")
    x, level = 78.0, 0
    while x < 330:
        w = min(340 - x, 10.0 + context.below(28))
        canvas.rrect(x, top + 18 + 46 * level, w, 34, 5, tones[level])
        level = max(0, min(3, level + context.choose((-1, 1, 1, -2, 2))))
        x += w
    for i in range(4):
        canvas.text(90 + 76 * i, top + 228, f"{(22 + 3 * i) % 24}:00", 12, (200, 190, 250), "regular", "center")
    for i, (icon, text) in enumerate(
        (("alarm", f"{5 + context.below(4)}:{context.below(6)}0"), ("volume-high", "Snoring"))
    ):
        canvas.rrect(12 + 172 * i, 472, 164, 66, 18, (104, 76, 190))
        canvas.icon(46 + 172 * i, 505, icon, 28, WHITE)
        canvas.text(72 + 172 * i, 505, text, 18, WHITE, "medium")


@screen_kind("breathing", warmth=0.0, themed=False)
def draw_breathing(canvas: Canvas, context: ScreenContext) -> None:
    """Draw soft circles inside one another on a pastel ground: a breathing exercise."""
    pairs = (((255, 214, 200), (210, 190, 250)), ((200, 240, 224), (170, 200, 250)), ((255, 236, 190), (250, 190, 210)))
    top, bottom = context.choose(pairs)
    fill_gradient(canvas, top, bottom)
    cx, cy, reach = WIDTH / 2, 266.0, 96.0 + context.below(64)
    for i in range(6):
        angle = math.tau * i / 6
        x, y = cx + reach * 0.42 * math.cos(angle), cy + reach * 0.42 * math.sin(angle)
        canvas.circle(x, y, reach * 0.56, mix(mix(top, bottom, 0.5), WHITE, 0.28 + 0.06 * i))
    canvas.circle(cx, cy, reach * 0.5, WHITE)
    ink = (92, 70, 120)
    canvas.text(cx, cy, context.choose(("Inhale", "Exhale", "Hold")), 22, ink, "medium", "center")
    canvas.text(
        cx, 60, context.choose(("Calm", "Evening", "Morning light", "Forest", "Ocean")), 24, ink, "light", "center"
    )
    canvas.text(cx, 470, f"{context.below(20)}:{context.below(60):02d}", 40, ink, "light", "center")
    canvas.circle(cx, 524, 24, WHITE)
    canvas.icon(cx, 524, context.choose(("play", "pause")), 28, ink)


def _drink(state: AppState, x: float, y: float) -> AppState:
    return state._replace(scroll=(state.scroll + 1) % 4) if y > 480 else state


@screen_kind("drinking", on_tap=_drink, warmth=0.0, themed=False)
def draw_drinking(canvas: Canvas, context: ScreenContext) -> None:
    """Draw how much one has drunk today, as water that fills the screen up to a wave."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (232, 247, 253))
    share = min(0.2 + 0.6 * context.rng.random() + 0.05 * context.state.scroll, 0.95)
    level = 90 + (1 - share) * 400
    for offset, color in ((-16.0, (150, 216, 246)), (0.0, (44, 160, 232))):
        phase = context.rng.uniform(0, 6)
        wave = [(12.0 * i, level + offset + 10 * math.sin(phase + i / 3.2)) for i in range(31)]
        canvas.polygon([*wave, (WIDTH, HEIGHT), (0.0, HEIGHT)], color)
    for _ in range(14):
        y = level + 30 + context.rng.random() * (HEIGHT - level - 30)
        canvas.circle(context.rng.uniform(10, 350), y, context.rng.uniform(3, 9), (130, 206, 250))
    ink = (10, 70, 130)
    canvas.rrect(84, 206, 192, 116, 24, WHITE)
    canvas.text(WIDTH / 2, 246, f"{int(share * 2500):,} ml", 34, ink, "medium", "center")
    canvas.text(WIDTH / 2, 288, f"{100 * share:.0f}% of 2,500 ml", 15, ink, "regular", "center")
    canvas.text(22, 54, "Today", 24, ink, "medium")
    canvas.icon(WIDTH - 30, 54, "bell-outline", 24, ink)
    for i, (icon, label) in enumerate((("coffee", "150"), ("water", "250"), ("flask", "500"))):
        canvas.rrect(26 + 106 * i, 486, 96, 54, 16, WHITE)
        canvas.icon(56 + 106 * i, 513, icon, 28, (44, 160, 232))
        canvas.text(76 + 106 * i, 513, label, 18, ink, "medium")


@screen_kind("bike_computer", warmth=0.0, themed=False)
def draw_bike_computer(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a ride in large figures on black and yellow fields."""
    yellow = (255, 234, 0)
    canvas.rect(0, 0, WIDTH, HEIGHT, (12, 12, 12))
    canvas.rect(0, 28, WIDTH, 184, yellow)
    canvas.text(20, 50, "SPEED", 15, BLACK, "medium")
    canvas.text(WIDTH / 2 + 4, 128, f"{8 + context.below(45)}.{context.below(10)}", 118, BLACK, "medium", "center")
    canvas.text(WIDTH - 16, 196, "km/h", 18, BLACK, "medium", "right")
    fields = (
        *(
            ("DISTANCE", f"{context.below(120)}.{context.below(10)}"),
            ("TIME", f"{context.below(5)}:{context.below(60):02d}"),
        ),
        *(("CLIMB", f"{context.below(1800)}"), ("CADENCE", f"{50 + context.below(60)}")),
    )
    for i, (label, value) in enumerate(fields):
        x, y = 180.0 * (i % 2), 216 + 120.0 * (i // 2)
        canvas.rect(x + 2, y + 2, 176, 116, (40, 40, 40))
        canvas.text(x + 14, y + 22, label, 14, yellow, "medium")
        canvas.text(x + 90, y + 74, value, 52, WHITE, "medium", "center")
    top = 520.0
    points = [(0.0, 540.0)]
    points += [(24.0 * i, top - 34 + 24 * math.sin(0.7 * i + context.rng.uniform(0, 1.5))) for i in range(16)]
    canvas.polygon([*points, (WIDTH, 540.0)], (110, 100, 0))
    canvas.circle(60 + context.below(240), 500, 8, yellow)
    canvas.rect(0, 540, WIDTH, 36, (200, 30, 30))
    canvas.text(WIDTH / 2, 549, "STOP", 15, WHITE, "medium", "center")


@screen_kind("streaks", scrolls=1, warmth=0.0)
def draw_streaks(canvas: Canvas, context: ScreenContext) -> None:
    """Draw habits as cards, each with the past weeks as small squares, filled where it was kept up."""
    theme = context.theme
    hues = context.rng.sample(VIVID, 5)
    for i, (name, hue) in enumerate(zip(context.several("habits", 5), hues, strict=True)):
        label, icon = name.split("|")
        y = 86 + 120.0 * (i - context.state.scroll)
        canvas.rrect(12, y, WIDTH - 24, 112, 16, theme.surface)
        canvas.circle(36, y + 20, 14, hue)
        canvas.icon(36, y + 20, icon, 17, WHITE)
        canvas.text(58, y + 20, label, 16, theme.text, "medium")
        canvas.text(WIDTH - 28, y + 20, f"{1 + context.below(60)} days", 13, theme.faint, anchor="right")
        keen = 0.35 + 0.5 * context.rng.random()
        for column in range(22):
            for row in range(5):
                is_done = context.rng.random() < keen
                color = hue if is_done else mix(theme.surface, hue, 0.16)
                canvas.rect(24 + 14.3 * column, y + 40 + 13.4 * row, 12, 11, color)
    head = mix(context.app.accent_rgb, BLACK, 0.4 if theme.dark else 0.0)
    app_bar(canvas, theme, context.app.name, ("chart-bar", "plus"), head, leading=None)
