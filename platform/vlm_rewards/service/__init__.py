"""The reward service: a Serve deployment, and a client that reaches it by handle or HTTP or a model in this process."""

from typing import TYPE_CHECKING

from vlm_rewards.extras import lazy_exports
from vlm_rewards.service.client import ClientStats, RewardClient
from vlm_rewards.service.schema import EmbedResult, ReplicaInfo, RewardUserConfig, ScoreResult
from vlm_rewards.service.transports import InProcessTransport, Transport

if TYPE_CHECKING:
    from vlm_rewards.service.transports import HandleTransport, HttpTransport

# One needs ray and the other an HTTP client: a replica, or whoever scores in process, has no use for them.
__getattr__ = lazy_exports(__name__, {"HandleTransport": "transports.handle", "HttpTransport": "transports.http"})

__all__ = [
    "ClientStats",
    "EmbedResult",
    "HandleTransport",
    "HttpTransport",
    "InProcessTransport",
    "ReplicaInfo",
    "RewardClient",
    "RewardUserConfig",
    "ScoreResult",
    "Transport",
]
