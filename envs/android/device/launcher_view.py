"""Pictures of the launcher: home pages and the app drawer."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from envs.android.apps import RGB, App, parse_color
from envs.android.device.canvas import Canvas, oversampling
from envs.android.device.geometry import (
    DOCK_GRID,
    DRAWER_GRID,
    PAGE_DOTS_Y,
    SEARCH_HEIGHT,
    SEARCH_TOP,
    WIDTH,
    Grid,
)
from envs.android.device.layout import LauncherLayout, Slots
from envs.android.device.palette import BLACK, WHITE
from envs.android.device.wallpapers import wallpaper

_ICON_RADIUS = 27.0
_LABEL_DARK: RGB = (32, 33, 36)
Sprite = tuple[Image.Image, Image.Image]


def home_backdrop(number: int, pages: int, page: int, dark: bool, width: int, height: int) -> Image.Image:
    """Return a wallpaper, search field and page dots of a home page, without its icons; a new image."""
    image = wallpaper(number, width, height).copy()
    scale = width / WIDTH
    color, mask, ink = _search_sprite(width, dark)
    image.paste(color, (round(16 * scale), round(SEARCH_TOP * scale)), mask)
    image.paste(_LABEL_DARK if not dark else WHITE, (round(16 * scale), round(SEARCH_TOP * scale)), ink)
    dots = _dots_mask(width, pages, page)
    image.paste(WHITE, (0, round((PAGE_DOTS_Y - 6) * scale)), dots)
    return image


def paste_page(
    image: Image.Image, apps: tuple[App, ...], slots: Slots, grid: Grid, light: bool, shift: float = 0.0
) -> None:
    """Paste the icons of a page.

    Args:
        image: The whole screen; changed in place.
        apps: The catalogue's apps, which the slots index.
        slots: Slots of the page.
        grid: Where the slots are.
        light: White labels (over a wallpaper or in the dark) instead of dark ones.
        shift: Dp by which the page is dragged to the right.
    """
    width = image.size[0]
    scale = width / WIDTH
    labelled = grid is not DOCK_GRID
    for slot, app in enumerate(slots):
        if app is None:
            continue
        cell = grid.cell(slot)
        x = cell.x + shift
        if x + cell.w <= 0 or x >= WIDTH:
            continue
        picture, mask = icon_sprite(apps[app], width, cell.w, cell.h, light, labelled)
        image.paste(picture, (round(x * scale), round(cell.y * scale)), mask)


def paste_home_icons(
    image: Image.Image, apps: tuple[App, ...], layout: LauncherLayout, page: int, shift: float = 0.0
) -> None:
    """Paste the icons of a home page, dragged by `shift` dp together with its neighbours, and the dock."""
    for other in (page - 1, page, page + 1):
        offset = shift + (other - page) * WIDTH
        if 0 <= other < len(layout.pages) and abs(offset) < WIDTH:
            paste_page(image, apps, layout.pages[other], layout.home_grid, True, offset)
    paste_page(image, apps, layout.dock, DOCK_GRID, True)


def draw_drawer(
    apps: tuple[App, ...], layout: LauncherLayout, screen: int, dark: bool, width: int, height: int
) -> Image.Image:
    """Return one screenful of the app drawer."""
    canvas = Canvas.screen(width, height, (30, 31, 36) if dark else (247, 248, 252))
    canvas.rrect(16, SEARCH_TOP - 4, WIDTH - 32, SEARCH_HEIGHT, 20, (54, 56, 62) if dark else (228, 230, 236))
    canvas.icon(40, SEARCH_TOP + 16, "magnify", 20, (150, 152, 158))
    canvas.text(64, SEARCH_TOP + 16, "Search apps", 14, (150, 152, 158))
    image = canvas.finish()
    paste_page(image, apps, layout.drawer_page(screen), DRAWER_GRID, dark)
    return image


@lru_cache(maxsize=4096)
def icon_sprite(app: App, width: int, cell_w: float, cell_h: float, light: bool, labelled: bool) -> Sprite:
    """Return an app's icon with its label, as (picture, mask) of one launcher cell on a screen of `width` pixels."""
    scale = width / WIDTH
    size = (max(1, round(cell_w * scale)), max(1, round(cell_h * scale)))
    over = oversampling(width) + 1
    cx = cell_w / 2
    cy = cell_h / 2 - (9 if labelled else 0)
    radius = min(_ICON_RADIUS, cell_h / 2 - 14)
    picture, cover, shadow = (Canvas(*size, scale, BLACK, over) for _ in range(3))
    shadow.circle(cx, cy + 1.5, radius + 1, (120, 120, 120))
    if labelled:
        color = WHITE if light else _LABEL_DARK
        weight = "medium" if light else "regular"
        for canvas in (picture, cover):
            canvas.text(cx, cy + radius + 11, app.name, 12.5, color if canvas is picture else WHITE, weight, "center")
        if light:
            shadow.text(cx, cy + radius + 12, app.name, 12.5, WHITE, weight, "center")
    picture.circle(cx, cy, radius, parse_color(app.background))
    picture.icon(cx, cy, app.icon, radius * 1.15, parse_color(app.color))
    cover.circle(cx, cy, radius, WHITE)
    # Drawn on black, the ink is weighted by its coverage; dividing by it after averaging keeps the edges crisp.
    blurred = shadow.image.filter(ImageFilter.GaussianBlur(2.0 * scale * over))
    mask = ImageChops.lighter(cover.image, blurred).reduce(over).convert("L")
    coverage = np.maximum(np.asarray(mask, dtype=np.float32), 1.0)[..., None] / 255
    ink = np.clip(np.asarray(picture.finish(), dtype=np.float32) / coverage, 0, 255)
    return Image.fromarray(np.rint(ink).astype(np.uint8)), mask


@lru_cache(maxsize=64)
def _search_sprite(width: int, dark: bool) -> tuple[RGB, Image.Image, Image.Image]:
    scale = width / WIDTH
    size = (round((WIDTH - 32) * scale), round(SEARCH_HEIGHT * scale))
    over = oversampling(width)
    field = Canvas(*size, scale, BLACK, over)
    field.rrect(0, 0, WIDTH - 32, SEARCH_HEIGHT, 20, (225, 225, 225))
    ink = Canvas(*size, scale, BLACK, over)
    ink.icon(26, 20, "magnify", 22, (200, 200, 200))
    ink.text(50, 20, "Search", 14, (170, 170, 170))
    ink.icon(WIDTH - 60, 20, "microphone", 22, (200, 200, 200))
    return (52, 54, 60) if dark else (240, 242, 248), field.finish().convert("L"), ink.finish().convert("L")


@lru_cache(maxsize=256)
def _dots_mask(width: int, pages: int, page: int) -> Image.Image:
    scale = width / WIDTH
    canvas = Canvas(width, max(1, round(12 * scale)), scale, BLACK, oversampling(width) + 1)
    for i in range(pages):
        shade = 255 if i == page else 110
        canvas.circle(WIDTH / 2 + 14 * (i - (pages - 1) / 2), 6, 4, (shade, shade, shade))
    return canvas.finish().convert("L")
