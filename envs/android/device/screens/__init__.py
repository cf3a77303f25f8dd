"""The screens of the apps: drawing them, and what taps and swipes change in them."""

import random
from datetime import datetime

from envs.android.apps import App
from envs.android.device.canvas import Canvas
from envs.android.device.geometry import NAVIGATION_TOP
from envs.android.device.gestures import Swipe
from envs.android.device.palette import VIVID, make_theme, mix
from envs.android.device.screens import (
    calendar_clock,
    city_map,
    commerce,
    conversation,
    feeds,
    games,
    instruments,
    keypads,
    media,
    office,
    outdoors,
    planning,
    rows,
    studio,
    tiles,
    wellbeing,
)
from envs.android.device.screens.base import KINDS, AppState, ScreenContext, initial_state, kind_of
from envs.android.device.screens.widgets import tab_at

__all__ = ["KINDS", "AppState", "draw_screen", "initial_state", "kind_of", "swipe_in_app", "tap_in_app"]

# Importing a module registers its kinds.
_MODULES = (
    *(calendar_clock, city_map, commerce, conversation, feeds, games, instruments, keypads, media, office, outdoors),
    *(planning, rows, studio, tiles, wellbeing),
)
_LEANINGS = (0.0, 0.0, 0.15, 0.3, 0.5)


def draw_screen(app: App, variant: int, dark: bool, state: AppState, now: datetime, width: int, height: int) -> Canvas:
    """Draw an app's screen, without status bar and gesture handle.

    Args:
        app: Whose screen.
        variant: Which content (see Profile.variants).
        dark: Dark theme.
        state: What taps and swipes have changed.
        now: The phone's time; kinds depend on it as their `shows` says.
        width: Final pixels across.
        height: Final pixels down.
    """
    kind = kind_of(app)
    # A string seed is digested by SHA-512: the same in every process.
    rng = random.Random(f"{app.package} {variant}")
    # As on a phone that tints its apps: the accent leans towards another colour, more or less.
    accent = mix(app.accent_rgb, VIVID[int(rng.random() * len(VIVID))], _LEANINGS[int(rng.random() * len(_LEANINGS))])
    theme = make_theme(accent, dark, kind.warmth)
    context = ScreenContext(app, theme, state, now, rng)
    canvas = Canvas.screen(width, height, theme.background)
    kind.draw(canvas, context)
    return canvas


def tap_in_app(app: App, state: AppState, x: float, y: float) -> AppState:
    """Return what a tap at (x, y), in dp, makes of the app's state."""
    if y >= NAVIGATION_TOP:
        return state
    tab = tab_at(len(app.screen.get("nav", ())), x, y)
    if tab is not None:
        return state._replace(tab=tab)
    on_tap = kind_of(app).on_tap
    return on_tap(state, x, y) if on_tap else state


def swipe_in_app(app: App, state: AppState, swipe: Swipe) -> AppState:
    """Return what a swipe makes of the app's state; it never leaves the app."""
    if swipe is Swipe.UP:
        return state._replace(scroll=min(state.scroll + 1, kind_of(app).scrolls))
    if swipe is Swipe.DOWN:
        return state._replace(scroll=max(state.scroll - 1, 0))
    return state
