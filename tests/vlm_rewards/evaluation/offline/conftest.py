"""A labelled dataset that is written in milliseconds."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def write_dataset(
    folder: Path, rows: list[dict], size: tuple[int, int] = (16, 8), rows_per_file: int = 40, **manifest: object
) -> Path:
    """Writes rows (with `image` as a frame or None) in the format of experiments.collect."""
    folder.mkdir(parents=True)
    files = {}
    for number, begin in enumerate(range(0, len(rows), rows_per_file)):
        chunk = [{**row, "image": png(row["image"])} for row in rows[begin : begin + rows_per_file]]
        path = folder / f"part-{number:04d}.parquet"
        pq.write_table(pa.Table.from_pylist(chunk), path)
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(
        json.dumps({"config": {"name": "made", "reward_size": list(size)}, "files": files, **manifest})
    )
    return folder


def png(frame: np.ndarray | None) -> bytes | None:
    if frame is None:
        return None
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="png")
    return buffer.getvalue()


def make_rows(trajectories: int = 10, steps: int = 8, size: tuple[int, int] = (16, 8)) -> list[dict]:
    """Rows of two families; the last two states of two trajectories in three have reached their goal."""
    rng = np.random.default_rng(0)
    return [
        {
            "trajectory": trajectory,
            "step": step,
            "family": "find" if trajectory % 2 else "lift",
            "goal_id": f"goal{trajectory % 4}",
            "home_seed": trajectory // 2,
            "goal_achieved": trajectory % 3 > 0 and step >= steps - 2,
            "image": rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        }
        for trajectory in range(trajectories)
        for step in range(steps)
    ]


@pytest.fixture
def made_rows() -> Callable[..., list[dict]]:
    """`make_rows`, for tests that need more of them."""
    return make_rows


@pytest.fixture
def dataset_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows and returns the folder."""
    return lambda rows, **options: write_dataset(tmp_path / "dataset", rows, **options)


@pytest.fixture
def rows() -> list[dict]:
    """Ten trajectories of eight states."""
    return make_rows()
