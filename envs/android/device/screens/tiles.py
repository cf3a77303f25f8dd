"""Screens made of tiles: photo gallery, folders, notes, app store, storage."""

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import VIVID, WHITE, luminance, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar, avatar, bottom_nav, chips, search_field

_NOTE_COLORS = (
    (255, 224, 130),
    (244, 143, 177),
    (165, 214, 167),
    (144, 202, 249),
    (255, 171, 145),
    (206, 147, 216),
    (128, 222, 234),
)


@screen_kind("gallery", scrolls=2, warmth=0.0)
def draw_gallery(canvas: Canvas, context: ScreenContext) -> None:
    """Draw photographs in a grid under dates."""
    theme = context.theme
    columns = 3 + context.below(2)
    side = (WIDTH - 2.0 * (columns - 1)) / columns
    y = 84.0 - 2 * side * context.state.scroll
    first_day = context.below(len(_DAYS))
    for block in range(4):
        canvas.text(16, y + 18, _DAYS[(block + first_day) % len(_DAYS)], 15, theme.text, "medium")
        y += 38
        for row in range(2 if columns == 3 else 3):
            for column in range(columns):
                number = context.below(96)
                if y + side > 60 and y < HEIGHT:
                    canvas.picture(column * (side + 2), y, side, side, number)
            y += side + 2
            del row
    canvas.rect(0, 0, WIDTH, 80, theme.background)
    canvas.text(18, 52, context.app.name, 23, theme.text, "medium")
    canvas.icon(WIDTH - 74, 52, "plus", 24, theme.text)
    avatar(canvas, WIDTH - 32, 52, 15, context.pick("people"))
    bottom_nav(canvas, context)


@screen_kind("cards", scrolls=1, warmth=0.25)
def draw_cards(canvas: Canvas, context: ScreenContext) -> None:
    """Draw cards in two columns: style "folders" (folders above file previews) or "notes" (coloured notes)."""
    if context.param("style") == "notes":
        _notes(canvas, context)
    else:
        _folders(canvas, context)
    theme = context.theme
    canvas.rect(0, 0, WIDTH, 80, theme.background)
    search_field(canvas, theme, context.param("hint", "Search"), 30, context.pick("people"))
    bottom_nav(canvas, context)


def _folders(canvas: Canvas, context: ScreenContext) -> None:
    theme = context.theme
    y = 88.0 - 130 * context.state.scroll
    chips(canvas, theme, y, ("Suggested", "Activity", "Offline"), context.below(3))
    y += 46
    canvas.text(18, y, "Folders", 14, theme.faint, "medium")
    y += 16
    rows = 2 + context.below(2)
    for i, entry in enumerate(context.several("files", 2 * rows)):
        icon, name = entry.split("|")
        x, top = 14 + 170 * (i % 2), y + 60 * (i // 2)
        canvas.rrect(x, top, 162, 52, 12, theme.surface)
        canvas.icon(x + 26, top + 26, icon, 28, context.choose((theme.faint, theme.accent, *VIVID[:4])))
        canvas.text(x + 48, top + 26, name, 14, theme.text, max_width=106)
    y += 60 * rows + 10
    canvas.text(18, y, "Files", 14, theme.faint, "medium")
    y += 16
    for i, entry in enumerate(context.several("documents_files", 6)):
        icon, name = entry.split("|")
        x, top = 14 + 170 * (i % 2), y + 146 * (i // 2)
        canvas.rrect(x, top, 162, 138, 12, theme.surface)
        tone = _FILE_COLORS.get(icon, theme.faint)
        canvas.icon(x + 20, top + 20, icon, 20, tone)
        canvas.text(x + 36, top + 20, name, 13, theme.text, max_width=116)
        page = WHITE if not theme.dark else (60, 62, 66)
        if icon in ("file-image", "file-video"):
            canvas.picture(x + 10, top + 38, 142, 90, context.below(96), 6)
            continue
        canvas.rect(x + 10, top + 38, 142, 100, page)
        for line in range(6):
            canvas.rect(x + 22, top + 50 + 12 * line, 60 + 60 * context.rng.random(), 4, mix(page, tone, 0.5))


def _notes(canvas: Canvas, context: ScreenContext) -> None:
    theme = context.theme
    heights = [92.0 - 120 * context.state.scroll] * 2
    for entry in context.several(context.param("primary"), 11):
        title, items = entry.split("|")
        lines = items.split(";")
        column = 0 if heights[0] <= heights[1] else 1
        x, y = 12 + 170.0 * column, heights[column]
        tall = 48 + 21.0 * len(lines)
        color = context.choose(_NOTE_COLORS)
        if theme.dark:
            color = mix(color, (20, 20, 24), 0.62)
        has_boxes, with_picture = context.rng.random() < 0.5, context.rng.random() < 0.15
        number = context.below(96)
        if with_picture:
            tall += 84
        heights[column] += tall + 10
        if y > HEIGHT or y + tall < 60:
            continue
        canvas.rrect(x, y, 164, tall, 12, color)
        ink = WHITE if luminance(color) < 0.5 else (32, 33, 36)
        if with_picture:
            canvas.picture(x, y, 164, 78, number, 12)
            y += 84
        canvas.text(x + 12, y + 22, title, 16, ink, "medium", max_width=140)
        for i, line in enumerate(lines):
            row = y + 46 + 21 * i
            left = x + 12.0
            if has_boxes:
                canvas.icon(x + 20, row, "checkbox-blank-outline" if i else "checkbox-marked", 16, ink)
                left = x + 34
            canvas.text(left, row, line, 13, ink, max_width=x + 156 - left)
    canvas.rect(0, HEIGHT - 62, WIDTH, 62, theme.surface)
    for i, name in enumerate(("checkbox-marked", "brush", "microphone", "image")):
        canvas.icon(32 + 46 * i, HEIGHT - 42, name, 22, theme.faint)
    canvas.rrect(WIDTH - 76, HEIGHT - 90, 58, 58, 18, theme.accent)
    canvas.icon(WIDTH - 47, HEIGHT - 61, "plus", 32, WHITE)


@screen_kind("store", scrolls=1, warmth=0.0)
def draw_store(canvas: Canvas, context: ScreenContext) -> None:
    """Draw an app store: a banner, then apps as rounded tiles with genres and stars."""
    theme = context.theme
    y = 86.0 - 150 * context.state.scroll
    for i, text in enumerate(("For you", "Top charts", "Children", "New")):
        canvas.text(20 + 88 * i, y + 8, text, 14, theme.accent if i == 0 else theme.faint, "medium")
    canvas.rect(20, y + 24, 52, 3, theme.accent)
    y += 36
    number, tone = context.below(96), context.choose(VIVID)
    canvas.picture(16, y, WIDTH - 32, 136, number, 14)
    canvas.rrect(16, y + 92, WIDTH - 32, 44, 14, mix(tone, (0, 0, 0), 0.3))
    canvas.text(30, y + 114, context.pick("apps_in_store"), 16, WHITE, "medium")
    canvas.text(WIDTH - 32, y + 114, "Play now", 12, WHITE, anchor="right")
    y += 152
    names = context.several("apps_in_store", 11)
    canvas.text(
        18,
        y + 8,
        context.choose(("Recommended for you", "Popular this week", "Editors' choice")),
        17,
        theme.text,
        "medium",
    )
    y += 28
    for i, name in enumerate(names[:5]):
        x = 18 + 88.0 * i
        _app_tile(canvas, context, x, y, 76)
        canvas.text(x + 2, y + 90, name, 12, theme.text, max_width=76)
        _stars(canvas, context, x + 2, y + 106)
    y += 130
    canvas.text(18, y + 8, "Top charts", 17, theme.text, "medium")
    y += 26
    for i, name in enumerate(names[5:]):
        top = y + 58 * i
        canvas.text(26, top + 24, str(i + 1), 15, theme.text, "medium", "center")
        _app_tile(canvas, context, 46, top, 48)
        canvas.text(108, top + 16, name, 15, theme.text, max_width=150)
        canvas.text(108, top + 36, context.pick("genres"), 12, theme.faint)
        _stars(canvas, context, WIDTH - 70, top + 24)
    canvas.rect(0, 0, WIDTH, 80, theme.background)
    search_field(canvas, theme, context.param("hint", "Search"), 30, context.pick("people"))
    bottom_nav(canvas, context)


def _app_tile(canvas: Canvas, context: ScreenContext, x: float, y: float, side: float) -> None:
    tone = context.choose(VIVID)
    canvas.rrect(x, y, side, side, side * 0.22, tone)
    canvas.icon(x + side / 2, y + side / 2, context.choose(_TILE_ICONS), side * 0.62, WHITE)


def _stars(canvas: Canvas, context: ScreenContext, x: float, y: float) -> None:
    canvas.text(x, y, f"{3 + context.below(20) / 10:.1f}", 11, context.theme.faint)
    canvas.icon(x + 26, y, "star", 12, (245, 180, 0))


@screen_kind("storage", scrolls=1, warmth=0.0)
def draw_storage(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a file manager: coloured categories, storage in use as a ring, recent files."""
    theme = context.theme
    y = 84.0 - 110 * context.state.scroll
    canvas.rrect(14, y, WIDTH - 28, 118, 20, theme.tint)
    used, total = 10 + context.below(85), context.choose((64, 128, 256))
    cx, cy = 76.0, y + 59
    canvas.arc(cx, cy, 44, 0, 360, 13, mix(theme.tint, theme.text, 0.15))
    canvas.arc(cx, cy, 44, -90, -90 + 3.6 * used, 13, theme.accent)
    canvas.text(cx, cy, f"{used}%", 17, theme.text, "medium", "center")
    canvas.text(142, y + 44, "Internal storage", 17, theme.text, "medium")
    canvas.text(142, y + 70, f"{total * used // 100} GB of {total} GB used", 13, theme.faint)
    y += 134
    canvas.text(20, y + 6, "Categories", 14, theme.faint, "medium")
    y += 22
    for i, (icon, name, tone) in enumerate(_CATEGORIES):
        x, top = 14 + 112.0 * (i % 3), y + 84 * (i // 3)
        canvas.rrect(x, top, 108, 78, 16, theme.surface)
        canvas.circle(x + 54, top + 29, 19, tone)
        canvas.icon(x + 54, top + 29, icon, 22, WHITE)
        canvas.text(x + 54, top + 62, name, 12.5, theme.text, "regular", "center")
    y += 178
    canvas.text(20, y + 6, "Recent", 14, theme.faint, "medium")
    y += 20
    for i, entry in enumerate(context.several("documents_files", 5)):
        icon, name = entry.split("|")
        top = y + 50.0 * i
        canvas.icon(40, top + 24, icon, 30, _FILE_COLORS.get(icon, theme.faint))
        canvas.text(72, top + 16, name, 15, theme.text)
        canvas.text(72, top + 35, f"{1 + context.below(99)} MB, {1 + context.below(28)} days ago", 12, theme.faint)
    canvas.rect(0, 0, WIDTH, 80, theme.background)
    app_bar(canvas, theme, context.param("title", context.app.name), ("magnify", "dots-vertical"))


_DAYS = ("Today", "Yesterday", "Last week", "Saturday", "In March", "Holiday")
_FILE_COLORS = {
    **{"file-document": (66, 133, 244), "file-excel-box": (15, 157, 88), "file-pdf-box": (217, 48, 37)},
    **{"file-image": (171, 71, 188), "file-video": (255, 112, 67), "file-music": (236, 64, 122)},
    **{"file-chart": (0, 150, 136), "archive": (121, 85, 72)},
}
_CATEGORIES = (
    ("download", "Downloads", (66, 133, 244)),
    ("image", "Images", (171, 71, 188)),
    ("video", "Videos", (239, 83, 80)),
    ("music-note", "Audio", (255, 167, 38)),
    ("file-document", "Documents", (38, 166, 154)),
    ("apps", "Apps", (92, 107, 192)),
)
_TILE_ICONS = (
    *("rocket-launch", "chess-knight", "run", "camera", "music", "star", "puzzle", "paw", "leaf", "car"),
    *("dumbbell", "flask", "compass", "fire", "guitar-acoustic", "food", "palette", "robot", "moon-waning-crescent"),
)
