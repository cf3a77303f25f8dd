"""Where things are made and read: terminal, code, sketches, photo and film editing, comics and books."""

import math

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, make_theme, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar, keyboard


@screen_kind("terminal", scrolls=1, warmth=0.0, themed=False)
def draw_terminal(canvas: Canvas, context: ScreenContext) -> None:
    """Draw lines of green text on black above an on-screen keyboard."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (4, 8, 4))
    green, bright = context.choose((((0, 190, 60), (120, 255, 150)), ((40, 200, 90), (160, 255, 180))))
    y = 42.0
    for line in context.several("commands", 21)[3 * context.state.scroll :]:
        if y > 376:
            break
        if line.startswith("$"):
            canvas.text(8, y, "~ $", 15, bright, "medium")
            canvas.text(38, y, line[1:].strip(), 15, WHITE, max_width=WIDTH - 46)
        else:
            canvas.text(8, y, line, 15, green, max_width=WIDTH - 16)
        y += 19
    canvas.rect(8, y - 8, 10, 17, bright)
    keyboard(canvas, make_theme((0, 150, 60), True), 396)


@screen_kind("code", scrolls=2, warmth=0.0, themed=False)
def draw_code(canvas: Canvas, context: ScreenContext) -> None:
    """Draw numbered lines of coloured program text on dark blue, with files as tabs."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (24, 30, 56))
    colors: tuple[RGB, ...] = (
        *((198, 120, 221), (97, 175, 239), (152, 195, 121), (229, 192, 123)),
        *((224, 108, 117), (220, 223, 228)),
    )
    first = 1 + context.below(60) + 12 * context.state.scroll
    indent = 0
    for row in range(26):
        y = 96 + 18.4 * row
        canvas.text(30, y, str(first + row), 12, (92, 104, 140), anchor="right")
        kind = context.rng.random()
        if kind < 0.12:
            indent = 0
            continue
        x = 42.0 + 18 * indent
        if kind < 0.24:
            canvas.text(x, y, f"# {context.pick('songs').lower()}", 13.5, (110, 130, 120))
            continue
        for j, word in enumerate(context.several("code_words", 2 + context.below(4))):
            ink = colors[0] if j == 0 and indent < 2 else context.choose(colors)
            canvas.text(x, y, word, 13.5, ink)
            x += canvas.text_width(word, 13.5) + 6
            if x > WIDTH - 40:
                break
        indent = max(0, min(4, indent + context.choose((-1, 0, 0, 1, 1))))
    canvas.rect(0, 0, WIDTH, 80, (16, 20, 40))
    canvas.rect(0, 46, 130, 34, (24, 30, 56))
    canvas.rect(0, 46, 130, 3, (97, 175, 239))
    for i, name in enumerate(context.several("code_files", 3)):
        canvas.text(16 + 122 * i, 64, name, 14, WHITE if i == 0 else (120, 130, 160))
    canvas.rect(0, 536, WIDTH, 40, (0, 122, 204))
    canvas.text(14, 546, f"Ln {first + 7}, Col {context.below(60)}", 12, WHITE)
    canvas.icon(WIDTH - 24, 546, "bug", 16, WHITE)


@screen_kind("sketch", warmth=0.0, themed=False)
def draw_sketch(canvas: Canvas, context: ScreenContext) -> None:
    """Draw white paper with strokes and spots of colour, brushes and a palette below."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (206, 210, 216))
    canvas.rect(14, 76, 332, 388, WHITE)
    for _ in range(3):
        left, top, r = 70 + context.below(220), 130 + context.below(280), 20 + context.below(34)
        canvas.circle(left, top, r, mix(context.choose(VIVID), WHITE, 0.25))
    for _ in range(6):
        x, y = 50.0 + context.below(260), 110.0 + context.below(320)
        phase, turn = context.rng.uniform(0, 6), context.rng.uniform(0.2, 0.7)
        points = [(x, y)]
        for i in range(14):
            x = min(334, max(26, x + 22 * math.cos(phase + turn * i)))
            y = min(452, max(88, y + 22 * math.sin(phase + turn * i)))
            points.append((x, y))
        canvas.line(points, 3 + context.below(9), context.choose(VIVID))
    for i, name in enumerate(("close", "undo", "brush", "note-outline", "check")):
        canvas.icon(36 + 72 * i, 52, name, 26, (60, 64, 72))
    canvas.rrect(0, 474, WIDTH, 120, 22, (250, 250, 252))
    chosen = context.below(len(VIVID))
    for i, color in enumerate((*VIVID, BLACK, (160, 110, 70))):
        x, y = 36 + 57.6 * (i % 6), 500 + 36 * (i // 6)
        canvas.circle(x, y, 16, color)
        if i == chosen:
            canvas.circle(x, y, 7, WHITE)


@screen_kind("retouch", warmth=0.0, themed=False)
def draw_retouch(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a photograph in a crop frame, filters as small copies, and three sliders."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (62, 62, 68))
    number = context.below(96)
    canvas.icon(30, 52, "close", 26, WHITE)
    canvas.text(WIDTH / 2, 52, context.choose(("Crop", "Filters", "Light", "Colour")), 18, WHITE, "medium", "center")
    accent = context.app.accent_rgb
    canvas.icon(WIDTH - 30, 52, "check", 28, accent)
    x, y, w, h = 50.0, 92.0, 260.0, 224.0
    canvas.picture(x, y, w, h, number)
    for i in (1, 2):
        canvas.rect(x + w * i / 3, y, 1.4, h, WHITE)
        canvas.rect(x, y + h * i / 3, w, 1.4, WHITE)
    for dx in (0, 1):
        for dy in (0, 1):
            cx, cy, sx, sy = x + dx * w, y + dy * h, 1 - 2 * dx, 1 - 2 * dy
            canvas.line(((cx + 34 * sx, cy), (cx, cy), (cx, cy + 34 * sy)), 8, accent)
    for i, tint in enumerate((None, (230, 160, 80), (70, 120, 220), (120, 120, 120), (190, 60, 120))):
        left = 12 + 69 * i
        canvas.picture(left, 336, 60, 60, number, 8)
        if tint:
            canvas.rrect(left, 366, 60, 30, 8, tint)
        if i == 1:
            canvas.rect(left, 398, 60, 4, accent)
    for i, name in enumerate(("brightness-6", "white-balance-sunny", "palette")):
        top, share = 424 + 36 * i, context.rng.random()
        canvas.icon(34, top, name, 22, WHITE)
        canvas.rrect(64, top - 3, 272, 6, 3, (110, 110, 118))
        canvas.rrect(64, top - 3, 272 * share, 6, 3, accent)
        canvas.circle(64 + 272 * share, top, 11, WHITE)
    for i, name in enumerate(("crop", "rotate-right", "filter-variant", "format-color-text", "emoticon-happy-outline")):
        canvas.icon(36 + 72 * i, 534, name, 24, accent if i == 0 else (190, 190, 196))


@screen_kind("film", warmth=0.0, themed=False)
def draw_film(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a preview above a time line with tracks of pictures, sound and titles."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (18, 18, 22))
    canvas.icon(28, 50, "close", 24, WHITE)
    canvas.rrect(WIDTH - 100, 34, 84, 32, 16, (124, 77, 255))
    canvas.text(WIDTH - 58, 50, "Export", 15, WHITE, "medium", "center")
    canvas.picture(0, 78, WIDTH, 196, context.below(96))
    for i, name in enumerate(("undo", "skip-previous", "play", "skip-next", "repeat")):
        canvas.icon(52 + 64 * i, 298, name, 28, WHITE)
    canvas.rect(0, 322, WIDTH, 254, (34, 34, 42))
    for i in range(13):
        canvas.rect(12 + 28 * i, 326, 1.6, 12 if i % 4 == 0 else 6, (150, 150, 160))
    x = -float(context.below(60))
    while x < WIDTH:
        w = 60.0 + context.below(90)
        number = context.below(96)
        for j in range(int(w // 44) + 1):
            canvas.picture(x + 44 * j, 346, min(44.0, w - 44 * j), 52, number)
        x += w + 4
    tracks = ((406.0, (38, 166, 154), "music-note"), (456.0, (255, 143, 0), "format-color-text"))
    for y, color, icon in tracks:
        start = context.below(90)
        wide = 130 + context.below(200)
        canvas.rrect(start, y, wide, 42, 8, color)
        canvas.icon(start + 18, y + 21, icon, 20, WHITE)
        for j in range(int(wide / 6) - 6):
            tall = 30 * context.rng.random()
            canvas.rect(start + 34 + 6 * j, y + 21 - tall / 2, 2.6, tall, mix(color, WHITE, 0.5))
    canvas.rect(178, 326, 3.4, 184, WHITE)
    canvas.circle(180, 328, 8, WHITE)
    for i, name in enumerate(("crop", "music", "format-color-text", "filter-variant", "volume-high")):
        canvas.icon(36 + 72 * i, 530, name, 24, (200, 200, 210))


@screen_kind("comic", warmth=0.0, themed=False)
def draw_comic(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a page of panels in flat colours with speech balloons and black frames."""
    canvas.rect(0, 0, WIDTH, HEIGHT, WHITE)
    split = 120.0 + context.below(120)
    low = 120.0 + context.below(120)
    panels = (
        *((8.0, 32.0, 344.0, 150.0), (8.0, 190.0, split - 4, 168.0), (12 + split, 190.0, 340 - split, 168.0)),
        *((8.0, 366.0, low - 4, 186.0), (12 + low, 366.0, 340 - low, 186.0)),
    )
    inks: tuple[RGB, ...] = ((255, 221, 51), (76, 195, 255), (255, 110, 90), (140, 220, 110), (200, 140, 255))
    for x, y, w, h in panels:
        canvas.rect(x, y, w, h, BLACK)
        color = context.choose(inks)
        canvas.rect(x + 4, y + 4, w - 8, h - 8, color)
        for i in range(int(w // 14)):
            for j in range(3):
                canvas.circle(x + 12 + 14 * i, y + h - 12 - 14 * j, 4 - j, mix(color, BLACK, 0.25))
        hero = context.choose(((230, 60, 60), (40, 70, 190), (30, 140, 80), (120, 40, 140)))
        cx, r = x + w * context.rng.uniform(0.3, 0.7), min(w, h) * 0.17
        foot = y + h - 4
        canvas.polygon(
            (
                (cx - r * 1.5, foot),
                (cx - r * 0.9, foot - r * 1.5),
                (cx + r * 0.9, foot - r * 1.5),
                (cx + r * 1.5, foot),
            ),
            hero,
        )
        canvas.circle(cx, foot - r * 2.2, r, (250, 210, 170))
        canvas.circle(cx, foot - r * 2.2 - r * 0.6, r * 0.8, (60, 36, 24))
        wide = min(w - 22, 150.0)
        left = x + 10 + (w - wide - 20) * context.rng.random()
        canvas.rrect(left, y + 10, wide, 44, 20, BLACK)
        canvas.rrect(left + 2, y + 12, wide - 4, 40, 18, WHITE)
        canvas.polygon(((left + wide * 0.4, y + 50), (left + wide * 0.6, y + 50), (left + wide * 0.5, y + 68)), WHITE)
        canvas.text(left + wide / 2, y + 32, context.pick("chats").upper(), 12, BLACK, "medium", "center", wide - 20)


@screen_kind("page", scrolls=2, warmth=0.0, themed=False)
def draw_page(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a page of a novel on sepia paper with a large initial, and how far one has read."""
    paper = (58, 46, 34) if context.theme.dark else (244, 226, 190)
    ink = (222, 200, 164) if context.theme.dark else (74, 52, 32)
    canvas.rect(0, 0, WIDTH, HEIGHT, paper)
    canvas.text(WIDTH / 2, 50, context.pick("songs"), 13, mix(ink, paper, 0.4), "regular", "center")
    chapter = 1 + context.below(30) + context.state.scroll
    canvas.text(WIDTH / 2, 96, f"Chapter {chapter}", 26, ink, "light", "center")
    canvas.rect(150, 116, 60, 2, mix(ink, paper, 0.4))
    text = " ".join(context.several("sentences", 16))
    canvas.text(32, 158, text[0], 62, context.choose(((150, 50, 30), (40, 80, 120), (60, 100, 50))), "medium")
    canvas.paragraph(82, 144, WIDTH - 112, text[1:], 16, ink, 2, pitch=1.55)
    canvas.paragraph(30, 194, WIDTH - 60, text[76:], 16, ink, 13, pitch=1.55)
    share = context.rng.random()
    canvas.rect(30, 526, 300, 3, mix(ink, paper, 0.7))
    canvas.rect(30, 526, 300 * share, 3, ink)
    canvas.text(30, 544, f"Page {20 + int(share * 300)}", 12, mix(ink, paper, 0.3))
    canvas.text(WIDTH - 30, 544, f"{100 * share:.0f}%", 12, mix(ink, paper, 0.3), anchor="right")


@screen_kind("recipe", scrolls=1, warmth=0.0)
def draw_recipe(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a dish on a round plate, its ingredients with quantities, and numbered steps."""
    theme = context.theme
    accent = context.app.accent_rgb
    canvas.rect(0, 0, WIDTH, 200, mix(accent, BLACK, 0.4) if theme.dark else mix(accent, WHITE, 0.55))
    shift = -110.0 * context.state.scroll
    dish, *ingredients = context.pick("dishes").split("|")
    y = 44 + shift
    canvas.picture(90, y, 180, 180, 4 + 8 * context.below(12), 90)
    y += 206
    canvas.text(WIDTH / 2, y, dish, 25, theme.text, "medium", "center")
    y += 22
    facts = ((f"{5 * (2 + context.below(16))} min", "timer-outline"), (f"Serves {1 + context.below(8)}", "account"))
    for i, (text, icon) in enumerate(facts):
        canvas.rrect(44 + 142 * i, y, 130, 30, 15, theme.tint)
        canvas.icon(64 + 142 * i, y + 15, icon, 17, theme.text)
        canvas.text(80 + 142 * i, y + 15, text, 14, theme.text)
    y += 52
    canvas.text(20, y, "Ingredients", 18, accent, "medium")
    for i, name in enumerate(ingredients[0].split(",")):
        x, top = 20 + 170 * (i % 2), y + 28 + 26 * (i // 2)
        canvas.icon(x + 8, top, "checkbox-blank-outline", 16, theme.faint)
        canvas.text(x + 24, top, f"{context.choose((1, 2, 3, 50, 100, 250))} {name}", 14, theme.text, max_width=140)
    y += 118
    for i, text in enumerate(context.several("steps", 5)):
        canvas.circle(38, y + 50 * i, 15, accent)
        canvas.text(38, y + 50 * i, str(i + 1), 16, WHITE, "medium", "center")
        canvas.paragraph(66, y - 8 + 50 * i, WIDTH - 90, text, 14, theme.text, 2)
    if context.state.scroll:
        app_bar(canvas, theme, dish, ("heart-outline", "share-variant"), color=accent, leading="arrow-left")
