"""What every app screen shares: its context, its state, and the registry of screen kinds."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from envs.android.apps import App
from envs.android.device.canvas import Canvas
from envs.android.device.palette import Theme
from vlm_rewards.errors import ConfigError


class AppState(NamedTuple):
    """What taps and swipes have changed in an app since it was started.

    Attributes:
        scroll: How many swipes up its content has moved.
        tab: The entry of its bottom bar that is lit.
        text: What was typed.
    """

    scroll: int = 0
    tab: int = 0
    text: str = ""


@lru_cache(maxsize=1)
def _banks() -> dict[str, tuple[str, ...]]:
    # CSafeLoader: the pure Python loader would take longer than all other start-up together.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    path = Path(__file__).parent / "texts.yaml"
    return {name: tuple(map(str, texts)) for name, texts in yaml.load(path.read_text(), loader).items()}


def bank(name: str) -> tuple[str, ...]:
    """Return the texts of a bank in texts.yaml; raise ConfigError if there is no such bank."""
    try:
        return _banks()[name]
    except KeyError:
        raise ConfigError(f"no bank of texts {name!r}; screens/texts.yaml has {', '.join(_banks())}") from None


@dataclass(frozen=True)
class ScreenContext:
    """Everything a screen may be drawn from.

    `rng` is seeded by the app and its content variant: equal contexts draw equal pictures.
    """

    app: App
    theme: Theme
    state: AppState
    now: datetime
    rng: random.Random

    def param(self, name: str, default: Any = None) -> Any:
        """Return a parameter of the app's `screen` entry in apps.yaml."""
        return self.app.screen.get(name, default)

    def pick(self, name: str) -> str:
        """Return one text of a bank."""
        texts = bank(name)
        return texts[int(self.rng.random() * len(texts))]

    def several(self, name: str, count: int) -> list[str]:
        """Return `count` texts of a bank; no text comes twice before all have come once."""
        texts = bank(name)
        chosen: list[str] = []
        while len(chosen) < count:
            chosen += self.rng.sample(texts, min(len(texts), count - len(chosen)))
        return chosen

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to bound - 1."""
        return int(self.rng.random() * bound)

    def choose(self, options: Sequence[Any]) -> Any:
        """Return one of the options."""
        return options[int(self.rng.random() * len(options))]


Draw = Callable[[Canvas, ScreenContext], None]
# (state, x dp, y dp) -> what a tap there makes of the state.
OnTap = Callable[[AppState, float, float], AppState]


@dataclass(frozen=True)
class ScreenKind:
    """One kind of screen.

    Attributes:
        draw: Paints it, status bar and gesture handle excluded.
        scrolls: How many swipes its content moves at most.
        on_tap: What a tap changes, None if nothing but the bottom bar reacts.
        shows: What of the phone's clock the picture depends on: "nothing", "date" or "minute".
        warmth: How far its background takes on the accent, in [0, 1].
        themed: Whether the dark theme is plain to see.
    """

    draw: Draw
    scrolls: int = 0
    on_tap: OnTap | None = None
    shows: str = "nothing"
    warmth: float = 0.3
    themed: bool = True


KINDS: dict[str, ScreenKind] = {}


def initial_state(app: App) -> AppState:
    """Return the state of an app that has just been started; its `tab` parameter says which tab is lit."""
    return AppState(tab=app.screen.get("tab", 0))


def screen_kind(
    name: str,
    *,
    scrolls: int = 0,
    on_tap: OnTap | None = None,
    shows: str = "nothing",
    warmth: float = 0.3,
    themed: bool = True,
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the screen kind `name` of apps.yaml."""

    def register(draw: Draw) -> Draw:
        KINDS[name] = ScreenKind(draw, scrolls, on_tap, shows, warmth, themed)
        return draw

    return register


def kind_of(app: App) -> ScreenKind:
    """Return the kind of the app's screen; raise ConfigError if apps.yaml names an unknown one."""
    try:
        return KINDS[app.screen["kind"]]
    except KeyError:
        raise ConfigError(
            f"app {app.name!r}: screen.kind {app.screen.get('kind')!r} is not one of {', '.join(sorted(KINDS))}"
        ) from None
