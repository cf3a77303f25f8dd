"""An image tower in int8, as it lies in a checkpoint's folder: made once, the same numbers on every machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from vlm_rewards.encoders.user_cache import user_cache
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.strict_config import StrictConfig

FOLDER = "int8"
_RECORD, _GRAPH, _WEIGHTS = "quantised.json", "image_tower.xml", "image_tower.bin"
# What the image tower is made of; another tokenizer or text tower changes nothing, but is part of `weights`.
_PARTS = ("weights", "architecture", "preprocessing")


def records_folder(source: str, parts: Mapping[str, str]) -> Path:
    """Return where a checkpoint's int8 tower and agreements are kept: its own folder, or the cache for a hub id."""
    if Path(source).is_dir():
        return Path(source)
    return user_cache() / "checkpoints" / hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


class QuantisedGraph(StrictConfig):
    """The file `int8/quantised.json`; beside it lies the OpenVINO model.

    Attributes:
        parts: hex sha256 of the weights, architecture and preprocessing that it was made from.
        files: hex sha256 of the model's files by name.
        calibrated_on: Which frames its ranges were found on.
        made_with: Libraries and their versions.
    """

    parts: dict[str, str]
    files: dict[str, str]
    calibrated_on: str
    made_with: dict[str, str]

    @classmethod
    def read(cls, folder: Path, parts: Mapping[str, str]) -> "QuantisedGraph | None":
        """Return what a checkpoint folder holds, or None if it holds no int8 tower of this very checkpoint.

        Args:
            folder: See `records_folder`.
            parts: Parts of the checkpoint as loaded.

        Raises:
            CheckpointError: The record is damaged.
        """
        path = folder / FOLDER / _RECORD
        if not path.is_file():
            return None
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); restore it, or remove {path.parent}") from error
        return found if found.parts == _image_parts(parts) else None

    @classmethod
    def write(
        cls,
        folder: Path,
        parts: Mapping[str, str],
        graph: bytes,
        weights: bytes,
        calibrated_on: str,
        made_with: Mapping[str, str],
    ) -> "QuantisedGraph":
        """Write an int8 tower into a checkpoint folder.

        Args:
            folder: See `records_folder`.
            parts: Parts of the checkpoint as loaded.
            graph: The OpenVINO model's XML.
            weights: Its constants.
            calibrated_on: What it was calibrated on, in words.
            made_with: Versions by library.
        """
        files = {_GRAPH: graph, _WEIGHTS: weights}
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / FOLDER / name).write_bytes(data)
        record = cls(
            parts=_image_parts(parts),
            files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            calibrated_on=calibrated_on,
            made_with=dict(made_with),
        )
        # Last: what it names is complete.
        (folder / FOLDER / _RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return record

    @property
    def digest(self) -> str:
        """Hex sha256 of all that decides its numbers."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def path(self, folder: Path) -> Path:
        """Return the OpenVINO model's file, after a look at all its bytes.

        Raises:
            CheckpointError: A file is missing or not the recorded one.
        """
        for name, digest in self.files.items():
            try:
                data = (folder / FOLDER / name).read_bytes()
            except OSError as error:
                raise CheckpointError(f"{folder / FOLDER / name} cannot be read ({error}); restore it") from error
            if hashlib.sha256(data).hexdigest() != digest:
                raise CheckpointError(f"{folder / FOLDER / name} is not the recorded file; restore it")
        return folder / FOLDER / _GRAPH


def required(found: QuantisedGraph | None, source: str) -> QuantisedGraph:
    """Return what was found.

    Raises:
        ConfigError: Nothing was.
    """
    if found is None:
        raise ConfigError(
            f"{source} has no int8 image tower; make one with `python -m experiments.precision quantise`, "
            "or use precision 'bf16' or 'fp32'"
        )
    return found


def _image_parts(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: parts[name] for name in _PARTS}
