"""Screens of telephones as the web shows them: other makers, other themes, other layouts, the same kinds of app."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from envs.web import screens_daily as daily
from envs.web import screens_special as special
from envs.web.pen import Pen

#: What each kind of screen is called by the apps that have it, how it is drawn, and what people say it shows.
SCREENS: Mapping[str, tuple[Callable[[Pen], None], tuple[str, ...]]] = {
    "Gmail": (daily.inbox, ("an email inbox", "emails", "a mail app")),
    "Sheets": (daily.table, ("a spreadsheet", "a spreadsheet app", "rows and columns of numbers")),
    "Chrome": (daily.browser, ("a web browser", "a web page", "a website on a phone")),
    "Calculator": (daily.keypad, ("a calculator", "a calculator app", "number keys")),
    "Clock": (daily.dial, ("a clock", "a clock face", "an alarm clock app")),
    "Messages": (daily.chat, ("a chat", "text messages", "message bubbles")),
    "Phone": (daily.dialer, ("a dial pad", "a phone keypad", "a call screen")),
    "Calendar": (daily.month, ("a calendar", "a month calendar", "a calendar app")),
    "Docs": (daily.document, ("a text document", "a document", "a page of text")),
    "Maps": (daily.map, ("a map", "a street map", "a city map")),
    "Photos": (daily.gallery, ("a photo gallery", "a grid of photos")),
    "YouTube": (daily.feed, ("a video feed", "videos with thumbnails")),
    "Settings": (daily.settings, ("phone settings", "a list of settings")),
    "Keep": (daily.cards, ("colourful notes", "sticky notes")),
    "Camera": (daily.viewfinder, ("a camera app", "a camera viewfinder with a shutter button")),
    "Music": (daily.player, ("a music player", "album art")),
    "Weather": (daily.weather, ("a weather forecast", "a weather app")),
    "Chess": (special.chess, ("a chessboard", "a chess game")),
    "Sudoku": (special.sudoku, ("a sudoku", "a number puzzle")),
    "Solitaire": (special.patience, ("a card game", "playing cards on a green table")),
    "Falling Blocks": (special.blocks, ("falling blocks", "a block game")),
    "Compass": (special.compass, ("a compass", "a compass with a red needle")),
    "Piano": (special.piano, ("piano keys", "black and white keys")),
    "Code Editor": (special.code, ("program code", "lines of code")),
    "Terminal": (special.terminal, ("a terminal", "a command line with green text")),
    "Stocks": (special.ticker, ("a stock chart", "a share price as a line")),
    "Fitness": (special.rings, ("activity rings", "a fitness tracker")),
    "Heart Rate": (special.heartbeat, ("a heartbeat line", "a heart rate monitor")),
    "Cinema": (special.seats, ("a seating plan", "cinema seats")),
    "To-Do List": (special.checklist, ("a to-do list", "a checklist")),
    "home screen": (
        special.launcher,
        ("a home screen with app icons", "app icons on a wallpaper", "a phone home screen"),
    ),
    "notifications": (special.notifications, ("notifications", "a notification panel", "quick settings")),
}
_FORMS = (
    "{name}",
    "{name} app",
    "a screenshot of {name}",
    "screenshot of {name}",
    "{name} on a phone",
    "{shows}",
    "{shows} on a smartphone",
    "a phone with {shows}",
    "screenshot of {shows}",
    "{name}: {shows}",
    "the {name} app on Android",
    "screenshot of {name} on Android",
    "{name} review",
    "mobile app with {shows}",
    "a photo of a phone that shows {shows}",
)


def draw_screen(rng: np.random.Generator) -> tuple[np.ndarray, str, str]:
    """Draw a telephone's screen.

    Returns:
        uint8 (H, W, 3), upright, of any proportions; its caption; the name of its kind.
    """
    name = list(SCREENS)[int(rng.integers(len(SCREENS)))]
    draw, shows = SCREENS[name]
    pen = Pen(rng)
    draw(pen)
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    caption = form.format(name=name, shows=shows[int(rng.integers(len(shows)))])
    return pen.picture(), caption.replace("the home screen app", "the home screen"), name
