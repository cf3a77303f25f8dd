"""Scrolling feeds and web pages."""

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, Theme, make_theme, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import avatar, bottom_nav, chips


@screen_kind("feed", scrolls=2, warmth=0.0)
def draw_feed(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a feed: style "video" (wide thumbnails, a play sign, a length) or "article" (headlines with pictures)."""
    if context.param("style") == "video":
        _videos(canvas, context)
    else:
        _articles(canvas, context)
    bottom_nav(canvas, context)


def _videos(canvas: Canvas, context: ScreenContext) -> None:
    theme = context.theme
    y = 112.0 - 266 * context.state.scroll
    for title in context.several(context.param("primary"), 5):
        number, channel, views = context.below(96), context.pick(context.param("secondary")), context.below(900)
        minutes, seconds, years = context.below(40), context.below(60), 1 + context.below(8)
        if y < HEIGHT and y + 266 > 70:
            canvas.picture(0, y, WIDTH, 198, number)
            canvas.circle(WIDTH / 2, y + 99, 27, (20, 20, 20))
            canvas.icon(WIDTH / 2, y + 99, "play", 34, WHITE)
            canvas.rrect(WIDTH - 60, y + 172, 50, 20, 4, (20, 20, 20))
            canvas.text(WIDTH - 35, y + 182, f"{minutes}:{seconds:02d}", 12, WHITE, "medium", "center")
            avatar(canvas, 34, y + 226, 18, channel)
            canvas.text(64, y + 218, title, 16, theme.text, "medium", max_width=262)
            canvas.text(
                64, y + 240, f"{channel} · {views}k views · {years} years ago", 12.5, theme.faint, max_width=262
            )
            canvas.icon(WIDTH - 18, y + 220, "dots-vertical", 18, theme.faint)
        y += 266
    canvas.rect(0, 0, WIDTH, 112, theme.background)
    canvas.rrect(16, 38, 38, 28, 8, (229, 45, 39))
    canvas.icon(35, 52, "play", 22, WHITE)
    canvas.text(62, 52, context.app.name, 20, theme.text, "medium")
    for i, name in enumerate(("cast", "bell-outline", "magnify")):
        canvas.icon(WIDTH - 114 + 44 * i, 52, name, 22, theme.text)
    chips(canvas, theme, 78, ("All", "Music", "Live", "Gaming", "News"))


def _articles(canvas: Canvas, context: ScreenContext) -> None:
    theme = context.theme
    y = 86.0 - 170 * context.state.scroll
    for i, headline in enumerate(context.several(context.param("primary"), 9)):
        number, paper, hours = context.below(96), context.pick(context.param("secondary")), 1 + context.below(20)
        big = i % 4 == 0
        tall = 258.0 if big else 104.0
        if y < HEIGHT and y + tall > 70:
            if big:
                canvas.picture(14, y + 6, WIDTH - 28, 150, number, 14)
                canvas.text(18, y + 176, paper, 12, theme.accent, "medium")
                canvas.paragraph(18, y + 200, WIDTH - 40, headline, 21, theme.text, 2, "medium", 1.2)
            else:
                canvas.text(18, y + 18, paper, 12, theme.accent, "medium")
                canvas.paragraph(18, y + 40, 216, headline, 16, theme.text, 2, "medium", 1.25)
                canvas.text(18, y + 84, f"{hours} hours ago", 11, theme.faint)
                canvas.picture(WIDTH - 104, y + 10, 88, 82, number, 10)
            canvas.rect(16, y + tall - 2, WIDTH - 32, 1.4, theme.line)
        y += tall
    canvas.rect(0, 0, WIDTH, 84, theme.background)
    canvas.rect(0, 0, WIDTH, 78, mix(theme.accent, BLACK, 0.45 if theme.dark else 0.0))
    canvas.icon(28, 52, "menu", 24, WHITE)
    canvas.text(WIDTH / 2, 52, context.param("title", context.app.name), 22, WHITE, "medium", "center")
    canvas.icon(WIDTH - 28, 52, "magnify", 24, WHITE)


@screen_kind("browser", scrolls=2, warmth=0.0)
def draw_browser(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a web page under an address bar: an article, a shop or a page of search results."""
    theme = context.theme
    address, name = context.pick("sites").split("|")
    tone = context.choose(VIVID)
    y = 84.0 - 190 * context.state.scroll
    page = make_theme(tone, theme.dark)
    canvas.rect(0, 0, WIDTH, HEIGHT, page.background)
    (_web_article, _web_shop, _web_results)[context.below(3)](canvas, context, y, name, page)
    bar = (241, 243, 244) if not theme.dark else (48, 49, 52)
    canvas.rect(0, 0, WIDTH, 82, bar)
    canvas.icon(26, 54, "home-outline", 25, theme.text)
    canvas.rrect(50, 34, 218, 40, 20, WHITE if not theme.dark else (30, 31, 34))
    canvas.icon(70, 54, "lock", 16, theme.faint)
    canvas.text(86, 54, address, 15, theme.text, max_width=174)
    canvas.icon(290, 54, "plus", 24, theme.text)
    canvas.rrect(308, 43, 22, 22, 5, theme.text)
    canvas.rrect(310, 45, 18, 18, 4, bar)
    canvas.text(319, 54, str(1 + context.below(9)), 12, theme.text, "medium", "center")
    canvas.icon(346, 54, "dots-vertical", 24, theme.text)


def _web_article(canvas: Canvas, context: ScreenContext, y: float, name: str, page: Theme) -> None:
    canvas.rect(0, y, WIDTH, 48, page.accent if not page.dark else page.tint)
    canvas.text(20, y + 24, name, 20, WHITE, "medium")
    canvas.icon(WIDTH - 28, y + 24, "menu", 24, WHITE)
    y += 70
    y += 32 * canvas.paragraph(20, y, WIDTH - 40, context.pick("headlines"), 25, page.text, 2, "medium", 1.25)
    canvas.text(20, y, f"By {context.pick('people')}", 13, page.faint)
    y += 20
    canvas.picture(20, y, WIDTH - 40, 170, context.below(96))
    y += 196
    for _ in range(4):
        text = " ".join(context.several("sentences", 4))
        y += 21 * canvas.paragraph(20, y, WIDTH - 40, text, 15, page.text, 8, pitch=1.4) + 12


def _web_shop(canvas: Canvas, context: ScreenContext, y: float, name: str, page: Theme) -> None:
    canvas.text(WIDTH / 2, y + 24, name.upper(), 20, page.accent, "medium", "center")
    canvas.icon(28, y + 24, "menu", 24, page.text)
    canvas.icon(WIDTH - 28, y + 24, "cart", 24, page.text)
    y += 50
    canvas.picture(0, y, WIDTH, 120, context.below(96))
    canvas.rrect(20, y + 64, 150, 38, 4, page.accent)
    canvas.text(95, y + 83, f"Sale: -{10 * (1 + context.below(6))}%", 17, page.on_accent, "medium", "center")
    y += 136
    for i in range(6):
        x, top = 14 + 170.0 * (i % 2), y + 196 * (i // 2)
        canvas.picture(x, top, 162, 130, context.below(96))
        canvas.text(x + 4, top + 146, context.pick("songs"), 14, page.text, max_width=150)
        canvas.text(
            x + 4,
            top + 168,
            f"€{5 + context.below(190)}.{context.choose(('00', '50', '99'))}",
            16,
            page.accent,
            "medium",
        )


def _web_results(canvas: Canvas, context: ScreenContext, y: float, name: str, page: Theme) -> None:
    canvas.rrect(16, y + 10, WIDTH - 32, 44, 22, page.surface)
    canvas.icon(40, y + 32, "magnify", 22, page.faint)
    canvas.text(62, y + 32, name.lower(), 16, page.text)
    for i, label in enumerate(("All", "Images", "News", "Videos")):
        canvas.text(30 + 70 * i, y + 74, label, 14, page.accent if i == 0 else page.faint, "medium")
    canvas.rect(26, y + 88, 30, 3, page.accent)
    y += 108
    link = (138, 180, 248) if page.dark else (26, 13, 171)
    for _ in range(7):
        address, site = context.pick("sites").split("|")
        canvas.circle(30, y + 6, 11, context.choose(VIVID))
        canvas.text(50, y, site, 13, page.text)
        canvas.text(50, y + 15, address, 11, page.faint)
        canvas.text(20, y + 40, context.pick("headlines"), 18, link, max_width=WIDTH - 40)
        canvas.paragraph(20, y + 62, WIDTH - 40, " ".join(context.several("sentences", 2)), 13, page.faint, 2)
        y += 112
