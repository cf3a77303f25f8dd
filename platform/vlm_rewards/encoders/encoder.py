"""The seam between rewards and the model that embeds images and texts."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import InvalidFrameError

Precision = Literal["auto", "fp32", "bf16", "int8"]


@runtime_checkable
class Encoder(Protocol):
    """A frozen dual encoder: the f and g of equation 1.

    `tests/vlm_rewards/encoders/test_encoder_conformance.py` holds what every implementation must do.
    """

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels that the image tower reads; render reward frames at this size."""
        ...

    @property
    def embedding_dim(self) -> int:
        """D."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex sha256 over all that decides an embedding: weights, preprocessing, tokenizer, precision, runtime."""
        ...

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed frames. A row depends, to the bit, on its own frame only, whatever shares the call.

        Args:
            frames: uint8 (N, H, W, 3), RGB, any H and W; they are brought to `image_size` if they differ.

        Returns:
            float32 (N, D), each row of length 1.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: M strings.

        Returns:
            float32 (M, D), each row of length 1.
        """
        ...


class TextReading(NamedTuple):
    """What a tokenizer makes of a text.

    Attributes:
        tokens: All that the text tower reads, the special ones included.
        words: How many of them are the text's own.
        unknown: How many of those stand for what the tokenizer does not know.
    """

    tokens: tuple[int, ...]
    words: int
    unknown: int


@runtime_checkable
class ReadsTexts(Protocol):
    """An encoder that can say what it reads of a text; those without a tokenizer cannot."""

    def read_texts(self, texts: Sequence[str]) -> list[TextReading]:
        """Return what the tokenizer makes of each text."""
        ...


def check_clips(clips: np.ndarray) -> npt.NDArray[np.uint8]:
    """Return `clips` if each is a frame or a series of frames that an encoder can read.

    Raises:
        InvalidFrameError: Neither uint8 (N, H, W, 3) nor uint8 (N, T, H, W, 3) with T of at least 1.
    """
    if isinstance(clips, np.ndarray) and clips.ndim == 5:
        if not clips.shape[1]:
            raise InvalidFrameError(f"clips must have at least one frame, not shape {clips.shape}")
        check_frames(clips.reshape(-1, *clips.shape[2:]) if len(clips) else clips[:, 0])
        return clips
    return check_frames(clips)


def check_frames(frames: np.ndarray) -> npt.NDArray[np.uint8]:
    """Return `frames` if an encoder can read them.

    Raises:
        InvalidFrameError: Not a uint8 array (N, H, W, 3) with H and W of at least 1.
    """
    if not isinstance(frames, np.ndarray):
        raise InvalidFrameError(f"frames must be a numpy array uint8 (N, H, W, 3), not {type(frames).__name__}")
    if frames.dtype != np.uint8:
        raise InvalidFrameError(f"frames must be uint8 in 0..255, not {frames.dtype}; scale and convert them first")
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape[1:3]:
        hint = "; add a leading batch axis" if frames.ndim == 3 else ""
        raise InvalidFrameError(f"frames must have shape (N, H, W, 3), not {frames.shape}{hint}")
    return frames
