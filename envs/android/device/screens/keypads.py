"""Calculator and telephone dial pad."""

from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH, Box, Grid
from envs.android.device.palette import WHITE, mix
from envs.android.device.screens.base import AppState, ScreenContext, screen_kind

_CALCULATOR = Grid(Box(12, 190, 336, 360), 5, 4)
_KEYS = ("AC", "( )", "%", "÷", "7", "8", "9", "×", "4", "5", "6", "−", "1", "2", "3", "+", "0", ".", "DEL", "=")  # noqa: RUF001
_DIAL = Grid(Box(30, 176, 300, 288), 4, 3)
_DIGITS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")
_LETTERS = ("", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ", "", "+", "")
# What is typed stays short, so that few distinct screens can arise.
_TYPED = 4


def _press_calculator(state: AppState, x: float, y: float) -> AppState:
    slot = _CALCULATOR.slot_at(x, y, 4.0)
    if slot is None:
        return state
    key = _KEYS[slot]
    if key == "AC":
        return state._replace(text="")
    if key == "DEL":
        return state._replace(text=state.text[:-1])
    return state._replace(text=state.text + key) if key.isdigit() and len(state.text) < _TYPED else state


def _press_dial(state: AppState, x: float, y: float) -> AppState:
    slot = _DIAL.slot_at(x, y, 4.0)
    if slot is None or len(state.text) >= _TYPED:
        return state
    return state._replace(text=state.text + _DIGITS[slot])


@screen_kind("keypad", on_tap=_press_calculator, warmth=0.5)
def draw_calculator(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a calculator: a sum, its result, and twenty keys. Digits can be typed."""
    theme = context.theme
    canvas.rrect(0, -30, WIDTH, 214, 26, theme.surface)
    canvas.text(20, 44, context.choose(("DEG", "RAD")), 12, theme.faint, "medium")
    canvas.icon(WIDTH - 26, 44, "dots-vertical", 22, theme.faint)
    a, b = 2 + context.below(998), 2 + context.below(98)
    sign = context.choose("+−×÷")  # noqa: RUF001
    if context.state.text:
        shown, result = context.state.text, ""
    else:
        value = {"+": a + b, "−": a - b, "×": a * b, "÷": a / b}[sign]  # noqa: RUF001
        shown, result = f"{a}{sign}{b}", f"{value:,.4g}" if sign == "÷" else f"{value:,}"
    canvas.text(WIDTH - 24, 94, shown, 44, theme.text, "light", "right")
    canvas.text(WIDTH - 24, 148, result, 28, theme.faint, "light", "right")
    plain, operator = theme.surface, theme.tint
    round_keys = context.rng.random() < 0.7
    for slot, key in enumerate(_KEYS):
        cell = _CALCULATOR.cell(slot)
        cx, cy = cell.x + cell.w / 2, cell.y + cell.h / 2
        color, ink = plain, theme.text
        if key == "=":
            color, ink = theme.accent, theme.on_accent
        elif key == "AC":
            color, ink = mix(theme.tint, theme.accent, 0.4), theme.text
        elif not (key.isdigit() or key in (".", "DEL")):
            color = operator
        canvas.rrect(cx - 38, cy - 32, 76, 64, 32 if round_keys else 14, color)
        if key == "DEL":
            canvas.icon(cx, cy, "backspace-outline", 26, ink)
        else:
            canvas.text(cx, cy, key, 27 if len(key) == 1 else 20, ink, "regular", "center")


@screen_kind("dialer", on_tap=_press_dial, warmth=0.1)
def draw_dialer(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a telephone: a number, the dial pad, and a green call button. Digits can be typed."""
    theme = context.theme
    number = f"0{20 + context.below(80)} {1000 + context.below(9000)} {100 + context.below(900)}"
    named = context.rng.random() < 0.4
    who = context.pick("people")
    canvas.icon(WIDTH - 26, 46, "dots-vertical", 22, theme.faint)
    canvas.text(WIDTH / 2, 88, context.state.text or number, 36, theme.text, "regular", "center")
    if context.state.text or not named:
        canvas.icon(126, 132, "account-plus", 20, theme.accent)
        canvas.text(144, 132, "Add to contacts", 14, theme.accent, "medium")
    else:
        canvas.text(WIDTH / 2, 132, who, 16, theme.faint, "regular", "center")
    canvas.rect(0, 160, WIDTH, HEIGHT - 160, theme.surface)
    for slot, digit in enumerate(_DIGITS):
        cell = _DIAL.cell(slot)
        cx, cy = cell.x + cell.w / 2, cell.y + cell.h / 2
        canvas.text(cx, cy - 8, digit, 34, theme.text, "regular", "center")
        canvas.text(cx, cy + 20, _LETTERS[slot], 11, theme.faint, "medium", "center")
    green = (30, 142, 62)
    canvas.circle(WIDTH / 2, 506, 38, green)
    canvas.icon(WIDTH / 2, 506, "phone", 38, WHITE)
    canvas.icon(70, 506, "video-outline", 28, theme.faint)
    canvas.icon(WIDTH - 70, 506, "backspace-outline", 28, theme.faint)
