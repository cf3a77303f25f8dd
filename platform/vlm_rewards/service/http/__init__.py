"""The reward service over HTTP: one FastAPI application for tests, notebooks and Ray Serve alike."""

from typing import TYPE_CHECKING

from vlm_rewards.extras import lazy_exports

if TYPE_CHECKING:
    from vlm_rewards.service.http.app import create_app
    from vlm_rewards.service.http.backend import TransportBackend
    from vlm_rewards.service.http.limits import HttpLimits
    from vlm_rewards.service.http.local_server import LocalServer
    from vlm_rewards.service.http.tokens import BearerTokens

__all__ = ["BearerTokens", "HttpLimits", "LocalServer", "TransportBackend", "create_app"]

# The client shares the wire format and the errors of this package, and needs no server.
__getattr__ = lazy_exports(
    __name__,
    {
        "BearerTokens": "tokens",
        "HttpLimits": "limits",
        "LocalServer": "local_server",
        "TransportBackend": "backend",
        "create_app": "app",
    },
)
