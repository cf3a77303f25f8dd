"""What a checkpoint gave for known images and texts when it was made."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vlm_rewards.errors import ConfigError, SelfCheckError
from vlm_rewards.strict_config import StrictConfig

RECORD_NAME = "self_check.json"
IMAGE_FOLDER = "self_check"


class Checkable(Protocol):
    """What the check needs of an encoder besides its embeddings.

    Attributes:
        source: Where its checkpoint came from, for messages.
        precision: Its numerical precision, such as `fp32`.
        parts: hex sha256 of weights, architecture, preprocessing and tokenizer, by name.
        image_size: (height, width) in pixels that the image tower takes.
    """

    source: str
    precision: str
    parts: dict[str, str]
    image_size: tuple[int, int]

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_images`."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_texts`."""
        ...


class SelfCheckRecord(StrictConfig):
    """The file `self_check.json` of a checkpoint folder.

    Attributes:
        parts: hex sha256 of weights, architecture, preprocessing and tokenizer.
        images: File names of PNGs in the folder `self_check`.
        texts: The texts they are compared with.
        similarities: Cosine of each image (row) with each text (column), computed in fp32.
    """

    parts: dict[str, str]
    images: tuple[str, ...]
    texts: tuple[str, ...]
    similarities: tuple[tuple[float, ...], ...]

    @classmethod
    def read(cls, folder: Path) -> "SelfCheckRecord | None":
        """Return the record of a checkpoint folder, or None if it has none.

        Raises:
            SelfCheckError: The record is damaged.
        """
        path = folder / RECORD_NAME
        if not path.is_file():
            return None
        try:
            record = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise SelfCheckError(f"{path} is damaged ({error}); restore it from where the model came from") from error
        if np.shape(record.similarities) != (len(record.images), len(record.texts)):
            raise SelfCheckError(f"{path} is damaged (similarities do not match); restore it with the model")
        return record

    def frames(self, folder: Path) -> list[npt.NDArray[np.uint8]]:
        """Read the known images, each uint8 (H, W, 3).

        Raises:
            SelfCheckError: An image is missing or unreadable.
        """
        frames = []
        for name in self.images:
            path = folder / IMAGE_FOLDER / name
            try:
                with Image.open(path) as image:
                    frames.append(np.array(image.convert("RGB")))
            except (OSError, UnidentifiedImageError) as error:
                raise SelfCheckError(f"the known image {path} cannot be read; restore it with the model") from error
        return frames


def similarities(
    encoder: Checkable, frames: Sequence[npt.NDArray[np.uint8]], texts: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return float64 (images, texts): cosines, each image embedded alone so that the batch cannot matter."""
    images = np.concatenate([encoder.embed_images(frame[None]) for frame in frames])
    return images.astype(np.float64) @ encoder.embed_texts(list(texts)).astype(np.float64).T


def write_record(
    folder: Path, encoder: Checkable, frames: Sequence[npt.NDArray[np.uint8]], texts: Sequence[str]
) -> SelfCheckRecord:
    """Record what `encoder` gives now as what its folder must give from now on.

    Args:
        folder: The checkpoint folder that `encoder` was loaded from.
        encoder: The encoder in fp32.
        frames: A few known images, each uint8 (H, W, 3).
        texts: A few known texts.

    Raises:
        ConfigError: Another precision than fp32, or nothing to record.
    """
    if encoder.precision != "fp32" or not len(frames) or not len(texts):
        raise ConfigError("a self-check record needs precision 'fp32', at least one image and at least one text")
    (folder / IMAGE_FOLDER).mkdir(exist_ok=True)
    names = []
    for index, frame in enumerate(frames):
        names.append(f"{index}.png")
        Image.fromarray(frame).save(folder / IMAGE_FOLDER / names[-1], optimize=True)
    record = SelfCheckRecord(
        parts=encoder.parts,
        images=tuple(names),
        texts=tuple(texts),
        similarities=tuple(
            tuple(round(float(value), 6) for value in row) for row in similarities(encoder, frames, texts)
        ),
    )
    (folder / RECORD_NAME).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return record
