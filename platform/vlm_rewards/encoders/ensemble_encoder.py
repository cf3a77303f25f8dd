"""Several encoders side by side, as one."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.encoder import Encoder, check_frames


class EnsembleEncoder:
    """Embeds by M encoders: their embeddings side by side, each brought to 1 / sqrt(M) of its length.

    Each gets a block of the width of the widest, filled up with zeros, so that who knows M can part them again. A
    product of two such embeddings is the mean of the encoders' cosines.

    Attributes:
        members: The encoders.
        image_size: (height, width) in pixels, of the member that reads the largest.
        embedding_dim: M times the widest embedding.
        fingerprint: Hex sha256 of the members' fingerprints, in their order.
        lengths: Of each member's block.
        kind: What the fingerprint says of how they are put together.
    """

    kind = "ensemble 1"

    def __init__(self, members: Sequence[Encoder]) -> None:
        """Put encoders together.

        Args:
            members: At least one; each brings frames to its own size.
        """
        self.members = tuple(members)
        self._width = max(member.embedding_dim for member in members)
        self.image_size = max((member.image_size for member in members), key=lambda size: size[0] * size[1])
        self.embedding_dim = len(self.members) * self._width
        self.lengths: tuple[float, ...] = (1 / np.sqrt(len(self.members)),) * len(self.members)
        self.fingerprint = hashlib.sha256(
            "|".join([self.kind, *(member.fingerprint for member in members)]).encode()
        ).hexdigest()

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed uint8 (N, H, W, 3) to float32 (N, D); see `Encoder.embed_images`."""
        check_frames(frames)
        return self.join([member.embed_images(frames) for member in self.members])

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed M strings to float32 (M, D); see `Encoder.embed_texts`."""
        return self.join([member.embed_texts(texts) for member in self.members])

    def join(self, parts: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Return the members' own embeddings as one.

        Args:
            parts: float32 (..., D_m), one a member, in their order.

        Returns:
            float32 (..., D).
        """
        joined = np.zeros((*parts[0].shape[:-1], self.embedding_dim), np.float32)
        for number, (part, length) in enumerate(zip(parts, self.lengths, strict=True)):
            start = number * self._width
            joined[..., start : start + part.shape[-1]] = part * np.float32(length)
        return joined
