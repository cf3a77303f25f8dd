"""Collecting a labelled dataset, and reading it back: the insides of `experiments.collect`.

One Parquet row is one step: the picture for the reward model (PNG), the goal, the scripted policy that acted, and
the ground truth. Rows come in the order of trajectories and steps. `manifest.json` names the files, their
SHA-256 checksums and one checksum of the decoded contents, which does not depend on how Parquet packs them.
The same preset and seed give the same contents, bit by bit, on one machine.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from experiments.datasets.android_rollouts import AndroidCollectConfig, android_trajectories
from experiments.datasets.playhouse_rollouts import CollectConfig, playhouse_trajectories
from experiments.datasets.rows import SCHEMA
from experiments.shared.atomic_files import write_atomically
from experiments.shared.preset_files import load_preset
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.dataset import decode_frames, read_manifest

if TYPE_CHECKING:
    import ray.data

AnyCollectConfig = CollectConfig | AndroidCollectConfig


def config_class(values: Mapping[str, Any]) -> type[AnyCollectConfig]:
    """Return the class of a preset's settings: `domain: android` is for the phone."""
    return AndroidCollectConfig if values.get("domain") == "android" else CollectConfig


def load_config(preset: str, overrides: Sequence[str] = ()) -> AnyCollectConfig:
    """Return a packaged preset by name, or one from a path that ends in `.yaml`.

    Raises:
        ConfigError: There is none, or it is not usable.
    """
    values = load_preset("collect", preset, overrides)
    return config_class(values)(**values)


def collect(
    config: AnyCollectConfig,
    out: Path,
    shard_trajectories: int = 200,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Collect a dataset into a new folder; it counts as a dataset once its manifest is there, which comes last.

    Args:
        config: What to collect.
        out: Folder to write; must not hold a dataset yet.
        shard_trajectories: Trajectories a Parquet file.
        progress: Called after each trajectory with how many are done, of how many.

    Returns:
        The manifest: counts, share of positive steps, checksums.

    Raises:
        ConfigError: The folder already holds a dataset.
    """
    if (out / "manifest.json").exists():
        raise ConfigError(f"{out} already holds a dataset; name a new folder, or remove it first")
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    files: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    steps = positives = successes = trajectories = 0

    def write() -> None:
        name = f"part-{len(files):04d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), out / name, compression="none")
        files[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
        rows.clear()

    for trajectory in _trajectories(config):
        for row in trajectory:
            _update(digest, row)
        rows += trajectory
        steps += len(trajectory)
        positives += sum(row["goal_achieved"] for row in trajectory)
        successes += trajectory[-1]["is_success"]
        trajectories += 1
        progress(trajectories, config.total_trajectories)
        if trajectories % shard_trajectories == 0:
            write()
    if rows:
        write()
    manifest = {
        "config": config.model_dump(mode="json"),
        "trajectories": trajectories,
        "steps": steps,
        "positive_share": round(positives / steps, 6),
        "success_share": round(successes / trajectories, 6),
        "content_sha256": digest.hexdigest(),
        "files": files,
    }
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    return manifest


def read_dataset(folder: str | Path, verify: bool = True) -> ray.data.Dataset:
    """Return the dataset as a Ray Data dataset of rows; needs a Ray session.

    Ray Data reads files in parallel and in no fixed order: sort by `trajectory` and `step` where order matters.

    `decode_images` turns a batch's PNG bytes into frames: `read_dataset(path).map_batches(decode_images)`.

    Raises:
        ConfigError: There is no dataset, or a file is not the one that was written.
    """
    import ray.data

    paths = dataset_files(folder, verify)
    return ray.data.read_parquet([str(path) for path in paths])


def dataset_files(folder: str | Path, verify: bool = True) -> list[Path]:
    """Return the Parquet files of a dataset in order, their checksums verified.

    Raises:
        ConfigError: There is no dataset, or a file is not the one that was written.
    """
    folder = Path(folder)
    files = read_manifest(folder)["files"]
    for name, checksum in files.items():
        path = folder / name
        if not path.exists() or (verify and hashlib.sha256(path.read_bytes()).hexdigest() != checksum):
            raise ConfigError(f"{path} is missing or damaged; remove {folder} and collect it again")
    return [folder / name for name in sorted(files)]


def decode_images(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace the PNG bytes of a batch's `image` column by frames, uint8 (N, h, w, 3)."""
    return {**batch, "image": decode_frames(batch["image"])}


def _trajectories(config: AnyCollectConfig) -> Iterator[list[dict[str, Any]]]:
    """Give all trajectories in order."""
    return android_trajectories(config) if isinstance(config, AndroidCollectConfig) else playhouse_trajectories(config)


def _update(digest: hashlib._Hash, row: dict[str, Any]) -> None:
    """Add a row to the checksum of the contents: pixels, not PNG bytes."""
    labels = {name: value for name, value in row.items() if name != "image"}
    digest.update(json.dumps(labels, sort_keys=True).encode())
    digest.update(np.asarray(Image.open(io.BytesIO(row["image"]))).tobytes())
