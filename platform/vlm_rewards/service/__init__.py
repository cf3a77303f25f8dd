"""The reward service: a Serve deployment, and a client that reaches it by handle or HTTP or a model in this process."""

from typing import TYPE_CHECKING

from vlm_rewards.extras import lazy_exports
from vlm_rewards.service.client import ClientStats, RewardClient
from vlm_rewards.service.schema import EmbedResult, ReplicaInfo, RewardUserConfig, ScoreResult
from vlm_rewards.service.transports import HttpTransport, InProcessTransport, Transport

if TYPE_CHECKING:
    from vlm_rewards.service.transports import HandleTransport

# The only one that needs ray: whoever scores in process or over HTTP has no use for it.
__getattr__ = lazy_exports(__name__, {"HandleTransport": "transports.handle"})

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
