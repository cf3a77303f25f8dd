"""The phone as an instrument: compass, ruler, lamp, recorder, scanner, piano, radio, remote control, thermostat."""

import math

import numpy as np
from PIL import Image

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, WHITE, mix
from envs.android.device.screens.base import AppState, ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar, fill_gradient


@screen_kind("compass", warmth=0.0, themed=False)
def draw_compass(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a brass compass with a red needle on sea green, and the heading in degrees."""
    sea = context.choose(((18, 84, 92), (14, 70, 84), (24, 92, 84)))
    fill_gradient(canvas, sea, mix(sea, BLACK, 0.45))
    heading = context.below(360)
    cx, cy, radius = WIDTH / 2, 290.0, 150.0
    brass, cream, ink = (206, 164, 84), (250, 240, 214), (60, 44, 28)
    canvas.text(cx, 84, f"{heading}° {_WINDS[round(heading / 45) % 8]}", 46, WHITE, "light", "center")
    canvas.circle(cx, cy, radius + 14, brass)
    canvas.circle(cx, cy, radius, cream)
    for i in range(72):
        ux, uy = _direction(5 * i - heading)
        inner, width = (radius - 22, 3.0) if i % 6 == 0 else (radius - 12, 1.4)
        ends = ((cx + ux * inner, cy + uy * inner), (cx + ux * (radius - 4), cy + uy * (radius - 4)))
        canvas.line(ends, width, ink)
    red = context.app.accent_rgb
    for i, letter in enumerate("NESW"):
        ux, uy = _direction(90 * i - heading)
        at = (cx + ux * (radius - 44), cy + uy * (radius - 44))
        canvas.text(*at, letter, 30, red if letter == "N" else ink, "medium", "center")
    ux, uy = _direction(-heading)
    for sign, color in ((1, red), (-1, (70, 84, 110))):
        tip = (cx + sign * ux * 92, cy + sign * uy * 92)
        canvas.polygon((tip, (cx - uy * 22, cy + ux * 22), (cx + uy * 22, cy - ux * 22)), color)
    canvas.circle(cx, cy, 10, brass)
    canvas.polygon(((cx, 134), (cx - 12, 114), (cx + 12, 114)), red)
    facts = (
        ("Latitude", f"{context.below(60)}.{context.below(1000):03d}°"),
        ("Longitude", f"{context.below(90)}.{context.below(1000):03d}°"),
        ("Height", f"{context.below(900)} m"),
    )
    for i, (label, value) in enumerate(facts):
        canvas.text(66 + 114 * i, 494, label, 12, mix(sea, WHITE, 0.6), "regular", "center")
        canvas.text(66 + 114 * i, 518, value, 17, WHITE, "medium", "center")


def _direction(degrees: float) -> tuple[float, float]:
    """Return the unit vector of a bearing, up being north."""
    angle = math.radians(degrees)
    return math.sin(angle), -math.cos(angle)


_WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@screen_kind("ruler", warmth=0.0, themed=False)
def draw_ruler(canvas: Canvas, context: ScreenContext) -> None:
    """Draw scales in centimetres and inches along both edges, and a measured length."""
    canvas.rect(0, 0, WIDTH, HEIGHT, context.choose(((252, 214, 70), (255, 224, 110), (248, 200, 48))))
    ink = (50, 40, 10)
    for i in range(60):
        y = 30 + 9.4 * i
        reach = 64.0 if i % 10 == 0 else 46.0 if i % 5 == 0 else 28.0
        canvas.rect(0, y, reach, 2.2, ink)
        if i % 10 == 0:
            canvas.text(80, y + 2, str(i // 10), 22, ink, "medium", "center")
    for i in range(24):
        y = 30 + 23.6 * i
        reach = 64.0 if i % 8 == 0 else 46.0 if i % 4 == 0 else 28.0
        canvas.rect(WIDTH - reach, y, reach, 2.2, ink)
        if i % 8 == 0:
            canvas.text(WIDTH - 82, y + 2, str(i // 8), 22, ink, "medium", "center")
    low = 150 + context.below(330)
    canvas.rect(0, 30, WIDTH, 2, (200, 60, 30))
    canvas.rect(0, low, WIDTH, 3, (200, 60, 30))
    canvas.circle(WIDTH / 2, low, 18, (200, 60, 30))
    canvas.icon(WIDTH / 2, low, "sort", 22, WHITE)
    middle = (30 + low) / 2
    canvas.text(WIDTH / 2, middle, f"{(low - 30) / 94:.1f} cm", 36, ink, "medium", "center")


def _toggle(state: AppState, x: float, y: float) -> AppState:
    return state._replace(text="" if state.text else "x") if abs(x - WIDTH / 2) < 70 and y > 330 else state


@screen_kind("lamp", on_tap=_toggle, warmth=0.0, themed=False)
def draw_lamp(canvas: Canvas, context: ScreenContext) -> None:
    """Draw an electric torch with its beam (or without), and the button that turns it on."""
    dark = context.choose(((24, 28, 38), (18, 22, 30), (34, 34, 42), (20, 30, 36)))
    canvas.rect(0, 0, WIDTH, HEIGHT, dark)
    is_lit = (context.rng.random() < 0.8) != bool(context.state.text)
    tone = context.choose(((255, 241, 170), (255, 250, 220), (255, 226, 130)))
    if is_lit:
        wide = context.rng.uniform(0.75, 1.0)
        for spread, share in ((176.0 * wide, 0.35), (130.0 * wide, 0.65), (84.0 * wide, 1.0)):
            beam = ((180 - spread, 0), (180 + spread, 0), (212, 262), (148, 262))
            canvas.polygon(beam, mix(dark, tone, share))
    body = context.choose(((120, 128, 142), (150, 60, 60), (70, 100, 150), (90, 120, 90), (200, 160, 60)))
    canvas.polygon(((138, 256), (222, 256), (206, 306), (154, 306)), mix(body, WHITE, 0.3))
    canvas.rrect(154, 300, 52, 118, 8, body)
    canvas.rect(138, 252, 84, 8, tone if is_lit else (70, 74, 84))
    canvas.circle(WIDTH / 2, 352, 18, (90, 220, 110) if is_lit else (60, 64, 74))
    canvas.circle(WIDTH / 2, 480, 50, tone if is_lit else (60, 66, 80))
    canvas.icon(WIDTH / 2, 480, "flash" if is_lit else "flash-off", 52, (40, 40, 30) if is_lit else (150, 154, 164))
    level = context.below(5)
    for i in range(5):
        canvas.rrect(40 + 58 * i, 544, 48, 8, 4, tone if i <= level and is_lit else (70, 74, 84))


@screen_kind("recorder", warmth=0.2)
def draw_recorder(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a sound wave on both sides of a line, the time recorded, and a red button."""
    theme = context.theme
    app_bar(canvas, theme, context.app.name, ("format-list-bulleted", "cog"), leading=None)
    seconds = context.below(3600)
    canvas.text(
        WIDTH / 2, 128, f"{seconds // 60:02d}:{seconds % 60:02d}.{context.below(10)}", 52, theme.text, "light", "center"
    )
    canvas.rect(0, 180, WIDTH, 210, theme.surface)
    red = (229, 45, 60)
    phase, swing = context.rng.uniform(0, 6), context.rng.uniform(0.1, 0.4)
    played = 24 + context.below(24)
    for i in range(60):
        loud = 0.12 + 0.88 * abs(math.sin(phase + i * swing) * context.rng.random())
        tall = 186 * loud
        canvas.rect(4 + 6 * i, 285 - tall / 2, 3.6, tall, red if i < played else mix(theme.surface, theme.text, 0.3))
    canvas.rect(4 + 6 * played, 180, 2.4, 210, theme.accent)
    canvas.text(WIDTH / 2, 420, f"Recording {1 + context.below(40)}", 16, theme.faint, "regular", "center")
    canvas.circle(WIDTH / 2, 490, 46, theme.raised)
    canvas.circle(WIDTH / 2, 490, 36, red)
    canvas.icon(WIDTH / 2, 490, context.choose(("pause", "microphone")), 36, WHITE)
    canvas.icon(74, 490, "delete-outline", 28, theme.faint)
    canvas.icon(WIDTH - 74, 490, "check", 28, theme.faint)


@screen_kind("scanner", warmth=0.0, themed=False)
def draw_scanner(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a square black-and-white code in the frame of a camera."""
    tone = context.choose(((70, 60, 50), (50, 60, 70), (64, 70, 58), (84, 74, 70)))
    fill_gradient(canvas, mix(tone, WHITE, 0.15), mix(tone, BLACK, 0.4))
    left, top, side = 54.0, 128.0, 252.0
    canvas.rect(left - 4, top - 4, side + 8, side + 8, WHITE)
    modules = 21
    code = np.random.default_rng(context.below(1 << 30)).random((modules, modules)) < 0.48
    for row, column in ((0, 0), (0, modules - 7), (modules - 7, 0)):
        corner = np.ones((7, 7), bool)
        corner[1:6, 1:6] = False
        corner[2:5, 2:5] = True
        code[max(0, row - 1) : row + 8, max(0, column - 1) : column + 8] = False
        code[row : row + 7, column : column + 7] = corner
    picture = Image.fromarray(np.where(code, 0, 255).astype(np.uint8))
    d = canvas.px(side - 20)
    canvas.image.paste(picture.resize((d, d), Image.Resampling.NEAREST), (canvas.px(left + 10), canvas.px(top + 10)))
    accent = context.app.accent_rgb
    for dx in (-1, 1):
        for dy in (-1, 1):
            x, y = 180 + 150 * dx, 254 + 150 * dy
            canvas.line(((x - 46 * dx, y), (x, y), (x, y - 46 * dy)), 9, accent)
    canvas.rect(30, 130 + context.below(240), 300, 4, (255, 70, 70))
    canvas.text(WIDTH / 2, 62, "Scan a code", 20, WHITE, "medium", "center")
    canvas.rrect(30, 440, 300, 52, 26, (24, 24, 28))
    canvas.icon(60, 466, "link-variant", 22, accent)
    canvas.text(82, 466, context.pick("sites").split("|")[0], 16, WHITE, max_width=230)
    for i, name in enumerate(("image", "flashlight", "history")):
        canvas.icon(80 + 100 * i, 528, name, 26, WHITE)


@screen_kind("piano", warmth=0.0, themed=False)
def draw_piano(canvas: Canvas, context: ScreenContext) -> None:
    """Draw black and white piano keys in two rows, some of them pressed."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (44, 28, 24))
    canvas.text(20, 52, context.app.name, 22, (240, 220, 190), "medium")
    for i, name in enumerate(("record-circle", "timer-outline", "cog")):
        canvas.icon(WIDTH - 110 + 42 * i, 52, name, 24, (240, 220, 190))
    accent = context.app.accent_rgb
    wide = WIDTH / 7
    for top in (84.0, 328.0):
        pressed = {context.below(7) for _ in range(1 + context.below(3))}
        for i in range(7):
            color = mix(WHITE, accent, 0.55) if i in pressed else (250, 248, 240)
            canvas.rrect(i * wide + 1, top, wide - 2, 224, 5, color)
            canvas.text((i + 0.5) * wide, top + 206, "CDEFGAB"[i], 14, (120, 116, 110), "medium", "center")
        for i in (0, 1, 3, 4, 5):
            down = context.rng.random() < 0.12
            canvas.rrect((i + 0.68) * wide, top, wide * 0.64, 138, 4, accent if down else (22, 22, 24))
        canvas.rect(0, top - 8, WIDTH, 8, (120, 20, 30))


@screen_kind("radio", warmth=0.0, themed=False)
def draw_radio(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a wooden wireless: a lit dial with a red needle, a frequency, presets and a loudspeaker."""
    wood = context.choose(((122, 72, 38), (138, 84, 46), (104, 60, 36)))
    canvas.rect(0, 0, WIDTH, HEIGHT, wood)
    for i in range(12):
        canvas.rect(0, 20 + 48 * i, WIDTH, 2, mix(wood, BLACK, 0.18))
    cream = (250, 232, 180)
    canvas.rrect(16, 44, WIDTH - 32, 176, 14, mix(wood, BLACK, 0.5))
    canvas.rrect(24, 52, WIDTH - 48, 160, 10, cream)
    frequency = 88 + 20 * context.rng.random()
    canvas.text(WIDTH / 2, 92, f"{frequency:.1f} FM", 42, (70, 40, 20), "medium", "center")
    for i in range(41):
        tall = 26.0 if i % 5 == 0 else 14.0
        canvas.rect(40 + 7 * i, 136, 1.8, tall, (90, 60, 30))
        if i % 10 == 0:
            canvas.text(40 + 7 * i, 178, str(88 + i // 2), 13, (90, 60, 30), "medium", "center")
    canvas.rect(40 + 14 * (frequency - 88), 120, 4, 80, (214, 36, 30))
    canvas.text(WIDTH / 2, 200, context.pick("channels"), 13, (120, 80, 40), "regular", "center")
    for i in range(6):
        x, y = 22 + 110 * (i % 3), 238 + 52 * (i // 3)
        canvas.rrect(x, y, 98, 42, 8, mix(wood, BLACK, 0.35))
        canvas.text(x + 49, y + 21, f"{88 + 20 * context.rng.random():.1f}", 17, cream, "medium", "center")
    for row in range(7):
        for column in range(11):
            canvas.circle(104 + 15.2 * column, 372 + 24 * row, 5, mix(wood, BLACK, 0.65))
    for x in (50, 310):
        canvas.circle(x, 446, 36, mix(wood, BLACK, 0.55))
        canvas.circle(x, 446, 27, (206, 176, 110))
        ux, uy = _direction(context.below(360))
        canvas.line(((x, 446), (x + 24 * ux, 446 + 24 * uy)), 5, (80, 50, 20))


@screen_kind("remote", warmth=0.0, themed=False)
def draw_remote(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a television remote control: power, a round pad, volume and channel, coloured keys."""
    canvas.rect(
        0, 0, WIDTH, HEIGHT, context.choose(((198, 202, 208), (214, 206, 196), (190, 206, 200), (206, 200, 214)))
    )
    body = context.choose(((34, 36, 42), (48, 50, 56), (26, 28, 36)))
    canvas.rrect(44, 34, 272, 514, 40, body)
    key, ink = mix(body, WHITE, 0.16), (226, 228, 232)
    canvas.circle(92, 84, 24, (214, 40, 44))
    canvas.icon(92, 84, "flash", 26, WHITE)
    canvas.text(
        WIDTH / 2, 84, context.choose(("Living room", "Bedroom", "Kitchen", "Office")), 14, ink, "medium", "center"
    )
    canvas.circle(268, 84, 24, key)
    canvas.icon(268, 84, context.choose(("cast", "tab", "eject")), 24, ink)
    canvas.circle(180, 216, 94, key)
    canvas.circle(180, 216, 40, context.choose((body, (66, 133, 244), (214, 40, 44), (251, 188, 4))))
    canvas.text(180, 216, "OK", 20, WHITE, "medium", "center")
    for dx, dy, name in ((0, -68, "up"), (0, 68, "down"), (-68, 0, "left"), (68, 0, "right")):
        canvas.icon(180 + dx, 216 + dy, f"chevron-{name}", 34, ink)
    for x, top, bottom in ((92.0, "plus", "minus"), (268.0, "chevron-up", "chevron-down")):
        canvas.rrect(x - 24, 326, 48, 112, 24, key)
        canvas.icon(x, 352, top, 26, ink)
        canvas.icon(x, 412, bottom, 26, ink)
    for y, name in ((352.0, "volume-high"), (408.0, "home")):
        canvas.circle(180, y, 24, key)
        canvas.icon(180, y, name, 24, ink)
    for i, color in enumerate(((226, 46, 50), (46, 160, 67), (240, 190, 30), (50, 100, 220))):
        canvas.rrect(72 + 56 * i, 460, 46, 18, 9, color)
    for i, name in enumerate(("rewind", "play", "pause", "fast-forward")):
        canvas.icon(95 + 57 * i, 510, name, 26, ink)


@screen_kind("thermostat", warmth=0.0, themed=False)
def draw_thermostat(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a room's temperature in a ring of ticks, warm or cool all over."""
    is_warm = context.rng.random() < 0.7
    top, bottom = ((255, 150, 60), (226, 70, 34)) if is_warm else ((70, 180, 235), (30, 90, 190))
    fill_gradient(canvas, top, bottom)
    canvas.text(
        WIDTH / 2, 52, context.choose(("Hallway", "Bedroom", "Living room", "Attic")), 20, WHITE, "medium", "center"
    )
    cx, cy = WIDTH / 2, 256.0
    degrees = (18 if is_warm else 15) + context.below(9)
    canvas.circle(cx, cy, 152, mix(top, BLACK, 0.12))
    canvas.circle(cx, cy, 108, mix(bottom, BLACK, 0.2))
    for i in range(49):
        ux, uy = _direction(-144 + 6 * i)
        ink = WHITE if i < (degrees - 10) * 2.6 else mix(top, BLACK, 0.35)
        canvas.line(((cx + ux * 118, cy + uy * 118), (cx + ux * 142, cy + uy * 142)), 4, ink)
    canvas.text(cx, cy - 62, "Heating" if is_warm else "Cooling", 17, WHITE, "medium", "center")
    canvas.text(cx, cy + 4, f"{degrees}", 96, WHITE, "light", "center")
    canvas.text(cx, cy + 70, f"Inside {degrees - 2 + context.below(4)}°", 15, WHITE, "regular", "center")
    canvas.icon(WIDTH / 2 - 24, 450, "water-percent", 24, WHITE)
    canvas.text(WIDTH / 2 - 8, 450, f"{25 + context.below(50)}%", 17, WHITE, "medium")
    for x, name in ((80.0, "minus"), (280.0, "plus")):
        canvas.circle(x, 450, 32, WHITE)
        canvas.icon(x, 450, name, 36, bottom)
    for i, name in enumerate(("fire", "snowflake", "leaf", "water-percent")):
        canvas.icon(66 + 76 * i, 524, name, 28, WHITE if i == (0 if is_warm else 1) else mix(bottom, WHITE, 0.45))
