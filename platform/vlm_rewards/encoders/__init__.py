"""Frozen dual encoders behind one interface."""

from vlm_rewards.encoders.encoder import (
    Encoder,
    EncoderKind,
    Precision,
    ReadsTexts,
    TextReading,
    check_clips,
    check_frames,
)
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.encoders.loading import load_encoder, packaged_models

__all__ = [
    "Encoder",
    "EncoderKind",
    "FakeEncoder",
    "Precision",
    "ReadsTexts",
    "TextReading",
    "check_clips",
    "check_frames",
    "load_encoder",
    "packaged_models",
]
