"""Ways for a reward client to reach a reward model."""

from vlm_rewards.service.transports.handle import HandleTransport
from vlm_rewards.service.transports.http import HttpTransport
from vlm_rewards.service.transports.in_process import InProcessTransport
from vlm_rewards.service.transports.transport import Transport

__all__ = ["HandleTransport", "HttpTransport", "InProcessTransport", "Transport"]
