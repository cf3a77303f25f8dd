"""Calibration and test trajectories that share nothing: neither a trajectory nor a home."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.strict_config import StrictConfig, read_yaml


class SplitSpec(StrictConfig):
    """How trajectories are divided.

    Attributes:
        unit: What goes to one side as a whole: `home` (or, of a phone, its screens' content) where the dataset has
            them, else `trajectory`; `auto` takes the stricter one that the dataset allows.
        calibration_share: Expected share of the units used for calibration, in (0, 1).
        seed: Seed of the division. A unit's side depends on this seed and its own number alone.
        file: YAML with lists of trajectory numbers under `calibration` and `test`, instead of a division by seed.
    """

    unit: Literal["auto", "home", "trajectory"] = "auto"
    calibration_share: float = Field(default=0.5, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    file: str | None = None


@dataclass(frozen=True)
class TrajectorySplit:
    """A division.

    Attributes:
        calibration: int64 (n,), sorted trajectory numbers.
        test: int64 (m,), sorted trajectory numbers.
    """

    calibration: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def split_trajectories(states: States, spec: SplitSpec) -> TrajectorySplit:
    """Divide the trajectories of a dataset.

    Args:
        states: Labels of the dataset.
        spec: How.

    Raises:
        ConfigError: The dataset has no homes to divide by, a side is empty or has no success, or the split leaks.
    """
    if spec.file is not None:
        split = _from_file(Path(spec.file), states)
    else:
        if spec.unit == "home" and states.home is None:
            raise ConfigError("the dataset names no homes; use split.unit: trajectory")
        by_home = states.home is not None and spec.unit != "trajectory"
        units = states.home if by_home and states.home is not None else states.trajectory
        chosen = np.array([_share(spec.seed, int(unit)) < spec.calibration_share for unit in np.unique(units)])
        calibration = np.isin(units, np.unique(units)[chosen])
        split = TrajectorySplit(np.unique(states.trajectory[calibration]), np.unique(states.trajectory[~calibration]))
    check_split(states, split)
    return split


def check_split(states: States, split: TrajectorySplit) -> None:
    """Refuse a split whose test result would say nothing.

    Raises:
        ConfigError: A trajectory or a home is on both sides, or a side has no states, no success or no failure.
    """
    shared = np.intersect1d(split.calibration, split.test)
    if len(shared):
        raise ConfigError(
            f"the split leaks: {len(shared)} trajectories are in calibration and test (first: {shared[0]}); "
            "list each once"
        )
    sides = {"calibration": states.rows_of(split.calibration), "test": states.rows_of(split.test)}
    if states.home is not None:
        homes = np.intersect1d(states.home[sides["calibration"]], states.home[sides["test"]])
        if len(homes):
            raise ConfigError(
                f"the split leaks: {len(homes)} homes are in calibration and test (first: {homes[0]}), so the test "
                "shows rooms that calibration has seen; use split.unit: home, or list whole homes"
            )
    for name, rows in sides.items():
        labels = states.goal_achieved[rows]
        if not labels.any() or labels.all():
            raise ConfigError(
                f"the {name} side of the split has {len(labels)} states, {int(labels.sum())} of which have reached "
                "their goal; both kinds are needed: use more trajectories, another seed or another share"
            )


def _from_file(path: Path, states: States) -> TrajectorySplit:
    values = read_yaml(path)
    unknown = sorted(set(values) ^ {"calibration", "test"})
    if unknown:
        raise ConfigError(f"{path} must have the keys calibration and test, and no others (wrong: {unknown[0]})")
    sides = []
    for name in ("calibration", "test"):
        numbers = values[name]
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ConfigError(f"{path}: {name} must be a list of trajectory numbers")
        absent = np.setdiff1d(numbers, states.trajectory)
        if len(absent):
            raise ConfigError(f"{path}: {name} names trajectory {absent[0]}, which the dataset does not have")
        sides.append(np.unique(np.asarray(numbers, np.int64)))
    return TrajectorySplit(*sides)


def _share(seed: int, unit: int) -> float:
    """Return a number in [0, 1) from seed and unit alone: a dataset that grows keeps its split."""
    digest = hashlib.sha256(f"{seed}|{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
