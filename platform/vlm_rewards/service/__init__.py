"""The reward service: a Serve deployment, and a client that reaches it by handle or HTTP or a model in this process."""

from vlm_rewards.service.client import ClientStats, RewardClient
from vlm_rewards.service.schema import EmbedResult, ReplicaInfo, RewardUserConfig, ScoreResult
from vlm_rewards.service.transports import HandleTransport, HttpTransport, InProcessTransport, Transport

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
