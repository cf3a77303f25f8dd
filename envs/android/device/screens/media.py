"""Music player, camera and weather."""

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import fill_gradient


@screen_kind("player", warmth=0.4, themed=False)
def draw_player(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a song: large album art, its name, the position in it, and the playback controls."""
    tone = mix(context.choose(VIVID), context.app.accent_rgb, 0.4)
    deep = mix(tone, BLACK, 0.85 if context.theme.dark else 0.6)
    fill_gradient(canvas, mix(tone, BLACK, 0.5 if context.theme.dark else 0.15), deep)
    faint = mix(deep, WHITE, 0.65)
    canvas.icon(30, 50, "chevron-down", 30, WHITE)
    canvas.text(WIDTH / 2, 50, "Now playing", 15, faint, "medium", "center")
    canvas.icon(WIDTH - 30, 50, "dots-vertical", 24, WHITE)
    art = context.below(96)
    if context.rng.random() < 0.3:
        canvas.circle(WIDTH / 2, 218, 138, (24, 24, 26))
        canvas.circle(WIDTH / 2, 218, 110, (44, 44, 48))
        canvas.picture(WIDTH / 2 - 58, 160, 116, 116, art, 58)
        canvas.circle(WIDTH / 2, 218, 8, (24, 24, 26))
    else:
        canvas.picture(44, 82, WIDTH - 88, 272, art, 18)
    canvas.text(36, 388, context.pick(context.param("primary")), 24, WHITE, "medium", max_width=250)
    canvas.text(36, 416, context.pick(context.param("secondary")), 16, faint, max_width=250)
    liked = context.rng.random() < 0.5
    canvas.icon(WIDTH - 44, 396, "heart" if liked else "star-outline", 28, (236, 64, 122) if liked else WHITE)
    share, length = context.rng.random(), 120 + context.below(240)
    done = int(share * length)
    canvas.rrect(36, 446, WIDTH - 72, 5, 2.5, mix(deep, WHITE, 0.3))
    canvas.rrect(36, 446, (WIDTH - 72) * share, 5, 2.5, WHITE)
    canvas.circle(36 + (WIDTH - 72) * share, 448.5, 8, WHITE)
    canvas.text(36, 466, f"{done // 60}:{done % 60:02d}", 12, faint)
    canvas.text(WIDTH - 36, 466, f"{length // 60}:{length % 60:02d}", 12, faint, anchor="right")
    for x, name, size in (
        (44, "shuffle-variant", 24),
        (108, "skip-previous", 38),
        (252, "skip-next", 38),
        (316, "repeat", 24),
    ):
        canvas.icon(x, 512, name, size, WHITE)
    canvas.circle(WIDTH / 2, 512, 35, WHITE)
    canvas.icon(WIDTH / 2, 512, context.choose(("play", "pause")), 42, deep)


@screen_kind("viewfinder", warmth=0.0, themed=False)
def draw_viewfinder(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a camera: the scene between black bars, a focus frame, the modes and the shutter button."""
    canvas.rect(0, 0, WIDTH, HEIGHT, BLACK)
    top, tall = 56.0, 366.0
    canvas.picture(0, top, WIDTH, tall, context.below(96))
    if context.rng.random() < 0.5:
        for i in (1, 2):
            canvas.rect(WIDTH * i / 3, top, 1.4, tall, (200, 200, 200))
            canvas.rect(0, top + tall * i / 3, WIDTH, 1.4, (200, 200, 200))
    for i, name in enumerate(("flash-off", "timer-outline", "cog")):
        canvas.icon(90 + 90 * i, 40, name, 22, WHITE)
    cx, cy = 110.0 + context.below(140), 150.0 + context.below(160)
    for dx in (-1, 1):
        for dy in (-1, 1):
            x, y = cx + 36 * dx, cy + 36 * dy
            canvas.line(((x - 16 * dx, y), (x, y), (x, y - 16 * dy)), 3.0, (255, 235, 59))
    zoom = context.below(3)
    for i, label in enumerate(("0.6", "1x", "2")):
        x = WIDTH / 2 + 42 * (i - 1)
        canvas.circle(x, top + tall - 28, 17, (60, 60, 60) if i == zoom else (28, 28, 28))
        canvas.text(x, top + tall - 28, label, 12, (255, 213, 79) if i == zoom else WHITE, "medium", "center")
    mode = 1 + context.below(3)
    for i, label in enumerate(("Night", "Portrait", "Photo", "Video", "More")):
        canvas.text(40 + 70 * i, 446, label, 13, (255, 213, 79) if i == mode else (190, 190, 190), "medium", "center")
    canvas.circle(WIDTH / 2, 506, 39, WHITE)
    canvas.circle(WIDTH / 2, 506, 33, BLACK)
    canvas.circle(WIDTH / 2, 506, 29, (229, 57, 53) if mode == 3 else WHITE)
    canvas.picture(46, 482, 48, 48, context.below(96), 24)
    canvas.circle(WIDTH - 70, 506, 24, (52, 52, 52))
    canvas.icon(WIDTH - 70, 506, "camera-flip", 26, WHITE)


@screen_kind("weather", warmth=0.0, themed=False)
def draw_weather(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the weather: a sky, the temperature, the next hours and the week."""
    skies = [sky.split("|") for sky in context.several("skies", 6)]
    icon, condition, high, low, coldest = skies[0]
    dim = 0.45 if context.theme.dark else 0.0
    top, bottom = (mix(_rgb(text), BLACK, dim) for text in (high, low))
    fill_gradient(canvas, top, bottom)
    canvas.icon(30, 50, "map-marker", 22, WHITE)
    canvas.text(46, 50, context.pick("cities"), 20, WHITE, "medium")
    canvas.icon(WIDTH - 30, 50, "dots-vertical", 22, WHITE)
    degrees = int(coldest) + context.below(16)
    canvas.text(30, 132, f"{degrees}°", 88, WHITE, "light")
    canvas.icon(WIDTH - 92, 128, icon, 116, (255, 214, 90) if "sunny" in icon else WHITE)
    canvas.text(32, 202, condition, 20, WHITE, "medium")
    canvas.text(32, 228, f"High {degrees + 1 + context.below(6)}°  Low {degrees - 1 - context.below(8)}°", 14, WHITE)
    card = mix(mix(top, bottom, 0.6), BLACK, 0.22)
    canvas.rrect(14, 252, WIDTH - 28, 106, 18, card)
    hour = context.below(24)
    for i in range(6):
        x = 44 + 54.5 * i
        canvas.text(x, 274, f"{(hour + i) % 24}:00", 12, WHITE, "regular", "center")
        canvas.icon(x, 304, skies[i % 3][0], 28, WHITE)
        canvas.text(x, 338, f"{degrees + context.below(5) - 2}°", 16, WHITE, "medium", "center")
    canvas.rrect(14, 370, WIDTH - 28, 180, 18, card)
    for i in range(5):
        y = 390 + 34.5 * i
        canvas.text(32, y, _DAYS[(hour + i) % 7], 15, WHITE, "medium")
        canvas.icon(150, y, skies[i][0], 24, WHITE)
        cold, warm = degrees - 3 - context.below(5), degrees + context.below(6)
        canvas.text(222, y, f"{cold}°", 14, mix(card, WHITE, 0.7), anchor="right")
        canvas.rrect(232, y - 3, 62, 6, 3, mix(card, WHITE, 0.3))
        canvas.rrect(240 + context.below(14), y - 3, 36, 6, 3, (255, 202, 80))
        canvas.text(326, y, f"{warm}°", 14, WHITE, anchor="right")


def _rgb(text: str) -> RGB:
    red, green, blue = map(int, text.split(","))
    return red, green, blue


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
