"""What a seed decides about the phone: theme, wallpaper, clock, battery, and the content of every app."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

# Seeds from here on draw their app content from variants that no lower seed can draw.
EVAL_SEED_START = 1 << 30
TRAIN_VARIANTS = 384
EVAL_VARIANTS = 128
WALLPAPERS = 24

_FIRST_DAY = datetime(2025, 1, 1)
_DAYS = 730


@dataclass(frozen=True)
class Profile:
    """The phone as one seed made it.

    Attributes:
        seed: Which one; equal seeds (and numbers of apps) mean equal profiles.
        dark: Dark theme.
        wallpaper: 0 to WALLPAPERS - 1.
        started: The phone's date and time at reset.
        battery: Percent, 5 to 100.
        variants: For each app of the catalogue, which variant of its content it shows. Seeds below
            EVAL_SEED_START get 0 to TRAIN_VARIANTS - 1, the others the EVAL_VARIANTS numbers after those.
    """

    seed: int
    dark: bool
    wallpaper: int
    started: datetime
    battery: int
    variants: tuple[int, ...]


def draw_profile(seed: int, apps: int) -> Profile:
    """Draw the profile of a seed.

    Args:
        seed: Any integer >= 0.
        apps: Number of installed apps.
    """
    rng = random.Random(seed)
    first, count = (TRAIN_VARIANTS, EVAL_VARIANTS) if seed >= EVAL_SEED_START else (0, TRAIN_VARIANTS)
    draw = rng.random
    return Profile(
        seed=seed,
        dark=draw() < 0.4,
        wallpaper=int(draw() * WALLPAPERS),
        started=_FIRST_DAY + timedelta(minutes=int(draw() * _DAYS * 24 * 60)),
        battery=5 + int(draw() * 96),
        variants=tuple(first + int(draw() * count) for _ in range(apps)),
    )
