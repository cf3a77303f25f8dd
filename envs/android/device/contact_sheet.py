"""Pictures of many screens side by side, for the eye."""

import numpy as np
from PIL import Image

from envs.android.apps import CATALOGUE, AppCatalogue
from envs.android.device.phone import Phone


def contact_sheet(
    seeds: range, height: int, width: int, columns: int = 8, apps: AppCatalogue = CATALOGUE
) -> Image.Image:
    """Return all apps, then home pages, a page under way, drawer and shade, each with the next of `seeds` in turn.

    Args:
        seeds: Content seeds, used round and round.
        height: Pixels of one screen.
        width: Pixels of one screen.
        columns: Screens in a row.
        apps: What is installed.
    """
    frames = []
    for i, app in enumerate(apps.apps):
        phone = Phone(seeds[i % len(seeds)], apps=apps)
        phone.launch(app.package)
        frames.append(phone.render(height, width))
    for i, scene in enumerate((_home, _second_page, _page_turning, _drawer, _shade, _shuffled)):
        frames.append(scene(seeds[i % len(seeds)], apps).render(height, width))
    frames += [np.zeros_like(frames[0])] * (-len(frames) % columns)
    gap = max(2, width // 40)
    padded = [np.pad(frame, ((0, gap), (0, gap), (0, 0)), constant_values=128) for frame in frames]
    rows = [np.concatenate(padded[i : i + columns], axis=1) for i in range(0, len(padded), columns)]
    return Image.fromarray(np.concatenate(rows))


def _home(seed: int, apps: AppCatalogue) -> Phone:
    return Phone(seed, apps=apps)


def _shuffled(seed: int, apps: AppCatalogue) -> Phone:
    return Phone(seed, layout="shuffled", apps=apps)


def _drag(phone: Phone, start: tuple[float, float], end: tuple[float, float], lift: bool = True) -> Phone:
    phone.touch_down(*start)
    phone.touch_move(*end)
    if lift:
        phone.touch_up()
    return phone


def _second_page(seed: int, apps: AppCatalogue) -> Phone:
    return _drag(Phone(seed, apps=apps), (0.8, 0.5), (0.2, 0.5))


def _page_turning(seed: int, apps: AppCatalogue) -> Phone:
    return _drag(Phone(seed, apps=apps), (0.8, 0.5), (0.4, 0.5), lift=False)


def _drawer(seed: int, apps: AppCatalogue) -> Phone:
    return _drag(Phone(seed, apps=apps), (0.5, 0.8), (0.5, 0.2))


def _shade(seed: int, apps: AppCatalogue) -> Phone:
    return _drag(Phone(seed, apps=apps), (0.5, 0.2), (0.5, 0.8))
