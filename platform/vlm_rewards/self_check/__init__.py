"""A reward model proves itself before it serves: silently wrong weights cost days.

`python -m vlm_rewards.self_check --help` writes and verifies the record of a checkpoint folder.
"""

from vlm_rewards.self_check.check import Checkable, check_encoder
from vlm_rewards.self_check.record import SelfCheckRecord, write_record

__all__ = ["Checkable", "SelfCheckRecord", "check_encoder", "write_record"]
