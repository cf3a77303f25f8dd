"""Captioned pictures of the phone, for training contrastive models.

Captions say what is on the screen, as image captions do. They never use the wording of tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from envs.android.apps import APP_SETS, APPS, DIVERSE_APPS, DIVERSE_CATALOGUE, App
from envs.android.device.phone import Phone
from envs.android.device.profile import EVAL_SEED_START
from envs.android.device.screens import kind_of
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

T = TypeVar("T")

HOME_SCREEN, APP_DRAWER, NOTIFICATION_SHADE = "home_screen", "app_drawer", "notification_shade"
_STATE_LABELS = (HOME_SCREEN, APP_DRAWER, NOTIFICATION_SHADE)
# The apps whose screens a choice of `apps` shows, each as often as any other.
_SHOWN: dict[str, tuple[App, ...]] = {"common": APPS, "diverse": DIVERSE_APPS, "all": DIVERSE_CATALOGUE.apps}
# Every value that `CaptionedScreen.label` can take, by choice of `apps`.
LABELS_OF: dict[str, tuple[str, ...]] = {
    name: (*(app.name for app in apps), *_STATE_LABELS) for name, apps in _SHOWN.items()
}
# Those of the common apps.
LABELS: tuple[str, ...] = LABELS_OF["common"]

# Shares of the scenes other than apps.
_HOME_SHARE, _DRAWER_SHARE, _SHADE_SHARE = 0.17, 0.06, 0.06

_APP_FORMS = (
    "{name}",
    "the {name} app",
    "a screenshot of {name}",
    "screenshot of {name}",
    "screenshot of {name} on Android",
    "a screenshot of {name} on Android",
    "a screenshot of the {name} app",
    "{name} on a smartphone",
    "the {name} app showing {depicts}",
    "{name}: {depicts}",
)
_THEMED_APP_FORMS = (*_APP_FORMS, "{name} in {theme}", "a screenshot of {name} with {depicts} in {theme}")
_DEPICTING_FORMS = (
    "{depicts}",
    "{depicts} on a smartphone",
    "{depicts} on a mobile screen",
    "a screenshot of {depicts}",
)
_THEMED_DEPICTING_FORMS = (*_DEPICTING_FORMS, "{depicts} in {theme}")
_STATE_FORMS = (
    "{state}",
    "screenshot of {state}",
    "a screenshot of {state}",
    "screenshot of {state} on Android",
    "a screenshot of {state} on Android",
    "{state} on a smartphone",
)
# The theme hardly shows on the home screen.
_THEMED_STATE_FORMS = (*_STATE_FORMS, "{state} in {theme}")
_STATES = {
    HOME_SCREEN: (
        "the home screen",
        "the home screen with app icons",
        "a launcher page with icons and a search bar",
        "app icons on a wallpaper",
        "a grid of app icons above a dock",
    ),
    APP_DRAWER: (
        "the app drawer",
        "the app drawer listing all apps",
        "a drawer full of app icons",
        "a grid of all installed apps",
    ),
    NOTIFICATION_SHADE: (
        "the notification shade",
        "the notification shade with quick settings",
        "a panel of notifications",
        "notifications and quick setting tiles",
    ),
}


@dataclass(frozen=True)
class CaptionedScreen:
    """A picture of the phone and what it shows.

    Attributes:
        frame: uint8 (height, width, 3).
        captions: Distinct; each true of the frame, the first ones naming the app or the state.
        label: Stable class name, one of LABELS_OF of the apps asked for.
        contrasts: Pairs of a true caption and a false one of the same form.
    """

    frame: np.ndarray
    captions: tuple[str, ...]
    label: str
    contrasts: tuple[tuple[str, str], ...] = ()


def random_captioned_screen(
    rng: np.random.Generator,
    height: int,
    width: int,
    content: str = "train",
    apps: str = "common",
    scenes: str = "all",
    names: Sequence[str] | None = None,
) -> CaptionedScreen:
    """Draw a random state of the phone and caption it.

    Args:
        rng: Decides everything: equal generators give equal screens.
        height: Height of the frame in pixels.
        width: Width of the frame in pixels.
        content: "train" or "eval": app content of which seeds (they share none, see profile.draw_profile).
        apps: "common": the common phone and its apps; "diverse": the diverse phone and the fifty apps that it alone
            has; "all": both phones, so that each of all their apps is seen as often as any other.
        scenes: "all", or "apps": screens of apps alone, without home screen, drawer and shade.
        names: Names of the apps to show, some of those that `apps` chooses; None shows all of them.

    Raises:
        ConfigError: If `content`, `apps` or `scenes` is none of these, or `names` holds the name of no such app.
    """
    if content not in ("train", "eval"):
        raise ConfigError(f"unknown content {content!r}: choose train or eval")
    if apps not in _SHOWN:
        raise ConfigError(f"unknown apps {apps!r}: choose from {', '.join(_SHOWN)}")
    if scenes not in ("all", "apps"):
        raise ConfigError(f"unknown scenes {scenes!r}: choose all or apps")
    if names is not None and apps == "all":
        raise ConfigError("names need apps: common or diverse, the phone that has them")
    seed = int(rng.integers(EVAL_SEED_START)) + (EVAL_SEED_START if content == "eval" else 0)
    layout = "shuffled" if rng.random() < 0.5 else "fixed"
    if apps == "all":
        apps = "diverse" if rng.random() < len(DIVERSE_APPS) / len(_SHOWN["all"]) else "common"
    phone, shown = _phone(layout, apps), _chosen(apps, None if names is None else tuple(names))
    phone.reset(seed)
    share = rng.random() if scenes == "all" else 1.0
    if share < _HOME_SHARE:
        label = _show_home(phone, rng)
    elif share < _HOME_SHARE + _DRAWER_SHARE:
        label = _show_drawer(phone, rng)
    elif share < _HOME_SHARE + _DRAWER_SHARE + _SHADE_SHARE:
        label = _show_shade(phone, shown, rng)
    else:
        label = _show_app(phone, shown, rng)
    frame = phone.render(height, width)
    captions = _captions(label, phone.profile.dark, rng)
    return CaptionedScreen(frame, captions, label, _contrasts(label, shown, rng.spawn(1)[0]))


def app_words(apps: str = "common", names: Sequence[str] | None = None) -> tuple[dict[str, str], ...]:
    """Return the words for every app whose screens can be drawn, for captions to choose among.

    Args:
        apps: As in `random_captioned_screen`.
        names: Likewise.

    Returns:
        For each app `{"app": "Gmail"}`.
    """
    return tuple({"app": app.name} for app in _chosen(apps, None if names is None else tuple(names)))


@lru_cache(maxsize=8)
def _chosen(apps: str, names: tuple[str, ...] | None) -> tuple[App, ...]:
    if apps not in _SHOWN:
        raise ConfigError(f"unknown apps {apps!r}: choose from {', '.join(_SHOWN)}")
    offered = {app.name: app for app in _SHOWN[apps]}
    for name in names or ():
        if name not in offered:
            raise ConfigError(f"no app of apps={apps} is called {name!r}; {near_matches(name, offered)}")
    return tuple(offered[name] for name in names or offered)


@lru_cache(maxsize=4)
def _phone(layout: str, apps: str) -> Phone:
    # One phone for each is enough: each screen starts with a reset.
    return Phone(layout=layout, apps=APP_SETS[apps])


def _captions(label: str, dark: bool, rng: np.random.Generator) -> tuple[str, ...]:
    app = _by_name().get(label)
    theme = "a dark theme" if dark else "a light theme"
    if app is None:
        forms = _sample(_STATE_FORMS if label == HOME_SCREEN else _THEMED_STATE_FORMS, 4, rng)
        captions = [form.format(state=_one(_STATES[label], rng), theme=theme) for form in forms]
    else:
        themed = kind_of(app).themed
        forms = (
            *_sample(_THEMED_APP_FORMS if themed else _APP_FORMS, 3, rng),
            *_sample(_THEMED_DEPICTING_FORMS if themed else _DEPICTING_FORMS, 2, rng),
        )
        captions = [form.format(name=app.name, depicts=_one(app.depicts, rng), theme=theme) for form in forms]
    return tuple(dict.fromkeys(captions))


def _contrasts(
    label: str, shown: tuple[App, ...], rng: np.random.Generator, count: int = 4
) -> tuple[tuple[str, str], ...]:
    """Return pairs of a true caption and a false one: another app's or another state's name in the same form."""
    pairs: dict[tuple[str, str], None] = {}
    for _ in range(count):
        other = _one(tuple(app for app in shown if app.name != label), rng) if len(shown) > 1 else None
        app = _by_name().get(label)
        if app is not None and other is not None and rng.random() < 0.85:
            form = _one(_APP_FORMS[:8], rng)
            pairs[form.format(name=app.name), form.format(name=other.name)] = None
            continue
        form = _one(_STATE_FORMS, rng)
        states = tuple(state for state in _STATES if state != label)
        false = form.format(state=_one(_STATES[_one(states, rng)], rng))
        true = form.format(state=_one(_STATES[label], rng)) if app is None else _one(_APP_FORMS[:8], rng)
        pairs[true.format(name=label), false] = None
    return tuple(pairs)


@lru_cache(maxsize=1)
def _by_name() -> dict[str, App]:
    return {app.name: app for app in _SHOWN["all"]}


def _one(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _sample(options: tuple[str, ...], count: int, rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(options[i] for i in rng.permutation(len(options))[:count])


def _drag(phone: Phone, start: tuple[float, float], end: tuple[float, float], lift: bool = True) -> None:
    phone.touch_down(*start)
    phone.touch_move(*end)
    if lift:
        phone.touch_up()


def _up(phone: Phone) -> None:
    _drag(phone, (0.5, 0.8), (0.5, 0.3))


def _down(phone: Phone) -> None:
    _drag(phone, (0.5, 0.3), (0.5, 0.8))


def _show_home(phone: Phone, rng: np.random.Generator) -> str:
    for _ in range(int(rng.integers(len(phone.layout.pages)))):
        _drag(phone, (0.9, 0.5), (0.1, 0.5))
    if rng.random() < 0.25:
        # A page under way, or a drawer or a shade that has only begun to cover it.
        reach = rng.uniform(0.1, 0.3)
        ends: tuple[tuple[float, float], ...] = ((0.5 - 2 * reach, 0.5), (0.5 + 2 * reach, 0.5), (0.5, 0.5 - reach))
        _drag(phone, (0.5, 0.5), ends[int(rng.integers(len(ends)))], lift=False)
    return HOME_SCREEN


def _show_drawer(phone: Phone, rng: np.random.Generator) -> str:
    if rng.random() < 0.25:
        _drag(phone, (0.5, 0.98), (0.5, rng.uniform(0.02, 0.25)), lift=False)
        return APP_DRAWER
    _up(phone)
    for _ in range(int(rng.integers(phone.layout.drawer_screens))):
        _up(phone)
    return APP_DRAWER


def _show_shade(phone: Phone, apps: tuple[App, ...], rng: np.random.Generator) -> str:
    if rng.random() < 0.4:
        phone.launch(apps[int(rng.integers(len(apps)))].package)
    lift = rng.random() < 0.75
    _drag(phone, (0.5, 0.0), (0.5, 1.0 if lift else rng.uniform(0.55, 0.8)), lift)
    return NOTIFICATION_SHADE


def _show_app(phone: Phone, apps: tuple[App, ...], rng: np.random.Generator) -> str:
    app = apps[int(rng.integers(len(apps)))]
    phone.launch(app.package)
    for _ in range(int(rng.integers(4)) if rng.random() < 0.6 else 0):
        _use(phone, rng)
    return app.name


def _use(phone: Phone, rng: np.random.Generator) -> None:
    """Tap somewhere or swipe, which may change the state of the app but never leaves it."""
    if rng.random() < 0.5:
        phone.touch_down(rng.uniform(0.02, 0.98), rng.uniform(0.1, 0.98))
        phone.touch_up()
        return
    gestures: tuple[Callable[[Phone], None], ...] = (_up, _up, _down)
    gestures[int(rng.integers(3))](phone)
