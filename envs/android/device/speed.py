"""How fast the phone steps, resets and draws."""

import time
from dataclasses import dataclass

import numpy as np

from envs.android.apps import CATALOGUE, AppCatalogue
from envs.android.device.phone import Phone

_SWIPES = (((0.5, 0.75), (0.5, 0.25)), ((0.5, 0.25), (0.5, 0.75)), ((0.8, 0.5), (0.2, 0.5)), ((0.2, 0.5), (0.8, 0.5)))
_STEPS = 20


@dataclass(frozen=True)
class PhoneSpeed:
    """Processor time in microseconds.

    Attributes:
        step: Mean of a random gesture, a tick and a rendering, the resets' share included.
        reset: Mean of a reset to a new seed and the rendering after it.
        new_screen: For each app, the median of a launch and the rendering of a screen not seen before.
    """

    step: float
    reset: float
    new_screen: dict[str, float]


def measure_speed(
    height: int,
    width: int,
    layout: str = "fixed",
    episodes: int = 400,
    seed: int = 0,
    apps: AppCatalogue = CATALOGUE,
) -> PhoneSpeed:
    """Play episodes of twenty random actions (54 taps, 4 swipes, home, back), each with a new content seed.

    Args:
        height: Height of the rendering in pixels.
        width: Width of the rendering in pixels.
        layout: Layout of the launcher.
        episodes: Measured ones; a quarter as many warm the caches up before.
        seed: Seed of the actions; content seeds follow it too.
        apps: What is installed.
    """
    phone = Phone(seed, layout, apps)
    rng = np.random.default_rng(seed)
    _play(phone, rng, range(seed, seed + episodes // 4), height, width)
    first = seed + episodes
    step, reset = _play(phone, rng, range(first, first + episodes), height, width)
    new_screen = {}
    for app in apps.apps:
        times = []
        for content in range(first + episodes, first + episodes + 40):
            phone.reset(content)
            started = time.process_time()
            phone.launch(app.package)
            phone.render(height, width)
            times.append(time.process_time() - started)
        new_screen[app.name] = 1e6 * float(np.median(times[20:]))
    return PhoneSpeed(step, reset, new_screen)


def _play(phone: Phone, rng: np.random.Generator, seeds: range, height: int, width: int) -> tuple[float, float]:
    resets = steps = 0.0
    for seed in seeds:
        actions = rng.integers(60, size=_STEPS).tolist()
        started = time.process_time()
        phone.reset(seed)
        phone.render(height, width)
        reset = time.process_time()
        for action in actions:
            _act(phone, action)
            phone.tick(0.5)
            phone.render(height, width)
        steps += time.process_time() - started
        resets += reset - started
    return 1e6 * steps / (len(seeds) * _STEPS), 1e6 * resets / len(seeds)


def _act(phone: Phone, action: int) -> None:
    if action < 54:
        phone.touch_down((action % 6 + 0.5) / 6, (action // 6 + 0.5) / 9)
        phone.touch_up()
    elif action < 58:
        start, end = _SWIPES[action - 54]
        phone.touch_down(*start)
        phone.touch_move(*end)
        phone.touch_up()
    else:
        phone.key("HOME" if action == 58 else "BACK")
