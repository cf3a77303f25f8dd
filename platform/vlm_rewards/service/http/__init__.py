"""The reward service over HTTP: one FastAPI application for tests, notebooks and Ray Serve alike."""

from vlm_rewards.service.http.app import create_app
from vlm_rewards.service.http.backend import TransportBackend
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.service.http.local_server import LocalServer
from vlm_rewards.service.http.tokens import BearerTokens

__all__ = ["BearerTokens", "HttpLimits", "LocalServer", "TransportBackend", "create_app"]
