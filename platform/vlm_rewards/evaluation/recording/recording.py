"""A recording as one Parquet file: a typed row an episode, and the facts in its metadata."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.recording.episode import EpisodeRecord, FrameSheet, Shares
from vlm_rewards.evaluation.recording.facts import SCHEMA_VERSION, RecordingFacts
from vlm_rewards.whole_files import written_whole

RECORDING_FILE = "recording.parquet"
_FACTS = b"vlm_rewards.recording"
# Cosines are kept as whole numbers: a step is 3e-5, less than what prompts differ by.
_STEPS = 32767

_SHEET = pa.struct(
    [
        ("tile", pa.list_(pa.uint16())),
        ("height", pa.uint16()),
        ("width", pa.uint16()),
        ("columns", pa.uint16()),
        ("webp", pa.binary()),
    ]
)
#: Lists of T or T x K numbers; see `EpisodeRecord`, `Shares` and `FrameSheet`. Cosines are int16, 32767 is 1.
SCHEMA = pa.schema(
    [
        ("number", pa.int32()),
        ("goal_id", pa.string()),
        ("instruction", pa.string()),
        ("family", pa.string()),
        ("seed", pa.int64()),
        ("actor", pa.string()),
        ("fires", pa.bool_()),
        ("action", pa.list_(pa.int32())),
        ("true_reward", pa.list_(pa.float32())),
        ("achieved", pa.list_(pa.bool_())),
        ("score", pa.list_(pa.float32())),
        ("reward", pa.list_(pa.float32())),
        ("caption", pa.list_(pa.int32())),
        ("similarity", pa.list_(pa.int16())),
        ("rest", pa.list_(pa.float32())),
        ("others", pa.int32()),
        ("agent_frames", _SHEET),
        ("reward_frames", _SHEET),
    ]
)


@dataclass(frozen=True)
class Recording:
    """Episodes kept state by state.

    Attributes:
        facts: What they share.
        episodes: In the order in which they were planned.
    """

    facts: RecordingFacts
    episodes: tuple[EpisodeRecord, ...]

    def save(self, path: Path) -> None:
        """Write it in one step: a kill leaves all or nothing."""
        table = pa.Table.from_pylist([_row(episode) for episode in self.episodes], schema=SCHEMA)
        table = table.replace_schema_metadata({_FACTS: self.facts.model_dump_json().encode()})
        with written_whole(path) as partial:
            pq.write_table(table, partial, compression="zstd", row_group_size=64)

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `save` wrote.

        Raises:
            ConfigError: There is none, it is cut off or damaged, or it is of another version.
        """
        try:
            table = pq.read_table(path)
        except FileNotFoundError as error:
            raise ConfigError(f"there is no recording {path}: evaluate the run again") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ConfigError(
                f"the recording {path} is cut off or damaged ({' '.join(str(error).split())[:120]}): copy it again, or "
                "evaluate the run again"
            ) from error
        metadata = (table.schema.metadata or {}).get(_FACTS)
        if metadata is None:
            raise ConfigError(f"{path} is a Parquet file and no recording of episodes: name one of {RECORDING_FILE}")
        if table.schema.remove_metadata() != SCHEMA:
            raise _other_version(path)
        try:
            facts = RecordingFacts.model_validate_json(metadata)
            episodes = tuple(_episode(row) for row in table.to_pylist())
        except (ConfigError, ValidationError) as error:
            raise _other_version(path) from error
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"the recording {path} is damaged ({error}): copy it again") from error
        return cls(facts, episodes)


def _other_version(path: Path) -> ConfigError:
    return ConfigError(
        f"the recording {path} is of another version than {SCHEMA_VERSION}, which this code reads: evaluate the run "
        "again, or show it with the code that made it"
    )


def _row(episode: EpisodeRecord) -> dict[str, Any]:
    shares = episode.shares
    row = {name: getattr(episode, name) for name in SCHEMA.names if hasattr(episode, name)}
    row |= {
        "caption": None if shares is None else shares.caption,
        "similarity": None if shares is None else steps_of(shares.similarity).reshape(-1),
        "rest": None if shares is None else shares.rest,
        "others": None if shares is None else shares.others,
        "agent_frames": _sheet_row(episode.agent_frames),
        "reward_frames": _sheet_row(episode.reward_frames),
    }
    return row


def steps_of(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Return cosines as they are stored, int16 of the same shape: 32767 is 1."""
    return np.rint(np.clip(similarity, -1, 1) * _STEPS).astype(np.int16)


def _sheet_row(sheet: FrameSheet | None) -> dict[str, Any] | None:
    if sheet is None:
        return None
    height, width = sheet.size
    return {"tile": sheet.tile, "height": height, "width": width, "columns": sheet.columns, "webp": sheet.webp}


def _sheet(row: dict[str, Any] | None) -> FrameSheet | None:
    if row is None:
        return None
    size = (int(row["height"]), int(row["width"]))
    return FrameSheet(np.asarray(row["tile"], np.uint16), size, int(row["columns"]), bytes(row["webp"]))


def _episode(row: dict[str, Any]) -> EpisodeRecord:
    shares = None
    states = len(row["action"])
    if row["caption"] is not None:
        table = np.asarray(row["similarity"], np.float32).reshape(states, len(row["caption"])) / np.float32(_STEPS)
        caption, rest = np.asarray(row["caption"], np.int32), np.asarray(row["rest"], np.float32)
        shares = Shares(caption, table, rest, int(row["others"]))
    pictures = _sheet(row["reward_frames"])
    if pictures is None or len(pictures.tile) != states:
        raise ValueError(f"episode {row['number']} has states without a frame")
    return EpisodeRecord(
        number=row["number"],
        goal_id=row["goal_id"],
        instruction=row["instruction"],
        family=row["family"],
        seed=row["seed"],
        actor=row["actor"],
        fires=row["fires"],
        action=np.asarray(row["action"], np.int32),
        true_reward=np.asarray(row["true_reward"], np.float32),
        achieved=np.asarray(row["achieved"], np.bool_),
        score=None if row["score"] is None else np.asarray(row["score"], np.float32),
        reward=None if row["reward"] is None else np.asarray(row["reward"], np.float32),
        shares=shares,
        agent_frames=_sheet(row["agent_frames"]),
        reward_frames=pictures,
    )
