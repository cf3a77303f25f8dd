"""The embedded phone: a pure simulation (state machine and rendering) that knows nothing of AndroidEnv."""

from envs.android.device.log import LogEvent
from envs.android.device.phone import Phone
from envs.android.device.profile import EVAL_SEED_START

__all__ = ["EVAL_SEED_START", "LogEvent", "Phone"]
