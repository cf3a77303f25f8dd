"""The simulated phone: its state, and what touches, keys and time do to it."""

from datetime import datetime, timedelta

import numpy as np

from envs.android.apps import CATALOGUE, AppCatalogue
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.gestures import Drag, GestureTracker, Swipe, Tap
from envs.android.device.layout import LauncherLayout, fixed_layout, shuffled_layout
from envs.android.device.log import LogEvent
from envs.android.device.profile import Profile, draw_profile
from envs.android.device.renderer import Surface, View, shared_renderer
from envs.android.device.screens import AppState, initial_state, swipe_in_app, tap_in_app
from envs.android.device.system_ui import SHADE_BOTTOM
from vlm_rewards.errors import ConfigError

LAYOUTS = ("fixed", "shuffled")
KEYS = ("HOME", "BACK", "RECENTS")
# Drags are drawn in steps of this many dp, so that their pictures can be kept.
_DRAG_STEP = 12.0


class Phone:
    """A phone with a launcher and installed apps, in virtual time.

    Everything follows from the seed, the layout and the gestures: the same history gives bit-identical frames and
    logs in any process.
    """

    def __init__(self, seed: int = 0, layout: str = "fixed", apps: AppCatalogue = CATALOGUE) -> None:
        """Make a phone and reset it.

        Args:
            seed: See `reset`.
            layout: "fixed" puts each icon where `home` of apps.yaml says, "shuffled" where the seed says.
            apps: What is installed.

        Raises:
            ConfigError: If the layout is unknown.
        """
        if layout not in LAYOUTS:
            raise ConfigError(f"unknown launcher layout {layout!r}: choose from {', '.join(LAYOUTS)}")
        self._catalogue = apps
        self._index = {app.package: i for i, app in enumerate(apps.apps)}
        self._renderer = shared_renderer(apps)
        self._fixed = fixed_layout(apps) if layout == "fixed" else None
        self._gestures = GestureTracker()
        self._clock = 0.0
        self._log: list[LogEvent] = []
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Give the phone the content of `seed`, no running apps, the first home page and an empty log.

        Args:
            seed: >= 0; decides theme, wallpaper, date and time, battery, the content of all apps, and the launcher
                layout if it is shuffled. Seeds from EVAL_SEED_START on show app content that lower ones never do.
        """
        self._profile = draw_profile(seed, len(self._catalogue.apps))
        self._layout = self._fixed or shuffled_layout(self._catalogue, seed)
        self._reset_clock = self._clock
        self._surface = Surface.HOME
        self._page = 0
        self._drawer_screen = 0
        self._shade = False
        self._front = -1
        self._running: dict[int, AppState] = {}
        self._gestures.reset()
        self._log.clear()

    @property
    def profile(self) -> Profile:
        """What the seed decided."""
        return self._profile

    @property
    def apps(self) -> AppCatalogue:
        """What is installed."""
        return self._catalogue

    @property
    def layout(self) -> LauncherLayout:
        """Where the icons are."""
        return self._layout

    @property
    def clock_seconds(self) -> float:
        """Virtual seconds since this object was made; never runs backwards, not even at a reset."""
        return self._clock

    @property
    def now(self) -> datetime:
        """The date and time that the phone shows."""
        return self._profile.started + timedelta(seconds=self._clock - self._reset_clock)

    @property
    def foreground(self) -> str | None:
        """Package of the app in front; None on the launcher, in the drawer and under the shade."""
        if self._surface is not Surface.APP or self._shade:
            return None
        return self._catalogue.apps[self._front].package

    @property
    def running(self) -> tuple[str, ...]:
        """Packages of the apps that have been started and not been force-stopped, oldest first."""
        return tuple(self._catalogue.apps[i].package for i in self._running)

    def tick(self, dt_seconds: float) -> None:
        """Let virtual time pass; nothing else does."""
        self._clock += dt_seconds

    def touch_down(self, x: float, y: float) -> None:
        """Touch (x, y) with a finger, both in [0, 1] from the upper left. While one is down already this moves it."""
        self._gestures.move(x, y)

    def touch_move(self, x: float, y: float) -> None:
        """Move the finger on the glass to (x, y)."""
        self._gestures.move(x, y)

    def touch_up(self) -> None:
        """Lift the finger, which completes a tap or a swipe. Do nothing without a finger."""
        gesture = self._gestures.up()
        if isinstance(gesture, Tap):
            self._tap(gesture.x, gesture.y)
        elif isinstance(gesture, Drag) and gesture.swipe is not None:
            self._swipe(gesture.swipe, gesture.from_top)

    def key(self, name: str) -> None:
        """Press a system key.

        Args:
            name: "HOME", "BACK" or "RECENTS".

        Raises:
            ConfigError: For any other name.
        """
        if name not in KEYS:
            raise ConfigError(f"unknown key {name!r}: choose from {', '.join(KEYS)}")
        self._gestures.reset()
        if name == "HOME":
            if self._surface is Surface.HOME and not self._shade:
                self._page = 0
            self._show_home()
        elif name == "BACK":
            if self._shade:
                self._shade = False
            else:
                self._show_home()
        elif len(self._running) and not self._shade:
            self._show_previous_app()

    def launch(self, package: str) -> None:
        """Bring an app to the front, starting it if it is not running.

        Raises:
            ConfigError: If it is not installed.
        """
        self._start(self._index[self._catalogue.get(package).package])

    def force_stop(self, package: str | None = None) -> None:
        """Stop an app, or all apps; if it was in front, the launcher is shown.

        Raises:
            ConfigError: If the package is not installed.
        """
        stopped = list(self._running) if package is None else [self._index[self._catalogue.get(package).package]]
        for app in stopped:
            self._running.pop(app, None)
        if self._surface is Surface.APP and self._front in stopped:
            self._show_home()

    def log_events(self) -> list[LogEvent]:
        """Return the log lines since the last call, oldest first."""
        events, self._log = self._log, []
        return events

    @property
    def view(self) -> View:
        """What the screen shows now, the drag under way included."""
        state = self._running.get(self._front, AppState())
        view = View(
            self._surface,
            self._page,
            self._drawer_screen,
            self._front,
            state,
            drawer=float(self._surface is Surface.DRAWER),
            shade=float(self._shade),
        )
        drag = self._gestures.drag
        return view if drag is None else self._dragged(view, drag)

    def render(self, height: int, width: int) -> np.ndarray:
        """Return the picture on the screen now.

        Args:
            height: Pixels, e.g. 96, 128 or 400.
            width: Pixels, e.g. 60, 80 or 250; where height / width is not 1.6 the screen is centred on black.

        Returns:
            A fresh uint8 array (height, width, 3).
        """
        return self._renderer.render(self.view, self._profile, self._layout, self.now, height, width)

    def _tap(self, x: float, y: float) -> None:
        if self._shade:
            self._shade = y < SHADE_BOTTOM
        elif self._surface is Surface.APP:
            app = self._catalogue.apps[self._front]
            self._running[self._front] = tap_in_app(app, self._running[self._front], x, y)
        else:
            if self._surface is Surface.DRAWER:
                app_index = self._layout.drawer_app_at(self._drawer_screen, x, y)
            else:
                app_index = self._layout.home_app_at(self._page, x, y)
            if app_index is not None:
                self._start(app_index)

    def _swipe(self, swipe: Swipe, from_top: bool) -> None:
        if self._shade:
            self._shade = swipe is not Swipe.UP
        elif swipe is Swipe.DOWN and (from_top or self._surface is Surface.HOME):
            self._shade = True
        elif self._surface is Surface.APP:
            app = self._catalogue.apps[self._front]
            self._running[self._front] = swipe_in_app(app, self._running[self._front], swipe)
        elif self._surface is Surface.DRAWER:
            self._scroll_drawer(swipe)
        elif swipe is Swipe.UP:
            self._surface, self._drawer_screen = Surface.DRAWER, 0
        elif swipe is Swipe.LEFT:
            self._page = min(self._page + 1, len(self._layout.pages) - 1)
        else:
            self._page = max(self._page - 1, 0)

    def _scroll_drawer(self, swipe: Swipe) -> None:
        if swipe is Swipe.UP:
            self._drawer_screen = min(self._drawer_screen + 1, self._layout.drawer_screens - 1)
        elif swipe is Swipe.DOWN and self._drawer_screen > 0:
            self._drawer_screen -= 1
        elif swipe is Swipe.DOWN:
            self._show_home()

    def _dragged(self, view: View, drag: Drag) -> View:
        """Return the view while a finger is dragging, in steps of _DRAG_STEP."""
        travel = round(drag.travel / _DRAG_STEP) * _DRAG_STEP
        if self._shade:
            pulled = 1.0 if drag.horizontal else 1.0 + min(travel, 0.0) / HEIGHT
            return view._replace(shade=max(pulled, 0.0))
        pulls_shade = not drag.horizontal and travel > 0 and (drag.from_top or self._surface is Surface.HOME)
        if pulls_shade:
            return view._replace(shade=min(travel / SHADE_BOTTOM, 1.0))
        if self._surface is Surface.HOME:
            if not drag.horizontal:
                return view._replace(drawer=min(-travel / HEIGHT, 1.0))
            at_end = self._page == (0 if travel > 0 else len(self._layout.pages) - 1)
            return view._replace(page_shift=0.0 if at_end else max(-WIDTH, min(travel, WIDTH)))
        if self._surface is Surface.DRAWER and not drag.horizontal and travel > 0 and self._drawer_screen == 0:
            return view._replace(drawer=max(1.0 - travel / HEIGHT, 0.0))
        return view

    def _start(self, app: int) -> None:
        if app not in self._running:
            self._running[app] = initial_state(self._catalogue.apps[app])
            latency = 180 + (self._profile.variants[app] * 37 + app * 113) % 600
            message = f"Displayed {self._catalogue.apps[app].component}: +{latency}ms"
            self._log.append(LogEvent(self._clock, "I", "ActivityTaskManager", message))
        self._surface, self._front, self._shade = Surface.APP, app, False

    def _show_home(self) -> None:
        self._surface, self._front, self._shade = Surface.HOME, -1, False

    def _show_previous_app(self) -> None:
        """Show the most recently started app that is not in front, as a double press of RECENTS does on a phone."""
        others = [app for app in self._running if app != self._front]
        if others:
            self._start(others[-1])
