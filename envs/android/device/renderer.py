"""From the phone's state to its picture, through bounded caches that all phones of a process share."""

from collections.abc import Callable, Hashable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from PIL import Image

from envs.android.apps import AppCatalogue
from envs.android.device.cache import ByteCache
from envs.android.device.geometry import ASPECT
from envs.android.device.launcher_view import draw_drawer, home_backdrop, paste_home_icons
from envs.android.device.layout import LauncherLayout
from envs.android.device.profile import Profile
from envs.android.device.screens import AppState, draw_screen, kind_of
from envs.android.device.system_ui import draw_shade, put_system_bars

# Composed screens without status bar; at 96 x 60 one takes 17 kB, at 400 x 250 300 kB.
SCREEN_CACHE_BYTES = 64 << 20
# Finished frames; most steps of an episode leave the screen as it was.
FRAME_CACHE_BYTES = 16 << 20


# Stands for the time where a screen does not show it.
_EPOCH = datetime(2025, 1, 1)


class Surface(StrEnum):
    """What fills the screen, below the notification shade."""

    HOME = "home"
    DRAWER = "drawer"
    APP = "app"


class View(NamedTuple):
    """All that a picture depends on, apart from profile, layout and clock.

    Attributes:
        surface: What fills the screen.
        page: The launcher's page.
        drawer_screen: The drawer's screenful.
        app: Index of the app in front, -1 if none is.
        app_state: Its state.
        page_shift: Dp by which the home pages are dragged to the right.
        drawer: How far the drawer covers the home page, in [0, 1].
        shade: How far the notification shade is pulled down, in [0, 1].
    """

    surface: Surface = Surface.HOME
    page: int = 0
    drawer_screen: int = 0
    app: int = -1
    app_state: AppState = AppState()
    page_shift: float = 0.0
    drawer: float = 0.0
    shade: float = 0.0


class Renderer:
    """Draws the phones of one catalogue of apps. Holds no state of any phone, only caches."""

    def __init__(self, catalogue: AppCatalogue) -> None:
        """Make a renderer; raise ConfigError if an app's kind of screen is unknown."""
        self._apps = catalogue.apps
        for app in self._apps:
            kind_of(app)  # An unknown kind of screen is refused now, not when the app is first seen.
        self._screens = ByteCache(SCREEN_CACHE_BYTES)
        self._frames = ByteCache(FRAME_CACHE_BYTES)

    def render(
        self, view: View, profile: Profile, layout: LauncherLayout, now: datetime, height: int, width: int
    ) -> np.ndarray:
        """Draw the screen at the wanted size.

        Args:
            view: What to show.
            profile: The seed's choices.
            layout: Layout of the launcher.
            now: The phone's time.
            height: Pixels down.
            width: Pixels across. Where height / width is not 1.6 the screen is centred on black.

        Returns:
            A fresh uint8 array (height, width, 3).
        """
        shown = now.replace(second=0, microsecond=0)
        key = (view, profile.seed, layout.key, shown, height, width)
        return self._frames.get(
            key, lambda: self._draw(view, profile, layout, shown, height, width), lambda frame: frame.nbytes
        ).copy()

    def _draw(
        self, view: View, profile: Profile, layout: LauncherLayout, now: datetime, height: int, width: int
    ) -> np.ndarray:
        w = min(width, round(height / ASPECT))
        h = min(height, round(w * ASPECT))
        image = self._surface(view, profile, layout, now, w, h).copy()
        if view.shade > 0:
            self._pull_shade(image, view.shade, profile, now)
        else:
            put_system_bars(image, now, profile.battery)
        if (h, w) == (height, width):
            return np.asarray(image)
        frame = np.zeros((height, width, 3), np.uint8)
        top, left = (height - h) // 2, (width - w) // 2
        frame[top : top + h, left : left + w] = np.asarray(image)
        return frame

    def _surface(
        self, view: View, profile: Profile, layout: LauncherLayout, now: datetime, w: int, h: int
    ) -> Image.Image:
        """Return what lies below status bar and shade; cached, not to be drawn on."""
        if view.surface is Surface.APP:
            return self._app(view, profile, now, w, h)
        if view.drawer >= 1:
            return self._drawer(view, profile, layout, w, h)
        home = self._home(view, profile, layout, w, h)
        if view.drawer <= 0:
            return home
        slid = home.copy()
        slid.paste(self._drawer(view, profile, layout, w, h), (0, round(h * (1 - view.drawer))))
        return slid

    def _app(self, view: View, profile: Profile, now: datetime, w: int, h: int) -> Image.Image:
        app, variant = self._apps[view.app], profile.variants[view.app]
        shows = kind_of(app).shows
        shown = _EPOCH if shows == "nothing" else now
        if shows == "date":
            shown = shown.replace(hour=0, minute=0)
        state = view.app_state
        return self._cached(
            ("app", view.app, variant, profile.dark, state, shown, w, h),
            lambda: draw_screen(app, variant, profile.dark, state, shown, w, h).finish(),
        )

    def _home(self, view: View, profile: Profile, layout: LauncherLayout, w: int, h: int) -> Image.Image:
        def draw() -> Image.Image:
            pages, page = len(layout.pages), view.page
            image = self._cached(
                ("backdrop", profile.wallpaper, profile.dark, pages, page, w, h),
                lambda: home_backdrop(profile.wallpaper, pages, page, profile.dark, w, h),
            ).copy()
            paste_home_icons(image, self._apps, layout, view.page, view.page_shift)
            return image

        key = ("home", layout.key, profile.wallpaper, profile.dark, view.page, view.page_shift, w, h)
        return self._cached(key, draw)

    def _drawer(self, view: View, profile: Profile, layout: LauncherLayout, w: int, h: int) -> Image.Image:
        return self._cached(
            ("drawer", layout.key, profile.dark, view.drawer_screen, w, h),
            lambda: draw_drawer(self._apps, layout, view.drawer_screen, profile.dark, w, h),
        )

    def _pull_shade(self, image: Image.Image, pulled: float, profile: Profile, now: datetime) -> None:
        w, h = image.size
        # The shade's own variants: a dozen is plenty.
        variant = profile.variants[0] % 16
        shade = self._cached(
            ("shade", variant, profile.dark, profile.battery, now, w, h),
            lambda: draw_shade(w, h, variant, profile.dark, now, profile.battery),
        )
        image.paste((0, 0, 0), (0, 0, w, h), Image.new("L", (w, h), round(150 * pulled)))
        image.paste(shade, (0, round(shade.size[1] * (pulled - 1))))

    def _cached(self, key: Hashable, make: Callable[[], Image.Image]) -> Image.Image:
        return self._screens.get(key, make, lambda image: 3 * image.size[0] * image.size[1])


_renderers: dict[int, tuple[AppCatalogue, Renderer]] = {}


def shared_renderer(catalogue: AppCatalogue) -> Renderer:
    """Return the process's renderer of a catalogue, so that all phones share sprites and screens."""
    # Kept beside the renderer, the catalogue lives on and its id stays its own.
    return _renderers.setdefault(id(catalogue), (catalogue, Renderer(catalogue)))[1]
