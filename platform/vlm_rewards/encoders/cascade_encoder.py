"""The encoders of a cascade, as one."""

from vlm_rewards.encoders.encoder import Encoder
from vlm_rewards.encoders.ensemble_encoder import EnsembleEncoder

# Length of the small model's block. A power of two, so that rounding changes neither model's numbers; so small that to
# all who compare embeddings (films, the agent's eye) they are the large model's, to one part in a million.
SMALL_LENGTH = 2.0**-10


class CascadeEncoder(EnsembleEncoder):
    """Embeds by a large and a small encoder: the large one's embedding, and beside it a thousandth of the small one's.

    Who needs the small one's alone asks `members` for theirs, and `join`s them.

    Attributes:
        members: The large encoder and the small one.
        image_size: (height, width) in pixels, of the large one.
        embedding_dim: Twice the wider embedding.
        fingerprint: Hex sha256 of both fingerprints.
    """

    kind = "cascade 1"

    def __init__(self, large: Encoder, small: Encoder) -> None:
        """Put a small encoder before a large one; each brings frames to its own size."""
        super().__init__((large, small))
        self.image_size = large.image_size
        self.lengths = (1.0, SMALL_LENGTH)
