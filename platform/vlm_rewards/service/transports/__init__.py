"""Ways for a reward client to reach a reward model."""

from typing import TYPE_CHECKING

from vlm_rewards.extras import lazy_exports
from vlm_rewards.service.transports.http import HttpTransport
from vlm_rewards.service.transports.in_process import InProcessTransport
from vlm_rewards.service.transports.transport import Transport

if TYPE_CHECKING:
    from vlm_rewards.service.transports.handle import HandleTransport

__getattr__ = lazy_exports(__name__, {"HandleTransport": "handle"})

__all__ = ["HandleTransport", "HttpTransport", "InProcessTransport", "Transport"]
