"""Frozen dual encoders behind one interface."""

from vlm_rewards.encoders.encoder import Encoder, check_frames
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.encoders.loading import Precision, load_encoder

__all__ = ["Encoder", "FakeEncoder", "Precision", "check_frames", "load_encoder"]
