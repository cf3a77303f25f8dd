"""An encoder without a network, for tests and for emulating accelerators."""

import hashlib
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.encoder import check_frames

_GRID = (8, 4)


class FakeEncoder:
    """Embeds a text by its hash and an image by the brightness of an 8 x 4 grid of cells.

    `frame_of(text)` paints the image whose embedding is that text's, so tests can make any reward happen with real
    arrays. Everything is computed row by row: results do not depend on the batch.

    Attributes:
        image_size: (height, width) in pixels.
        embedding_dim: D.
    """

    def __init__(
        self, image_size: tuple[int, int] = (32, 32), seconds_per_batch: float = 0.0, salt: str = "fake"
    ) -> None:
        """Make the encoder.

        Args:
            image_size: Reported size; frames of any size are read.
            seconds_per_batch: Time that each `embed_images` call takes at least, as an accelerator's fixed cost would.
            salt: Another value gives other embeddings and another fingerprint, as other weights would.
        """
        self.image_size = image_size
        self.embedding_dim = _GRID[0] * _GRID[1]
        self._seconds_per_batch = seconds_per_batch
        self._salt = salt

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of what decides the embeddings."""
        return hashlib.sha256(f"fake encoder 1|{self._salt}".encode()).hexdigest()

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed uint8 (N, H, W, 3) to float32 (N, D); see `Encoder.embed_images`."""
        check_frames(frames)
        if self._seconds_per_batch:
            time.sleep(self._seconds_per_batch)
        rows = _cell_centres(frames.shape[1], _GRID[0])
        columns = _cell_centres(frames.shape[2], _GRID[1])
        cells = frames[:, rows][:, :, columns].astype(np.float64).sum(axis=3).reshape(len(frames), self.embedding_dim)
        # An offset that no mean colour can cancel keeps the length above 0.
        return _normalised(cells - 3 * 127.4)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed M strings to float32 (M, D); see `Encoder.embed_texts`."""
        vectors = np.zeros((len(texts), self.embedding_dim))
        for row, text in enumerate(texts):
            digest = hashlib.sha256(f"{self._salt}|{text}".encode()).digest()
            vectors[row] = np.random.default_rng(list(digest)).normal(size=self.embedding_dim)
        return _normalised(vectors)

    def frame_of(self, text: str, height: int | None = None, width: int | None = None) -> npt.NDArray[np.uint8]:
        """Paint a frame that embeds as `text` does (cosine above 0.99).

        Args:
            text: Any string.
            height: Height in pixels, at least 8; `image_size[0]` if None.
            width: Width in pixels, at least 4; `image_size[1]` if None.

        Returns:
            uint8 (height, width, 3).
        """
        height, width = height or self.image_size[0], width or self.image_size[1]
        vector = self.embed_texts([text])[0].astype(np.float64)
        cells = np.rint(127.4 + vector / np.abs(vector).max() * 127).reshape(_GRID).astype(np.uint8)
        rows = np.arange(height) * _GRID[0] // height
        columns = np.arange(width) * _GRID[1] // width
        return np.repeat(cells[rows][:, columns][:, :, None], 3, axis=2)


def _cell_centres(length: int, cells: int) -> npt.NDArray[np.int64]:
    return (2 * np.arange(cells) + 1) * length // (2 * cells)


def _normalised(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result
