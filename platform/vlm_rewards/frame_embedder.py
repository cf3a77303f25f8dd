"""From frames to the embeddings that a reward needs, each encoded as seldom as can be."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vlm_rewards.embedding_cache import EmbeddingCache, distinct_frames, frame_keys
from vlm_rewards.encoders import CascadeEncoder, Encoder
from vlm_rewards.heads import FramePooling, pool

Asks = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.bool_]]


class FrameEmbedder:
    """Embeds frames and clips: equal frames of a call once, those in the cache not at all.

    A cascade's large model sees only the frames that it is asked about; the cache keeps its embeddings and the small
    model's apart.
    """

    def __init__(self, encoder: Encoder, frames: FramePooling, cache: EmbeddingCache | None) -> None:
        """Take what embeds.

        Args:
            encoder: The towers.
            frames: How the frames of a clip become one embedding.
            cache: Asked before a frame is encoded; None keeps nothing.
        """
        self._encoder = encoder
        self._frames = frames
        self._cache = cache

    def embed(self, frames: npt.NDArray[np.uint8], asks: Asks | None = None) -> npt.NDArray[np.float32]:
        """Return embeddings.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3), checked.
            asks: Of a cascade: given float32 (N, D) whose large block is NaN, says which rows the large model has to
                see, bool (N,); None shows it all.

        Returns:
            float32 (N, D), rows L2-normalised; of a cascade's rows that were not asked for the large block is NaN.
        """
        if frames.ndim == 5:
            clips = frames[:, self._frames.frames_of(frames.shape[1])]
            images = self.embed(clips.reshape(-1, *clips.shape[2:]), asks)
            return pool(images.reshape(*clips.shape[:2], self._encoder.embedding_dim))
        if isinstance(self._encoder, CascadeEncoder):
            return self._through_cascade(self._encoder, frames, asks)
        return self._encoded(self._encoder, frames)

    def _through_cascade(
        self, encoder: CascadeEncoder, frames: npt.NDArray[np.uint8], asks: Asks | None
    ) -> npt.NDArray[np.float32]:
        large, small = encoder.members
        of_small = self._encoded(small, frames)
        of_large = np.full((len(frames), large.embedding_dim), np.nan, np.float32)
        asked = np.ones(len(frames), np.bool_) if asks is None else asks(encoder.join((of_large, of_small)))
        of_large[asked] = self._encoded(large, frames[asked])
        return encoder.join((of_large, of_small))

    def _encoded(self, encoder: Encoder, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if not len(frames):
            return np.zeros((0, encoder.embedding_dim), np.float32)
        rows, inverse = distinct_frames(frames)
        distinct = frames if len(rows) == len(frames) else frames[rows]
        if self._cache is None:
            return encoder.embed_images(distinct)[inverse]
        keys = frame_keys(distinct, encoder.fingerprint)
        known = self._cache.get(keys, repeats=len(frames) - len(rows))
        missing = [row for row, embedding in enumerate(known) if embedding is None]
        images = np.empty((len(distinct), encoder.embedding_dim), np.float32)
        for row, embedding in enumerate(known):
            if embedding is not None:
                images[row] = embedding
        if missing:
            images[missing] = encoder.embed_images(distinct[missing])
            self._cache.put([keys[row] for row in missing], images[missing])
        return images[inverse]
