"""Ways for a reward client to reach a reward model."""

from typing import TYPE_CHECKING

from vlm_rewards.extras import lazy_exports
from vlm_rewards.service.transports.in_process import InProcessTransport
from vlm_rewards.service.transports.transport import Transport

if TYPE_CHECKING:
    from vlm_rewards.service.transports.handle import HandleTransport
    from vlm_rewards.service.transports.http import HttpTransport

# A replica needs neither, and an HTTP client is half of what it would import of ours.
__getattr__ = lazy_exports(__name__, {"HandleTransport": "handle", "HttpTransport": "http"})

__all__ = ["HandleTransport", "HttpTransport", "InProcessTransport", "Transport"]
