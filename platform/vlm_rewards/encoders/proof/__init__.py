"""A reward model proves itself before it serves: silently wrong weights cost days."""

from vlm_rewards.encoders.proof.check import Checkable, check_encoder
from vlm_rewards.encoders.proof.record import SelfCheckRecord, write_record

__all__ = ["Checkable", "SelfCheckRecord", "check_encoder", "write_record"]
