"""Buying and money: product, menu, bank account, share prices, budget, boarding pass, cinema seats, wallet."""

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, NAVIGATION_TOP, WIDTH
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import bottom_nav, fill_gradient

_GREEN, _RED = (22, 160, 84), (220, 50, 60)


@screen_kind("product", scrolls=1, warmth=0.0)
def draw_product(canvas: Canvas, context: ScreenContext) -> None:
    """Draw one article in a shop: a large picture of it, price, stars, sizes and an orange button."""
    theme = context.theme
    name, icon = context.pick("goods").split("|")
    tone = context.choose(VIVID)
    lift = 60.0 * context.state.scroll
    canvas.rect(0, 0, WIDTH, 296 - lift, mix(tone, WHITE, 0.78))
    canvas.icon(WIDTH / 2, 176 - lift, icon, 200, tone)
    canvas.icon(28, 52, "arrow-left", 26, (40, 40, 44))
    canvas.icon(WIDTH - 28, 52, "cart", 26, (40, 40, 44))
    for i in range(4):
        canvas.circle(156 + 16 * i, 282 - lift, 4, tone if i == 0 else (170, 172, 178))
    y = 324 - lift
    canvas.text(20, y, name, 20, theme.text, "medium", max_width=230)
    canvas.text(WIDTH - 20, y, f"€{9 + context.below(240)}", 30, theme.text, "medium", "right")
    for i in range(5):
        canvas.icon(30 + 22 * i, y + 32, "star" if i < 3 + context.below(3) else "star-outline", 20, (250, 176, 5))
    canvas.text(148, y + 32, f"{context.below(4000)} reviews", 13, theme.faint)
    for i, label in enumerate(("XS", "S", "M", "L", "XL")):
        lit = i == 2
        canvas.rrect(20 + 65 * i, y + 56, 56, 36, 8, theme.text if lit else theme.surface)
        canvas.text(48 + 65 * i, y + 74, label, 14, theme.background if lit else theme.text, "medium", "center")
    for i in range(5):
        canvas.circle(36 + 44 * i, y + 122, 15, context.choose(VIVID))
    text = " ".join(context.several("sentences", 3))
    canvas.paragraph(20, y + 160, WIDTH - 40, text, 13, theme.faint, 5)
    canvas.rect(0, 486, WIDTH, 90, theme.background)
    canvas.rrect(16, 494, WIDTH - 32, 52, 26, (255, 130, 0))
    canvas.text(WIDTH / 2, 520, "Add to cart", 19, WHITE, "medium", "center")


@screen_kind("menu_card", scrolls=2, warmth=0.0)
def draw_menu_card(canvas: Canvas, context: ScreenContext) -> None:
    """Draw dishes of a restaurant with plates at the right, prices, and a basket below."""
    theme, accent = context.theme, context.app.accent_rgb
    y = 150.0 - 200 * context.state.scroll
    for i, entry in enumerate(context.several("dishes", 8)):
        dish, ingredients = entry.split("|")
        top = y + 98 * i
        price, number = f"€{6 + context.below(18)}.{context.choose(('00', '50', '90'))}", 4 + 8 * context.below(12)
        if not -98 < top < HEIGHT:
            continue
        canvas.text(18, top + 22, dish, 17, theme.text, "medium", max_width=220)
        canvas.text(18, top + 44, ingredients.replace(",", ", "), 13, theme.faint, max_width=215)
        canvas.text(18, top + 70, price, 16, accent, "medium")
        canvas.picture(WIDTH - 106, top + 6, 90, 84, number, 12)
        canvas.circle(WIDTH - 22, top + 82, 14, accent)
        canvas.icon(WIDTH - 22, top + 82, "plus", 20, WHITE)
        canvas.rect(0, top + 96, WIDTH, 1.4, theme.line)
    canvas.rect(0, 0, WIDTH, 146, accent)
    canvas.icon(28, 48, "arrow-left", 26, WHITE)
    canvas.icon(WIDTH - 28, 48, "heart-outline", 24, WHITE)
    canvas.text(20, 86, context.pick("restaurants"), 25, WHITE, "medium")
    canvas.icon(30, 120, "star", 18, (255, 225, 120))
    canvas.text(44, 120, f"{3.5 + context.below(15) / 10:.1f}", 15, WHITE, "medium")
    canvas.icon(96, 120, "motorbike", 20, WHITE)
    canvas.text(112, 120, f"{15 + 5 * context.below(8)} min", 15, WHITE, "medium")
    canvas.rrect(14, 492, WIDTH - 28, 50, 12, (30, 150, 70))
    canvas.icon(44, 517, "cart", 24, WHITE)
    canvas.text(72, 517, f"{1 + context.below(6)} dishes", 16, WHITE, "medium")
    canvas.text(WIDTH - 34, 517, f"€{12 + context.below(60)}", 17, WHITE, "medium", "right")


@screen_kind("account", scrolls=1, warmth=0.0)
def draw_account(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a bank account: a card over a dark head, its balance, and payments in and out."""
    theme, accent = context.theme, context.app.accent_rgb
    canvas.rect(0, 0, WIDTH, 156, accent)
    canvas.text(22, 52, f"Hello, {context.pick('people').split()[0]}", 20, WHITE, "medium")
    canvas.icon(WIDTH - 30, 52, "bell-outline", 24, WHITE)
    tone = mix(context.choose(VIVID), accent, 0.3)
    canvas.rrect(34, 82, 292, 156, 18, mix(tone, BLACK, 0.35))
    canvas.polygon(((160, 82), (308, 82), (326, 100), (326, 238), (60, 238)), mix(tone, BLACK, 0.15))
    canvas.rrect(56, 112, 38, 28, 6, (236, 200, 110))
    canvas.text(56, 168, "5500 •••• •••• " + str(1000 + context.below(9000)), 18, WHITE, "medium")
    canvas.text(56, 212, context.pick("people").upper(), 13, WHITE)
    canvas.circle(276, 210, 15, (235, 60, 50))
    canvas.circle(296, 210, 15, (250, 170, 40))
    canvas.text(
        WIDTH / 2, 272, f"€ {context.below(9000):,}.{context.below(100):02d}", 34, theme.text, "medium", "center"
    )
    for i, (icon, label) in enumerate(
        (("send", "Send"), ("download", "Request"), ("qrcode", "Pay"), ("history", "Log"))
    ):
        canvas.circle(54 + 84 * i, 322, 22, theme.tint)
        canvas.icon(54 + 84 * i, 322, icon, 22, theme.text)
        canvas.text(54 + 84 * i, 356, label, 12, theme.faint, "regular", "center")
    y = 384.0
    for i, name in enumerate(context.several("shops", 7)[3 * context.state.scroll :]):
        amount = context.below(12000) / 100
        is_in = context.rng.random() < 0.3
        top = y + 46 * i
        canvas.circle(38, top + 14, 17, context.choose(VIVID))
        canvas.icon(38, top + 14, context.choose(("store", "cart", "coffee", "bus", "home", "food")), 19, WHITE)
        canvas.text(68, top + 14, name, 15, theme.text, max_width=180)
        ink = _GREEN if is_in else theme.text
        canvas.text(WIDTH - 20, top + 14, f"{'+' if is_in else '-'}{amount:.2f}", 15, ink, "medium", "right")
    canvas.rect(0, NAVIGATION_TOP, WIDTH, 20, theme.background)


@screen_kind("ticker", scrolls=1, warmth=0.0, themed=False)
def draw_ticker(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the price of a share as a rising or falling line on black, and a list of others."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (0, 0, 0))
    symbols = context.several("symbols", 7)
    is_up = context.rng.random() < 0.5
    color = (0, 214, 120) if is_up else (255, 70, 80)
    canvas.text(20, 54, symbols[0], 24, WHITE, "medium")
    canvas.icon(WIDTH - 28, 54, "magnify", 24, WHITE)
    canvas.text(20, 98, f"{20 + context.below(900)}.{context.below(100):02d}", 42, WHITE, "light")
    canvas.text(220, 100, f"{'+' if is_up else '-'}{context.below(90) / 10:.1f}%", 20, color, "medium")
    line = _walk(context, 48, 0.5 if is_up else -0.5)
    points = [(WIDTH * i / 47, 300 - 150 * value) for i, value in enumerate(line)]
    canvas.polygon([(0.0, 330.0), *points, (WIDTH, 330.0)], mix(color, BLACK, 0.72))
    canvas.line(points, 4, color)
    for i, label in enumerate(("1D", "1W", "1M", "1Y", "All")):
        if i == 1 + context.state.tab:
            canvas.rrect(18 + 67 * i, 342, 52, 28, 14, (50, 52, 58))
        canvas.text(44 + 67 * i, 356, label, 14, WHITE, "medium", "center")
    for i, name in enumerate(symbols[1:]):
        y = 398 + 46 * (i - 2 * context.state.scroll)
        if y < 390:
            continue
        up = context.rng.random() < 0.5
        ink = (0, 214, 120) if up else (255, 70, 80)
        canvas.text(20, y, name, 17, WHITE, "medium")
        spark = _walk(context, 14, 0.5 if up else -0.5)
        canvas.line([(140 + 8 * j, y + 12 - 24 * value) for j, value in enumerate(spark)], 2.4, ink)
        canvas.rrect(WIDTH - 92, y - 15, 76, 30, 6, mix(ink, BLACK, 0.15))
        canvas.text(WIDTH - 54, y, f"{'+' if up else '-'}{context.below(60) / 10:.1f}%", 15, WHITE, "medium", "center")


def _walk(context: ScreenContext, count: int, drift: float) -> list[float]:
    """Return a random walk scaled into [0, 1], upwards for a positive drift."""
    value, values = 0.0, []
    for _ in range(count):
        value += context.rng.gauss(drift * 12 / count, 0.7)
        values.append(value)
    low, high = min(values), max(values)
    return [(value - low) / (high - low or 1) for value in values]


@screen_kind("budget", scrolls=1, warmth=0.3)
def draw_budget(canvas: Canvas, context: ScreenContext) -> None:
    """Draw what was spent in a month as a ring of coloured shares, with its legend."""
    theme = context.theme
    canvas.icon(30, 52, "chevron-left", 26, theme.faint)
    canvas.text(WIDTH / 2, 52, context.choose(_MONTHS), 20, theme.text, "medium", "center")
    canvas.icon(WIDTH - 30, 52, "chevron-right", 26, theme.faint)
    shares = [0.3 + context.rng.random() for _ in range(6)]
    hues = context.rng.sample(VIVID, 6)
    angle, total = -90.0, sum(shares)
    for share, hue in zip(shares, hues, strict=True):
        sweep = 360 * share / total
        canvas.arc(WIDTH / 2, 206, 124, angle, angle + sweep - 2, 50, hue)
        angle += sweep
    canvas.text(WIDTH / 2, 194, f"€{600 + context.below(2400):,}", 32, theme.text, "medium", "center")
    canvas.text(WIDTH / 2, 224, "spent", 15, theme.faint, "regular", "center")
    names = ("Groceries|cart", "Rent|home", "Transport|bus", "Fun|ticket", "Health|pill", "Gifts|gift")
    for i, (entry, share, hue) in enumerate(zip(names, shares, hues, strict=True)):
        label, icon = entry.split("|")
        y = 366 + 44 * (i - 2 * context.state.scroll)
        if y < 350:
            continue
        canvas.circle(38, y, 16, hue)
        canvas.icon(38, y, icon, 18, WHITE)
        canvas.text(66, y - 8, label, 15, theme.text)
        canvas.rrect(66, y + 6, 200, 7, 3.5, theme.raised)
        canvas.rrect(66, y + 6, 200 * share / max(shares), 7, 3.5, hue)
        canvas.text(WIDTH - 20, y, f"€{context.below(600)}", 15, theme.text, "medium", "right")


@screen_kind("boarding", warmth=0.0, themed=False)
def draw_boarding(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a boarding pass on sky blue: two airports, gate and seat, and a bar code."""
    sky = context.choose(((38, 120, 220), (20, 96, 190), (60, 140, 230)))
    fill_gradient(canvas, sky, mix(sky, WHITE, 0.5))
    canvas.icon(30, 52, "arrow-left", 26, WHITE)
    canvas.text(WIDTH / 2, 52, "Boarding pass", 20, WHITE, "medium", "center")
    canvas.rrect(24, 84, 312, 456, 20, WHITE)
    ink, faint = (30, 36, 50), (120, 128, 144)
    cities = context.several("cities", 2)
    for x, city in ((88.0, cities[0]), (272.0, cities[1])):
        canvas.text(x, 130, city.replace(" ", "")[:3].upper(), 44, ink, "medium", "center")
        canvas.text(x, 166, city, 14, faint, "regular", "center")
    canvas.icon(WIDTH / 2, 132, "airplane", 36, sky)
    for i in range(21):
        canvas.rect(48 + 13 * i, 196, 7, 3, (200, 206, 216))
    facts = (
        *(("Passenger", context.pick("people")), ("Flight", f"{context.choose('ABKLQ')}{100 + context.below(900)}")),
        *(
            ("Gate", f"{context.choose('ABCD')}{1 + context.below(40)}"),
            ("Seat", f"{1 + context.below(38)}{context.choose('ACDF')}"),
        ),
    )
    for i, (label, value) in enumerate(facts):
        x, y = 52 + 158 * (i % 2), 232 + 66 * (i // 2)
        canvas.text(x, y, label, 13, faint)
        canvas.text(x, y + 25, value, 22, ink, "medium", max_width=150)
    for x in (24.0, 336.0):
        canvas.circle(x, 376, 16, mix(sky, WHITE, 0.3))
    for i in range(17):
        canvas.rect(52 + 15.4 * i, 375, 8, 2, (200, 206, 216))
    x = 54.0
    while x < 300:
        w = context.choose((2.4, 2.4, 4.8, 7.2))
        canvas.rect(x, 402, w, 104, (16, 18, 24))
        x += w + context.choose((2.4, 4.8))


@screen_kind("seats", warmth=0.0, themed=False)
def draw_seats(canvas: Canvas, context: ScreenContext) -> None:
    """Draw the seats of a cinema in front of a bright screen: free, taken and chosen ones."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (40, 6, 18))
    canvas.icon(28, 52, "arrow-left", 26, WHITE)
    canvas.text(WIDTH / 2, 52, context.pick("videos"), 18, WHITE, "medium", "center", 250)
    canvas.polygon(((60, 84), (300, 84), (340, 132), (20, 132)), (96, 40, 54))
    canvas.polygon(((60, 80), (300, 80), (310, 94), (50, 94)), (255, 246, 220))
    columns = 9
    chosen_row, chosen = 2 + context.below(6), context.below(columns - 2)
    for row in range(9):
        for column in range(columns):
            gap = 14 if column > 6 else 7 if column > 1 else 0
            x, y = 19 + 34.6 * column + gap, 150 + 33 * row
            color: RGB = (214, 160, 160) if context.rng.random() < 0.6 else (84, 34, 46)
            if row == chosen_row and chosen <= column < chosen + 2:
                color = (255, 196, 0)
            canvas.rrect(x, y, 28, 25, 7, color)
    for i, (color, label) in enumerate((((214, 160, 160), "Free"), ((84, 34, 46), "Taken"), ((255, 196, 0), "Yours"))):
        canvas.rrect(46 + 102 * i, 456, 16, 16, 4, color)
        canvas.text(70 + 102 * i, 464, label, 14, WHITE)
    canvas.rrect(20, 488, 320, 54, 27, (226, 30, 60))
    canvas.text(WIDTH / 2, 515, f"2 seats, €{14 + context.below(20)}", 19, WHITE, "medium", "center")


@screen_kind("passes", scrolls=1, warmth=0.0)
def draw_passes(canvas: Canvas, context: ScreenContext) -> None:
    """Draw coloured cards of all sorts, each covering the lower part of the one behind it."""
    theme = context.theme
    canvas.text(22, 58, context.app.name, 28, theme.text, "medium")
    canvas.circle(WIDTH - 36, 58, 18, theme.text)
    canvas.icon(WIDTH - 36, 58, "plus", 24, theme.background)
    hues = context.rng.sample(VIVID, 6)
    names = context.several("passes", 6)
    for i, (hue, entry) in enumerate(zip(hues, names, strict=True)):
        name, icon = entry.split("|")
        y = 92 + 66.0 * i - 20 * context.state.scroll
        canvas.rrect(16, y, WIDTH - 32, 210, 18, mix(hue, BLACK, 0.3))
        canvas.rrect(16, y + 2, WIDTH - 32, 208, 18, hue)
        canvas.icon(46, y + 34, icon, 28, WHITE)
        canvas.text(72, y + 34, name, 18, WHITE, "medium")
        canvas.text(WIDTH - 36, y + 34, str(1000 + context.below(9000)), 14, WHITE, anchor="right")
    for i in range(30):
        canvas.rect(50 + 8.8 * i, 500, 3 + 3 * context.below(2), 40, WHITE)


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@screen_kind("parcel", warmth=0.1)
def draw_parcel(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a delivery on its way: a van on a road, and its stations as a line of dots."""
    theme, accent = context.theme, context.app.accent_rgb
    canvas.rect(0, 0, WIDTH, 214, mix(accent, WHITE, 0.35))
    canvas.rect(0, 164, WIDTH, 50, (84, 88, 96))
    for i in range(8):
        canvas.rect(10 + 48 * i, 187, 26, 4, WHITE)
    x = 40.0 + context.below(180)
    canvas.icon(x + 40, 130, "truck", 110, mix(accent, BLACK, 0.35))
    canvas.text(22, 246, context.choose(("Arrives today", "Arrives tomorrow", "On its way")), 24, theme.text, "medium")
    canvas.text(22, 274, f"No. {10**9 + context.below(9 * 10**9)}", 14, theme.faint)
    done = 1 + context.below(4)
    canvas.rect(42, 312, 5, 208, theme.raised)
    canvas.rect(42, 312, 5, 52 * done, accent)
    for i, text in enumerate(("Ordered", "Packed", "At the depot", "In the van", "At your door")):
        y = 312 + 52 * i
        canvas.circle(44.5, y, 13, accent if i <= done else theme.raised)
        if i < done:
            canvas.icon(44.5, y, "check", 17, WHITE)
        canvas.text(76, y - 8, text, 16, theme.text if i <= done else theme.faint, "medium")
        canvas.text(76, y + 11, context.pick("cities"), 12, theme.faint)
    bottom_nav(canvas, context)
