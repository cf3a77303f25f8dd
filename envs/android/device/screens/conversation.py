"""Chat and translation."""

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.palette import WHITE, mix
from envs.android.device.screens.base import ScreenContext, screen_kind
from envs.android.device.screens.widgets import avatar


@screen_kind("chat", scrolls=1, warmth=0.1)
def draw_chat(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a conversation: grey bubbles on the left, coloured ones on the right, a text field below."""
    theme = context.theme
    who = context.pick("people")
    y = 92.0 - 120 * context.state.scroll
    canvas.text(
        WIDTH / 2,
        y + 4,
        f"{context.choose(_DAYS)} {8 + context.below(12)}:{10 + context.below(50)}",
        11,
        theme.faint,
        "medium",
        "center",
    )
    y += 22
    mine = context.rng.random() < 0.5
    grey = theme.raised
    for text in context.several("chats", 12):
        if context.rng.random() < 0.7:
            mine = not mine
        wide = canvas.text_width(text, 14.5)
        w, tall = min(wide, 220.0) + 32, 38.0 if wide <= 220 else 58.0
        number, is_picture = context.below(96), context.rng.random() < 0.08
        if is_picture:
            w, tall = 180.0, 110.0
        if y + tall > 66 and y < HEIGHT:
            x = WIDTH - 14 - w if mine else 48.0
            if not is_picture:
                canvas.rrect(x, y, w, tall, 18, theme.accent if mine else grey)
                ink = theme.on_accent if mine else theme.text
                canvas.paragraph(x + 15, y + 19, w - 28, text, 14.5, ink, 2)
            else:
                canvas.picture(x, y, w, tall, number, 18)
            if not mine:
                avatar(canvas, 26, y + tall - 16, 14, who)
        y += tall + (8 if mine else 10)
    canvas.rect(0, 0, WIDTH, 78, theme.background)
    canvas.icon(26, 52, "arrow-left", 24, theme.text)
    avatar(canvas, 66, 52, 17, who)
    canvas.text(94, 52, who, 18, theme.text, "medium", max_width=150)
    canvas.icon(WIDTH - 66, 52, "phone", 22, theme.faint)
    canvas.icon(WIDTH - 28, 52, "dots-vertical", 22, theme.faint)
    canvas.rect(0, 500, WIDTH, HEIGHT - 500, theme.background)
    canvas.icon(28, 526, "plus-box", 26, theme.faint)
    canvas.rrect(52, 506, WIDTH - 112, 42, 21, theme.surface)
    canvas.text(72, 527, "Text message", 15, theme.faint)
    canvas.icon(WIDTH - 84, 527, "emoticon-happy-outline", 22, theme.faint)
    canvas.circle(WIDTH - 30, 527, 20, theme.accent)
    canvas.icon(WIDTH - 30, 527, "send", 22, theme.on_accent)


@screen_kind("translate", warmth=0.3)
def draw_translate(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a sentence in one language above a coloured panel with its translation."""
    theme = context.theme
    source, target, language = context.pick("translations").split("|")
    pair = ["English", language]
    if context.rng.random() < 0.5:
        source, target, pair = target, source, pair[::-1]
    canvas.text(WIDTH / 2, 50, "Translate", 20, theme.text, "medium", "center")
    canvas.icon(28, 50, "star-outline", 24, theme.faint)
    avatar(canvas, WIDTH - 30, 50, 15, context.pick("people"))
    canvas.rrect(14, 78, WIDTH - 28, 186, 24, theme.surface)
    canvas.text(34, 106, pair[0], 14, theme.accent, "medium")
    canvas.paragraph(34, 146, WIDTH - 80, source, 26, theme.text, 3, pitch=1.3)
    canvas.icon(WIDTH - 40, 240, "volume-high", 24, theme.faint)
    panel = mix(context.app.accent_rgb, (0, 0, 0), 0.25 if theme.dark else 0.0)
    canvas.rrect(14, 274, WIDTH - 28, 186, 24, panel)
    canvas.text(34, 302, pair[1], 14, mix(panel, WHITE, 0.75), "medium")
    canvas.paragraph(34, 342, WIDTH - 80, target, 26, WHITE, 3, pitch=1.3)
    canvas.icon(WIDTH - 40, 436, "content-copy", 22, WHITE)
    canvas.icon(WIDTH - 76, 436, "volume-high", 24, WHITE)
    for x, label in ((92.0, pair[0]), (WIDTH - 92.0, pair[1])):
        canvas.rrect(x - 68, 474, 136, 32, 16, theme.raised)
        canvas.text(x, 490, label, 14, theme.text, "medium", "center")
    canvas.icon(WIDTH / 2, 490, "swap-horizontal", 24, theme.faint)
    for x, name, radius in ((92.0, "forum", 19), (WIDTH / 2, "microphone", 25), (WIDTH - 92.0, "camera", 19)):
        canvas.circle(x, 532, radius, theme.accent if name == "microphone" else theme.tint)
        canvas.icon(x, 532, name, radius * 1.1, theme.on_accent if name == "microphone" else theme.text)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Today")
