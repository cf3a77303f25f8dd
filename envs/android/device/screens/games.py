"""Games: chess, sudoku, patience, falling blocks and a quiz."""

from envs.android.apps import RGB
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import HEIGHT, WIDTH, Box, Grid
from envs.android.device.palette import BLACK, VIVID, WHITE, mix
from envs.android.device.screens.base import AppState, ScreenContext, screen_kind
from envs.android.device.screens.widgets import app_bar, avatar, fill_gradient

# Light squares, dark squares.
_BOARDS: tuple[tuple[RGB, RGB], ...] = (
    ((240, 217, 181), (181, 136, 99)),
    ((238, 238, 210), (118, 150, 86)),
    ((222, 227, 230), (120, 144, 172)),
)


@screen_kind("chess", warmth=0.3)
def draw_chess(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a chessboard in mid-game between the names of two players."""
    theme = context.theme
    light, dark = context.choose(_BOARDS)
    top, side = 100.0, WIDTH / 8
    for y, name in zip((62.0, 494.0), context.several("people", 2), strict=True):
        avatar(canvas, 36, y, 18, name)
        canvas.text(66, y, name, 16, theme.text, "medium")
        canvas.rrect(WIDTH - 92, y - 17, 76, 34, 8, theme.raised)
        canvas.text(WIDTH - 54, y, f"{context.below(10)}:{context.below(60):02d}", 18, theme.text, "medium", "center")
    for row in range(8):
        for column in range(8):
            canvas.rect(column * side, top + row * side, side, side, dark if (row + column) % 2 else light)
    for row in range(8):
        for column in range(8):
            piece = "RNBQKBNR"[column] if row in (0, 7) else "P" if row in (1, 6) else ""
            if not piece or context.rng.random() < 0.22:
                continue
            ahead = context.below(3) if piece == "P" and context.rng.random() < 0.4 else 0
            at = row + ahead if row < 2 else row - ahead
            _piece(canvas, (column + 0.5) * side, top + (at + 0.5) * side, piece, row > 3)
    for i, name in enumerate(("undo", "chevron-left", "chevron-right", "flag")):
        canvas.icon(60 + 80 * i, 536, name, 26, theme.faint)


def _piece(canvas: Canvas, cx: float, cy: float, kind: str, is_white: bool) -> None:
    ink = (252, 252, 250) if is_white else (34, 34, 38)
    canvas.rrect(cx - 14, cy + 11, 28, 7, 2, ink)
    match kind:
        case "N":
            canvas.icon(cx, cy - 1, "chess-knight", 36, ink)
        case "R":
            canvas.rect(cx - 9, cy - 8, 18, 20, ink)
            for dx in (-12, -4, 4):
                canvas.rect(cx + dx, cy - 15, 7, 9, ink)
        case "B":
            canvas.polygon(((cx, cy - 18), (cx + 10, cy + 12), (cx - 10, cy + 12)), ink)
            canvas.circle(cx, cy - 8, 7, ink)
        case "Q":
            points = ((-14, -13), (-6, -2), (0, -17), (6, -2), (14, -13), (9, 12), (-9, 12))
            canvas.polygon([(cx + dx, cy + dy) for dx, dy in points], ink)
        case "K":
            canvas.polygon(((cx - 13, cy - 6), (cx + 13, cy - 6), (cx + 8, cy + 12), (cx - 8, cy + 12)), ink)
            canvas.rect(cx - 2, cy - 19, 4, 14, ink)
            canvas.rect(cx - 6, cy - 15, 12, 4, ink)
        case _:
            canvas.circle(cx, cy - 4, 8, ink)
            canvas.polygon(((cx, cy - 6), (cx + 10, cy + 12), (cx - 10, cy + 12)), ink)


@screen_kind("sudoku", warmth=0.1)
def draw_sudoku(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a grid of nine by nine digits, partly filled, above a row of digits."""
    theme = context.theme
    app_bar(canvas, theme, context.app.name, ("lightbulb-outline", "cog"), leading="arrow-left")
    canvas.text(20, 92, context.choose(("Easy", "Medium", "Hard", "Expert")), 14, theme.faint, "medium")
    canvas.text(WIDTH - 20, 92, f"{context.below(30)}:{context.below(60):02d}", 14, theme.faint, anchor="right")
    left, top, side = 13.0, 108.0, 37.0
    chosen_row, chosen_column = context.below(9), context.below(9)
    canvas.rect(left, top, 9 * side, 9 * side, theme.surface)
    canvas.rect(left, top + chosen_row * side, 9 * side, side, theme.tint)
    canvas.rect(left + chosen_column * side, top, side, 9 * side, theme.tint)
    canvas.rect(left + chosen_column * side, top + chosen_row * side, side, side, theme.accent)
    digits = context.rng.sample("123456789", 9)
    turn = context.below(9)
    for row in range(9):
        for column in range(9):
            shown = context.rng.random()
            if shown > 0.55:
                continue
            digit = digits[(3 * (row % 3) + row // 3 + column + turn) % 9]
            ink = theme.accent if shown < 0.15 else theme.text
            canvas.text(left + (column + 0.5) * side, top + (row + 0.5) * side, digit, 22, ink, "regular", "center")
    for i in range(10):
        width, ink = (4.0, theme.text) if i % 3 == 0 else (1.4, theme.faint)
        canvas.rect(left + i * side - width / 2, top, width, 9 * side, ink)
        canvas.rect(left, top + i * side - width / 2, 9 * side, width, ink)
    for i, name in enumerate(("undo", "delete-outline", "pencil-outline", "lightbulb-outline")):
        canvas.icon(54 + 84 * i, 474, name, 26, theme.faint)
    for i in range(9):
        canvas.text(30 + 37.5 * i, 524, str(i + 1), 32, theme.accent, "regular", "center")


@screen_kind("patience", warmth=0.0, themed=False)
def draw_patience(canvas: Canvas, context: ScreenContext) -> None:
    """Draw playing cards in seven columns on green felt."""
    felt = context.choose(((20, 110, 62), (16, 96, 70), (30, 122, 50)))
    canvas.rect(0, 0, WIDTH, HEIGHT, felt)
    canvas.text(16, 46, f"Score {context.below(90) * 5}", 16, WHITE, "medium")
    canvas.text(WIDTH / 2, 46, f"{context.below(12)}:{context.below(60):02d}", 16, WHITE, "medium", "center")
    canvas.text(WIDTH - 16, 46, f"Moves {context.below(120)}", 16, WHITE, "medium", "right")
    pitch, wide, tall = 50.0, 46.0, 66.0
    back = context.choose(((40, 80, 170), (170, 40, 50), (90, 50, 140)))
    for i in range(7):
        x = 7 + pitch * i
        if i == 2:
            continue
        canvas.rrect(x, 70, wide, tall, 6, mix(felt, BLACK, 0.25))
        if i == 0:
            _card_back(canvas, x, 70, wide, tall, back)
        elif i == 1 or context.rng.random() < 0.5:
            _card(canvas, context, x, 70, wide, tall)
    for i in range(7):
        x, y = 7 + pitch * i, 156.0
        for _ in range(max(0, i - context.below(4))):
            _card_back(canvas, x, y, wide, tall, back)
            y += 12
        for _ in range(1 + context.below(6)):
            _card(canvas, context, x, y, wide, tall)
            y += 26
    canvas.rect(0, 512, WIDTH, 64, mix(felt, BLACK, 0.4))
    for i, (icon, label) in enumerate((("cog", "Options"), ("lightbulb-outline", "Hint"), ("undo", "Undo"))):
        canvas.icon(70 + 110 * i, 526, icon, 22, WHITE)
        canvas.text(70 + 110 * i, 546, label, 11, WHITE, "regular", "center")


def _card_back(canvas: Canvas, x: float, y: float, wide: float, tall: float, color: RGB) -> None:
    canvas.rrect(x, y, wide, tall, 6, WHITE)
    canvas.rrect(x + 3, y + 3, wide - 6, tall - 6, 4, color)


def _card(canvas: Canvas, context: ScreenContext, x: float, y: float, wide: float, tall: float) -> None:
    rank, suit = context.choose(("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")), context.below(4)
    ink: RGB = (205, 30, 40) if suit < 2 else (26, 26, 30)
    canvas.rrect(x, y, wide, tall, 6, (90, 100, 90))
    canvas.rrect(x + 1, y + 1, wide - 2, tall - 2, 6, WHITE)
    canvas.text(x + 5, y + 14, rank, 18, ink, "medium")
    cx = x + wide / 2
    for size, sx, sy in ((6.0, x + wide - 11, y + 13), (13.0, cx, y + tall * 0.62)):
        if suit == 0:
            canvas.icon(sx, sy, "heart", size * 2.2, ink)
        elif suit == 1:
            canvas.polygon(((sx, sy - size), (sx + size * 0.8, sy), (sx, sy + size), (sx - size * 0.8, sy)), ink)
        else:
            for dx, dy in ((-0.45, 0.15), (0.45, 0.15), (0.0, -0.45)):
                canvas.circle(sx + dx * size, sy + dy * size, size * 0.5, ink)
            canvas.rect(sx - size * 0.12, sy, size * 0.24, size, ink)


_SHAPES = (
    *(((0, 0), (1, 0), (2, 0), (3, 0)), ((0, 0), (1, 0), (0, 1), (1, 1)), ((0, 0), (1, 0), (2, 0), (1, 1))),
    *(((0, 0), (0, 1), (1, 1), (2, 1)), ((2, 0), (0, 1), (1, 1), (2, 1)), ((1, 0), (2, 0), (0, 1), (1, 1))),
)


@screen_kind("blocks", warmth=0.0, themed=False)
def draw_blocks(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a well in which coloured blocks pile up, the next piece and the score beside it."""
    canvas.rect(0, 0, WIDTH, HEIGHT, (22, 20, 54))
    left, top, side, columns, rows = 14.0, 36.0, 24.0, 10, 18
    canvas.rect(left - 4, top - 4, columns * side + 8, rows * side + 8, (120, 110, 210))
    canvas.rect(left, top, columns * side, rows * side, (8, 8, 24))
    for column in range(columns):
        for row in range(rows - 2 - context.below(6), rows):
            if context.rng.random() < 0.85:
                _block(canvas, left + column * side, top + row * side, side, context.choose(VIVID))
    shape, tone = context.choose(_SHAPES), context.choose(VIVID)
    dx, dy = context.below(6), 1 + context.below(7)
    for x, y in shape:
        _block(canvas, left + (x + dx) * side, top + (y + dy) * side, side, tone)
    x = left + columns * side + 16
    for y, label, value in (
        *((60.0, "SCORE", f"{context.below(400) * 25}"), (130.0, "LEVEL", f"{1 + context.below(15)}")),
        (200.0, "LINES", f"{context.below(140)}"),
    ):
        canvas.text(x, y, label, 12, (170, 165, 230), "medium")
        canvas.text(x, y + 24, value, 22, WHITE, "medium")
    canvas.text(x, 266, "NEXT", 12, (170, 165, 230), "medium")
    canvas.rrect(x - 4, 280, 84, 64, 8, (8, 8, 24))
    tone = context.choose(VIVID)
    for bx, by in context.choose(_SHAPES):
        _block(canvas, x + 4 + 18 * bx, 294 + 18 * by, 18, tone)
    for i, name in enumerate(("chevron-left", "rotate-right", "chevron-down", "chevron-right")):
        canvas.circle(50 + 87 * i, 520, 30, (70, 62, 150))
        canvas.icon(50 + 87 * i, 520, name, 34, WHITE)


def _block(canvas: Canvas, x: float, y: float, side: float, color: RGB) -> None:
    canvas.rect(x + 1, y + 1, side - 2, side - 2, mix(color, BLACK, 0.35))
    canvas.rect(x + 2, y + 2, side - 6, side - 6, color)


_ANSWERS = Grid(Box(12, 316, 336, 232), 2, 2)
_ANSWER_COLORS: tuple[RGB, ...] = ((226, 27, 60), (19, 104, 206), (216, 158, 0), (38, 137, 12))


def _answer(state: AppState, x: float, y: float) -> AppState:
    slot = _ANSWERS.slot_at(x, y, 4.0)
    return state if slot is None else state._replace(text=str(slot))


@screen_kind("quiz", on_tap=_answer, warmth=0.0, themed=False)
def draw_quiz(canvas: Canvas, context: ScreenContext) -> None:
    """Draw a question with four answers on large coloured buttons; one can be chosen."""
    question, *answers = context.pick("questions").split("|")
    fill_gradient(canvas, (90, 40, 160), (60, 20, 110))
    canvas.text(20, 48, f"{1 + context.below(10)} of 10", 16, WHITE, "medium")
    canvas.rrect(WIDTH - 92, 34, 76, 28, 14, WHITE)
    canvas.text(WIDTH - 54, 48, f"{context.below(40) * 250}", 15, (60, 20, 110), "medium", "center")
    canvas.rrect(16, 74, WIDTH - 32, 128, 14, WHITE)
    lines = canvas.text_width(question, 24, "medium") / (WIDTH - 80) + 1
    canvas.paragraph(36, 138 - 15 * (int(lines) - 1), WIDTH - 72, question, 24, (40, 40, 46), 3, "medium")
    canvas.circle(WIDTH / 2, 256, 42, (120, 70, 200))
    canvas.text(WIDTH / 2, 256, str(1 + context.below(29)), 34, WHITE, "medium", "center")
    context.rng.shuffle(answers)
    for slot, answer in enumerate(answers):
        cell, color = _ANSWERS.cell(slot), _ANSWER_COLORS[slot]
        is_faded = context.state.text not in ("", str(slot))
        color = mix(color, (60, 20, 110), 0.65 if is_faded else 0.0)
        canvas.rrect(cell.x + 4, cell.y + 4, cell.w - 8, cell.h - 8, 12, color)
        canvas.text(cell.x + cell.w / 2, cell.y + cell.h / 2, answer, 20, WHITE, "medium", "center", cell.w - 24)
