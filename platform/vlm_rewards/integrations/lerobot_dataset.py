"""LeRobot's datasets, in and out, in the form that LeRobot 0.4 writes (v3.0): Parquet, JSON and MP4.

LeRobot itself is not imported: it holds torch, transformers and the hub's client to versions older than ours. What is
written here is read by it; `make doors-check` tries that.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vlm_rewards.errors import ConfigError
from vlm_rewards.extras import needs_extra
from vlm_rewards.integrations.recorded import EpisodeRewards, RecordedEpisode, checked_pictures
from vlm_rewards.strict_config import near_matches

with needs_extra("lerobot"):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

_INFO, _STATS = "meta/info.json", "meta/stats.json"
_REWARD, _OWN = "next.reward", "env_reward"
_COLUMNS = ("vlm_score", "vlm_reward", _REWARD)
_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


class LeRobotRecording:
    """A LeRobotDataset in a folder.

    Attributes:
        record: Where in its folder it says what it is.
    """

    record = _INFO

    def __init__(self, folder: str | Path, frames: str | None = None) -> None:
        """Open a dataset.

        Args:
            folder: As LeRobot writes it, with `meta/info.json`.
            frames: Camera that a reward sees, such as `observation.images.top`; None takes the only one.

        Raises:
            ConfigError: It is no dataset of this form, is damaged, or has no such camera.
        """
        self._folder = Path(folder).expanduser()
        try:
            self._info: dict[str, Any] = json.loads((self._folder / _INFO).read_text(encoding="utf-8"))
            version, features = str(self._info["codebase_version"]), self._info["features"]
            self._fps = float(self._info["fps"])
            cameras = [name for name, feature in features.items() if feature["dtype"] in ("image", "video")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{self._folder} is no LeRobotDataset ({_INFO} is missing or damaged)") from error
        if not version.startswith("v3."):
            raise ConfigError(
                f"{self._folder} is of LeRobot's form {version}; v3.0 is read: convert it by "
                "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30"
            )
        if not cameras:
            raise ConfigError(f"{self._folder} has no camera among its features; a reward sees pictures")
        if frames is None and len(cameras) > 1:
            raise ConfigError(
                f"{self.name} has several cameras ({', '.join(cameras)}); name one: --frames {cameras[0]}"
            )
        if frames is not None and frames not in cameras:
            raise ConfigError(f"{self.name} has no camera {frames!r}; {near_matches(frames, cameras)}")
        self._camera = frames or cameras[0]
        self._is_video = features[self._camera]["dtype"] == "video"
        self._table = self._read_episodes()

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self._folder.resolve().name

    @property
    def identity(self) -> str:
        """Hex sha256 of its data, and of the camera's videos."""
        digest = hashlib.sha256(self._camera.encode())
        places = [self._folder / "data", self._folder / "meta", self._folder / "videos" / self._camera]
        for path in sorted(path for place in places for path in place.rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(self._folder)).encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def episodes(self) -> Iterator[RecordedEpisode]:
        """Yield its episodes: a state a frame.

        Raises:
            ConfigError: Frames are missing, or none that a reward reads.
        """
        if not self._table:
            raise ConfigError(f"{self.name} holds no episodes")
        for row in self._table:
            where = f"episode {row['episode_index']} of {self.name}"
            frames = self._video_frames(row, where) if self._is_video else self._image_frames(row, where)
            if len(frames) != row["length"]:
                raise ConfigError(f"{where} has {len(frames)} pictures for {row['length']} frames; record it again")
            tasks = row.get("tasks") or []
            yield RecordedEpisode(checked_pictures(np.stack(frames), where), str(tasks[0]) if tasks else None)

    def write(self, out: Path, name: str, rewards: Sequence[EpisodeRewards], fingerprint: str) -> None:
        """Write a copy whose `next.reward` is that of the frame which follows.

        The state that an episode's last action led to was not recorded: its reward is that of the last frame. The
        recorded `next.reward` is kept as `env_reward`; `vlm_score` and `vlm_reward` are those of each frame itself.

        Args:
            out: Folder of the new dataset, which does not exist yet.
            name: Not used: LeRobot's datasets are called as their folders are.
            rewards: Of each episode in order.
            fingerprint: Of the reward.
        """
        shutil.copytree(
            self._folder, out, ignore=lambda folder, names: ["data"] if Path(folder) == self._folder else []
        )
        paid = {row["episode_index"]: one for row, one in zip(self._table, rewards, strict=True)}
        totals: dict[str, list[npt.NDArray[np.float32]]] = {}
        for path in sorted((self._folder / "data").rglob("*.parquet")):
            table = _with_rewards(pq.read_table(path), paid)
            for column in (*_COLUMNS, _OWN):
                if column in table.column_names:
                    totals.setdefault(column, []).append(table[column].to_numpy().astype(np.float32))
            target = out / path.relative_to(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, target)
        numbers = {column: np.concatenate(parts) for column, parts in totals.items()}
        feature = {"dtype": "float32", "shape": [1], "names": None}
        features = {**self._info["features"], **dict.fromkeys(numbers, feature)}
        info = {**self._info, "features": features, "vlm_reward_fingerprint": fingerprint}
        (out / _INFO).write_text(json.dumps(info, indent=4, ensure_ascii=False), encoding="utf-8")
        if (out / _STATS).is_file():
            stats = json.loads((out / _STATS).read_text(encoding="utf-8"))
            stats.update({column: _statistics(values) for column, values in numbers.items()})
            (out / _STATS).write_text(json.dumps(stats, indent=4), encoding="utf-8")

    def _read_episodes(self) -> list[dict[str, Any]]:
        try:
            tables = [pq.read_table(path) for path in sorted((self._folder / "meta" / "episodes").rglob("*.parquet"))]
            rows = [
                {key: value for key, value in row.items() if not key.startswith("stats/")}
                for table in tables
                for row in table.to_pylist()
            ]
            return sorted(rows, key=lambda row: int(row["episode_index"]))
        except (OSError, pa.ArrowException, KeyError, TypeError) as error:
            raise ConfigError(
                f"the episodes of {self.name} cannot be read ({_one_line(error)}); fetch it again"
            ) from error

    def _path(self, pattern: str, row: dict[str, Any], prefix: str, where: str, **names: str) -> Path:
        path = self._folder / str(self._info[pattern]).format(
            chunk_index=row[f"{prefix}/chunk_index"], file_index=row[f"{prefix}/file_index"], **names
        )
        if ".." in path.relative_to(self._folder).parts or not path.is_file():
            raise ConfigError(f"the frames of {where} are missing ({path}); fetch the whole dataset")
        return path

    def _image_frames(self, row: dict[str, Any], where: str) -> list[npt.NDArray[np.uint8]]:
        path = self._path("data_path", row, "data", where)
        try:
            table = pq.read_table(path, columns=[self._camera, "episode_index", "frame_index"])
            table = table.filter(pc.equal(table["episode_index"], row["episode_index"])).sort_by("frame_index")
            stored = table[self._camera].to_pylist()
            return [np.asarray(Image.open(io.BytesIO(picture["bytes"]))) for picture in stored]
        except (OSError, pa.ArrowException, KeyError, TypeError, UnidentifiedImageError) as error:
            raise ConfigError(f"the frames of {where} cannot be read ({_one_line(error)}); fetch it again") from error

    def _video_frames(self, row: dict[str, Any], where: str) -> list[npt.NDArray[np.uint8]]:
        """Decode an episode's part of its video: a frame belongs to it from its first time to before its last."""
        with needs_extra("lerobot"):
            import av
        prefix = f"videos/{self._camera}"
        path = self._path("video_path", row, prefix, where, video_key=self._camera)
        half = 0.5 / self._fps
        begin, end = row[f"{prefix}/from_timestamp"] - half, row[f"{prefix}/to_timestamp"] - half
        frames = []
        try:
            with av.open(str(path)) as container:
                (stream, *_) = container.streams.video
                container.seek(int(max(begin, 0) / stream.time_base), stream=stream, backward=True)
                for frame in container.decode(stream):
                    if frame.time is not None and begin <= frame.time < end:
                        frames.append(frame.to_ndarray(format="rgb24"))
                    elif frame.time is not None and frame.time >= end:
                        break
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the frames of {where} cannot be decoded ({_one_line(error)}); fetch it again"
            ) from error
        return frames


def _with_rewards(table: pa.Table, paid: dict[int, EpisodeRewards]) -> pa.Table:
    episode, frame = (table[name].to_numpy() for name in ("episode_index", "frame_index"))
    pairs = list(zip(episode.tolist(), frame.tolist(), strict=True))
    columns = {
        "vlm_score": [paid[one].scores[step] for one, step in pairs],
        "vlm_reward": [paid[one].rewards[step] for one, step in pairs],
        _REWARD: [paid[one].rewards[min(step + 1, len(paid[one].rewards) - 1)] for one, step in pairs],
    }
    if _REWARD in table.column_names and _OWN not in table.column_names:
        table = table.append_column(_OWN, table[_REWARD].cast(pa.float32()))
    for name, values in columns.items():
        column = pa.array(np.asarray(values, np.float32))
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    return table.replace_schema_metadata(_described(table))


def _described(table: pa.Table) -> dict[bytes, bytes]:
    """Return the schema's metadata, in which the hub's `datasets` finds each column's kind."""
    metadata = dict(table.schema.metadata or {})
    try:
        described = json.loads(metadata[b"huggingface"])
        features = described["info"]["features"]
        for name in (*_COLUMNS, _OWN):
            if name in table.column_names:
                features[name] = {"dtype": "float32", "_type": "Value"}
        metadata[b"huggingface"] = json.dumps(described).encode()
    except (KeyError, ValueError, TypeError):
        metadata.pop(b"huggingface", None)
    return metadata


def _statistics(values: npt.NDArray[np.float32]) -> dict[str, list[float]]:
    stats = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
    stats |= {name: np.quantile(values, share) for name, share in _QUANTILES.items()}
    return {**{name: [float(value)] for name, value in stats.items()}, "count": [len(values)]}


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
