"""How well each measure orders settings by the agents that they train, and which measure misled."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.predicting.settings import Measured, Setting
from vlm_rewards.evaluation.statistics import ranks_within

# More is better but for these, of which less is.
_LESS = ("calibration_error", "epic_distance", "epic_distance_best", "dard_distance", "paid_wrongly")
_FEWEST = 4


@dataclass(frozen=True)
class Correlation:
    """How well a measure orders settings.

    Attributes:
        settings: How many settings have it.
        spearman: Rank correlation with final success within families, in [-1, 1].
        low: Lower end of its 95 % interval, by bootstrap over settings.
        high: Upper end.
        kendall: Share of pairs within families in the right order minus that in the wrong one (tau-a).
    """

    settings: int
    spearman: float
    low: float
    high: float
    kendall: float


def halves(settings: Sequence[Setting], seed: int = 0) -> npt.NDArray[np.bool_]:
    """Return which settings a measure is chosen on, bool (N,); it is reported on the others.

    A setting's half is drawn by what it is, so that it stays where it is when others come.
    """
    drawn = np.array([zlib.crc32(f"{seed}|{setting}".encode()) for setting in settings], np.uint64)
    return np.asarray(drawn % 2 == 0)


def correlate(
    values: npt.NDArray[np.float64],
    success: npt.NDArray[np.float64],
    families: npt.NDArray[np.str_],
    resamples: int = 2000,
    seed: int = 0,
) -> Correlation | None:
    """Correlate a measure with final success.

    Families differ in how hard they are: ranks are made within each, scaled to [0, 1], and then pooled.

    Args:
        values: float64 (N,), more is better; NaN where a setting lacks it.
        success: float64 (N,), the mean over a setting's agents.
        families: (N,).
        resamples: Resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Returns:
        None with fewer than four settings.
    """
    known = np.isfinite(values)
    values, success, families = values[known], success[known], families[known]
    if len(values) < _FEWEST:
        return None
    rng = np.random.default_rng(seed)
    spread = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(values), len(values))
        spread.append(_spearman(values[drawn], success[drawn], families[drawn]))
    defined = np.array(spread)[np.isfinite(spread)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return Correlation(
        len(values),
        _spearman(values, success, families),
        float(low),
        float(high),
        _kendall(values, success, families),
    )


def table(found: Mapping[Setting, Measured], resamples: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """Return a row for each measure: its correlation over all settings, over the half it is chosen on, and the other.

    The best on the first half comes first: its number is that of the second.
    """
    settings, success, families = _arrays(found)
    chosen_on = halves(settings, seed)
    rows = []
    for name in sorted({name for measured in found.values() for name in measured.measures}):
        values = _values(found, name)
        parts = {
            "all": np.ones(len(settings), bool),
            "chosen_on": chosen_on,
            "reported_on": ~chosen_on,
        }
        row: dict[str, Any] = {"measure": name}
        for part, rows_of in parts.items():
            one = correlate(values[rows_of], success[rows_of], families[rows_of], resamples, seed)
            row |= {
                f"{part}_settings": one.settings if one else int(np.isfinite(values[rows_of]).sum()),
                f"{part}_spearman": one.spearman if one else np.nan,
                f"{part}_low": one.low if one else np.nan,
                f"{part}_high": one.high if one else np.nan,
                f"{part}_kendall": one.kendall if one else np.nan,
            }
        rows.append(row)
    return sorted(rows, key=lambda row: -np.nan_to_num(row["chosen_on_spearman"], nan=-2))


def misled(found: Mapping[Setting, Measured]) -> list[dict[str, Any]]:
    """Return for each measure the pair of settings of one family that it puts most wrongly in order.

    The worst is that whose agents differ most in success while the measure prefers the lesser; measures without such a
    pair have no row.
    """
    settings, success, families = _arrays(found)
    rows = []
    for name in sorted({name for measured in found.values() for name in measured.measures}):
        values = _values(found, name)
        wrong = (values[:, None] > values) & (families[:, None] == families)
        lost = np.where(wrong, success[None, :] - success[:, None], -np.inf)
        if not len(lost) or lost.max() <= 0:
            continue
        preferred, better = (int(i) for i in np.unravel_index(lost.argmax(), lost.shape))
        rows.append(
            {
                "measure": name,
                "family": str(families[preferred]),
                "preferred": _words(settings[preferred]),
                "preferred_measure": abs(float(values[preferred])),
                "preferred_success": float(success[preferred]),
                "better": _words(settings[better]),
                "better_measure": abs(float(values[better])),
                "better_success": float(success[better]),
                "success_lost": float(lost.max()),
                "pairs_wrong": int((lost > 0).sum()),
            }
        )
    return sorted(rows, key=lambda row: -row["success_lost"])


def _arrays(
    found: Mapping[Setting, Measured],
) -> tuple[list[Setting], npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    settings = list(found)
    success = np.array([float(np.mean(measured.success)) for measured in found.values()], np.float64)
    return settings, success, np.array([setting.family for setting in settings], np.str_)


def measure_of(measured: Measured, name: str) -> float:
    """Return a measure of a setting, the mean over its runs; NaN where it was not measured."""
    return float(np.mean(measured.measures[name])) if name in measured.measures else float("nan")


def _values(found: Mapping[Setting, Measured], name: str) -> npt.NDArray[np.float64]:
    sign = -1 if name in _LESS else 1
    return np.array([sign * measure_of(measured, name) for measured in found.values()], np.float64)


def _spearman(values: npt.NDArray[Any], success: npt.NDArray[Any], families: npt.NDArray[Any]) -> float:
    first, second = ranks_within(values, families), ranks_within(success, families)
    known = np.isfinite(first)
    first, second = first[known], second[known]
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _kendall(values: npt.NDArray[Any], success: npt.NDArray[Any], families: npt.NDArray[Any]) -> float:
    first, second = np.triu_indices(len(values), 1)
    pairs = families[first] == families[second]
    first, second = first[pairs], second[pairs]
    if not len(first):
        return float("nan")
    return float(np.mean(np.sign(values[first] - values[second]) * np.sign(success[first] - success[second])))


def _words(setting: Setting) -> str:
    numbers = [f"{name} {value:g}" for name in ("tau", "beta") if (value := getattr(setting, name)) is not None]
    return ", ".join([setting.model, setting.negatives, f"'{setting.template}'", setting.head, *numbers])
