"""Frozen dual encoders behind one interface."""

from vlm_rewards.encoders.cascade_encoder import CascadeEncoder
from vlm_rewards.encoders.encoder import (
    Encoder,
    Precision,
    ReadsTexts,
    TextReading,
    check_clips,
    check_frames,
)
from vlm_rewards.encoders.ensemble_encoder import EnsembleEncoder
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.encoders.loading import load_encoder, packaged_models
from vlm_rewards.encoders.runtimes import RUNTIMES, Runtime

__all__ = [
    "RUNTIMES",
    "CascadeEncoder",
    "Encoder",
    "EnsembleEncoder",
    "FakeEncoder",
    "Precision",
    "ReadsTexts",
    "Runtime",
    "TextReading",
    "check_clips",
    "check_frames",
    "load_encoder",
    "packaged_models",
]
