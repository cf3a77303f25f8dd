"""A recorded, labelled dataset of trajectories as `python -m experiments.collect` writes them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

MANIFEST = "manifest.json"
# What every consumer needs of a state; a null in one of these is a missing label.
REQUIRED = ("trajectory", "step", "family", "goal_id", "goal_achieved", "image")
_PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class States:
    """The labels of all states, by trajectory and step.

    Attributes:
        trajectory: int64 (N,).
        step: int64 (N,), from 0 within its trajectory.
        family: Strings as dtype object (N,), such as `find`.
        goal_id: Strings as dtype object (N,), the goal of the episode.
        home: int64 (N,), seed of the home, or of the screens' content; None where the dataset has none.
        goal_achieved: bool (N,), ground truth: the goal holds in this state.
    """

    trajectory: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    family: npt.NDArray[np.object_]
    goal_id: npt.NDArray[np.object_]
    home: npt.NDArray[np.int64] | None
    goal_achieved: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.trajectory)

    def where(self, rows: np.ndarray) -> States:
        """Return the states of a mask, bool (N,), or of row numbers, int64 (n,)."""
        home = None if self.home is None else self.home[rows]
        return States(
            self.trajectory[rows],
            self.step[rows],
            self.family[rows],
            self.goal_id[rows],
            home,
            self.goal_achieved[rows],
        )

    def rows_of(self, trajectories: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return the mask, bool (N,), of the states of these trajectories, int64 (n,)."""
        return np.isin(self.trajectory, np.asarray(trajectories))


@dataclass(frozen=True)
class LabelledDataset:
    """A dataset that has been checked, or a part of it by whole trajectories.

    Attributes:
        folder: Where it is.
        files: Its Parquet files in order.
        manifest: As it was written.
        frame_size: (height, width) in pixels of every frame.
        states: The labels, of the chosen trajectories alone.
    """

    folder: Path
    files: tuple[Path, ...]
    manifest: dict[str, Any]
    frame_size: tuple[int, int]
    states: States

    @classmethod
    def open(cls, folder: str | Path) -> LabelledDataset:
        """Open a dataset, and reads all of it once to check it.

        Raises:
            ConfigError: There is none, a file is not the one that was written, a label or a frame is missing, a
                state occurs twice, or frames are not of one size, that of the manifest.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        tables, sizes = [], set()
        for name, checksum in sorted(manifest["files"].items()):
            table = _checked_table(folder / name, checksum)
            sizes |= _frame_sizes(folder / name, table)
            tables.append(table.drop_columns(["image"]))
        table = pa.concat_tables(tables)
        if not len(table):
            raise ConfigError(f"{folder} holds no states; collect it again")
        expected = manifest.get("config", {}).get("reward_size")
        wanted = {tuple(expected)} if expected else set(sorted(sizes)[:1])
        if sizes != wanted:
            listed = ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
            raise ConfigError(
                f"frames of {folder} are {listed}, but its manifest says {' or '.join(f'{h}x{w}' for h, w in wanted)}; "
                "all must be of one size: collect it again"
            )
        states = _states(folder, table)
        files = tuple(folder / name for name in sorted(manifest["files"]))
        return cls(folder, files, manifest, wanted.pop(), states)

    @property
    def name(self) -> str:
        """What the dataset is called."""
        return str(self.manifest.get("config", {}).get("name") or self.folder.name)

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of the files and of the choice of trajectories: equal ones hold the same states."""
        digest = hashlib.sha256(json.dumps(self.manifest["files"], sort_keys=True).encode())
        digest.update(np.unique(self.states.trajectory).astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def trajectories(self) -> npt.NDArray[np.int64]:
        """Their numbers, sorted, int64 (T,)."""
        return np.unique(self.states.trajectory)

    @property
    def families(self) -> tuple[str, ...]:
        """In order of first appearance."""
        return tuple(dict.fromkeys(self.states.family))

    def of_families(self, families: Sequence[str]) -> LabelledDataset:
        """Return the part with these families.

        Raises:
            ConfigError: The dataset has no such family.
        """
        for family in families:
            if family not in self.families:
                raise ConfigError(
                    f"dataset {self.name!r} has no family {family!r}; {near_matches(family, self.families)}"
                )
        return replace(self, states=self.states.where(np.isin(self.states.family, list(families))))

    def limited(self, trajectories: int) -> LabelledDataset:
        """Return the part with this many trajectories, evenly spread over all, so that families keep their shares."""
        known = self.trajectories
        if trajectories >= len(known):
            return self
        chosen = known[np.linspace(0, len(known) - 1, max(1, trajectories)).round().astype(int)]
        return self.part(chosen)

    def part(self, trajectories: npt.ArrayLike) -> LabelledDataset:
        """Return the part with these trajectories, int64 (n,)."""
        return replace(self, states=self.states.where(self.states.rows_of(trajectories)))

    def check_positives(self) -> None:
        """Refuse a dataset on which precision and recall mean nothing.

        Raises:
            ConfigError: No state, or every state, of a family has reached its goal.
        """
        for family in self.families:
            labels = self.states.goal_achieved[self.states.family == family]
            if not labels.any() or labels.all():
                what = "no state has" if not labels.any() else "every state has"
                raise ConfigError(
                    f"in family {family!r} of dataset {self.name!r} {what} reached its goal, so that precision and "
                    "recall mean nothing; use more trajectories (--limit), or leave the family out (--family)"
                )

    def batches(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the chosen states with their frames as the files have them, in order, at most `size` at a time.

        Yields:
            `trajectory`, `step`: int64 (n,); `goal_id`: object (n,); `image`: object (n,), PNG bytes.
        """
        chosen = pa.array(self.trajectories)
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(size, columns=["trajectory", "step", "goal_id", "image"]):
                    batch = batch.filter(pc.is_in(batch["trajectory"].cast(pa.int64()), chosen))
                    if len(batch):
                        yield {
                            name: batch[name].to_numpy(zero_copy_only=False)
                            for name in ("trajectory", "step", "goal_id", "image")
                        }

    def frames_of(self, states: States) -> npt.NDArray[np.uint8]:
        """Return the frames of some of its states in their order, uint8 (N, h, w, 3); for few of them."""
        wanted = list(zip(states.trajectory.tolist(), states.step.tolist(), strict=True))
        found = {}
        for batch in self.part(states.trajectory).batches(1024):
            for trajectory, step, image in zip(batch["trajectory"], batch["step"], batch["image"], strict=True):
                found[int(trajectory), int(step)] = image
        return decode_frames(found[key] for key in wanted)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return a dataset's manifest.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    try:
        manifest: dict[str, Any] = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
        dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} holds no dataset; make one with python -m experiments.collect") from error
    return manifest


def decode_frames(pngs: Iterable[bytes]) -> npt.NDArray[np.uint8]:
    """Return the frames of PNG bytes, uint8 (N, h, w, 3); all must be of one size."""
    return np.stack([_decoded(data) for data in pngs])


def _decoded(data: bytes) -> npt.NDArray[np.uint8]:
    image = Image.open(io.BytesIO(data))
    # A conversion copies even where there is nothing to convert: a seventh of the time.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _checked_table(path: Path, checksum: str) -> pa.Table:
    """Read a file once, for its checksum and its rows."""
    damaged = f"{path} is missing or damaged; remove {path.parent} and collect it again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(damaged) from error
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ConfigError(damaged)
    try:
        table = pq.read_table(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise ConfigError(f"{path} is no Parquet file ({' '.join(str(error).split())}); collect it again") from error
    for name in REQUIRED:
        if name not in table.column_names:
            raise ConfigError(f"{path} has no column {name!r}; a labelled dataset needs {', '.join(REQUIRED)}")
        missing = table[name].null_count
        if missing:
            raise ConfigError(
                f"{missing} of {len(table)} states in {path} have no {name}; every state needs its label: "
                "remove the trajectories without one, or collect the dataset again"
            )
    return table


def _frame_sizes(path: Path, table: pa.Table) -> set[tuple[int, int]]:
    """Return the sizes (height, width) of all frames, from the heads of the PNG files."""
    heads = pc.unique(pc.binary_slice(table["image"], 0, 24)) if len(table) else []
    sizes = set()
    for head in heads:
        head = head.as_py()
        if len(head) < 24 or not head.startswith(_PNG_START):
            raise ConfigError(f"{path} has frames that are no PNG; the column `image` must hold PNG bytes")
        sizes.add((int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")))
    return sizes


def _states(folder: Path, table: pa.Table) -> States:
    trajectory = table["trajectory"].to_numpy().astype(np.int64)
    step = table["step"].to_numpy().astype(np.int64)
    order = np.lexsort((step, trajectory))
    pairs = np.stack([trajectory[order], step[order]], axis=1)
    if (pairs[1:] == pairs[:-1]).all(axis=1).any():
        raise ConfigError(f"{folder} holds a state twice (one trajectory and step); collect it again")
    home = table["home_seed"].to_numpy().astype(np.int64)[order] if "home_seed" in table.column_names else None
    return States(
        trajectory=pairs[:, 0].copy(),
        step=pairs[:, 1].copy(),
        family=np.asarray(table["family"].to_pylist(), object)[order],
        goal_id=np.asarray(table["goal_id"].to_pylist(), object)[order],
        home=home,
        goal_achieved=table["goal_achieved"].to_numpy().astype(bool)[order],
    )
