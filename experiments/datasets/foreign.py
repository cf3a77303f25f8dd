"""Datasets of Minari and LeRobot: brought into our own form to be scored, and written back in theirs."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from experiments.shared.atomic_files import write_atomically
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.dataset import MANIFEST
from vlm_rewards.goals import TaskSet
from vlm_rewards.integrations.recorded import EpisodeRewards, Recording, goal_of

_SCHEMA = pa.schema(
    [
        ("trajectory", pa.int32()),
        ("step", pa.int32()),
        ("family", pa.string()),
        ("goal_id", pa.string()),
        ("goal_achieved", pa.bool_()),
        ("image", pa.binary()),
    ]
)
# States in one file.
_FILE_STATES = 2048


def open_recording(source: str, frames: str | None = None) -> Recording | None:
    """Open a dataset of somebody else's; None where it is one of ours, or none at all.

    Args:
        source: A folder, or an id of Minari's.
        frames: Which of its pictures a reward sees; None takes the only one.

    Raises:
        MissingExtraError: Its library is not installed.
        ConfigError: It cannot be used.
    """
    folder = Path(source).expanduser()
    if (folder / MANIFEST).is_file():
        return None
    if (folder / "meta" / "info.json").is_file():
        from vlm_rewards.integrations.lerobot_dataset import LeRobotRecording

        return LeRobotRecording(folder, frames)
    # Before its library is imported: most who name a folder that is not there mean one of ours.
    if (folder / "data" / "metadata.json").is_file() or (folder / "metadata.json").is_file() or _may_be_id(source):
        from vlm_rewards.integrations.minari import MinariRecording

        minari: Recording = MinariRecording(source, frames)
        return minari
    return None


def bring_in(
    recording: Recording, folder: Path, family: str, task_set: TaskSet, goals: dict[str, str], only: str | None
) -> None:
    """Write a recording's pictures and goals in our own form, without loss.

    What its states have achieved is not known: the labels say no, and nothing may be judged by them.

    Args:
        recording: The dataset.
        folder: Where to; one that holds it already stays.
        family: Name of its goals' family.
        task_set: Its goals.
        goals: Goal ids by words of the dataset that mean them.
        only: The goal of every episode, whatever the dataset says.

    Raises:
        ConfigError: It has no pictures, or asks for goals that are not known.
    """
    wanted = {
        "identity": recording.identity,
        "task_set": task_set.model_dump(mode="json"),
        "goals": goals,
        "only": only,
    }
    identity = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    if _identity(folder) == identity:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for number, episode in enumerate(recording.episodes()):
        where = f"episode {number} of {recording.name}"
        goal = goal_of(episode.goal, task_set, goals, only, where)
        fixed = {"trajectory": number, "family": family, "goal_id": goal.id, "goal_achieved": False}
        rows += [{**fixed, "step": step, "image": _png(frame)} for step, frame in enumerate(episode.frames)]
        if len(rows) >= _FILE_STATES:
            _write_file(folder, files, rows)
            rows = []
    if rows:
        _write_file(folder, files, rows)
    if not files:
        raise ConfigError(f"{recording.name} holds no episodes")
    manifest = {"files": files, "config": {"name": recording.name}, "identity": identity}
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def rewards_by_episode(folder: Path) -> list[EpisodeRewards]:
    """Return what a relabelled dataset of ours says of each episode, in order."""
    names = sorted(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"])
    columns = ["trajectory", "step", "vlm_score", "vlm_reward"]
    table = pa.concat_tables([pq.read_table(folder / name, columns=columns) for name in names])
    trajectory, step, scores, rewards = (table[name].to_numpy() for name in columns)
    order = np.lexsort((step, trajectory))
    ends = np.flatnonzero(np.diff(trajectory[order])) + 1
    return [
        EpisodeRewards(scores[rows].astype(np.float32), rewards[rows].astype(np.float32))
        for rows in np.split(order, ends)
    ]


def _may_be_id(source: str) -> bool:
    name, _, version = source.rpartition("-v")
    return bool(name) and version.isdigit() and not Path(source).exists()


def _identity(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("identity"))
    except (OSError, ValueError):
        return None


def _write_file(folder: Path, files: dict[str, str], rows: list[dict[str, Any]]) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), buffer, compression="none")
    name = f"part-{len(files):05d}.parquet"
    write_atomically(folder / name, buffer.getvalue())
    files[name] = hashlib.sha256(buffer.getvalue()).hexdigest()


def _png(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    # It is read once and then removed: quick rather than small.
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
