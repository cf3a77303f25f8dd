"""The HTTP API as a Serve application: routes by model name to the reward applications of its cluster.

From a program `deploy(GatewayArgs())`; on a running cluster `serve deploy serve_deployments/gateway.yaml`.
"""

import logging
import os
from typing import Any

# Read by Serve's controller, which inherits them from a Ray that this process starts; on a cluster they belong into the
# environment of the head. A proxy that has died is missed after three checks: ten seconds apart, callers found nobody
# for half a minute. One that starts on busy cores needs longer than five seconds, and would be started over and over.
os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S", "1")
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "30")

import ray
from fastapi import FastAPI
from pydantic import Field
from ray import serve
from ray.serve.schema import LoggingConfig

from vlm_rewards.errors import ConfigError
from vlm_rewards.service import HandleTransport
from vlm_rewards.service.http import BearerTokens, HttpLimits, TransportBackend, create_app
from vlm_rewards.service.http.admission import Admission
from vlm_rewards.service.live import live_rewards
from vlm_rewards.strict_config import StrictConfig


class GatewayArgs(StrictConfig):
    """Arguments of the gateway application. Tokens are none of them: they come from the environment of its replicas.

    Attributes:
        models: Applications by the names that callers use; None takes every reward application under its own name.
        limits: Limits of requests.
        replicas: How many.
        num_cpus: Reserved for each replica, may be fractional.
        refresh_s: Seconds in which a model that appears or goes is noticed.
    """

    models: dict[str, str] | None = None
    limits: HttpLimits = HttpLimits()
    replicas: int = Field(default=1, ge=1)
    num_cpus: float = Field(default=0.2, ge=0)
    refresh_s: float = Field(default=1.0, ge=0)


@serve.ingress()
class Gateway:
    """One replica. It holds no model: reward applications can come, go and scale while it runs."""

    def __init__(self, args: GatewayArgs) -> None:
        """Read the tokens; nothing is looked up yet.

        Args:
            args: As deployed.

        Raises:
            ConfigError: The environment's tokens cannot be used.
        """
        self._args = args
        self._tokens = BearerTokens.from_environment()
        self._transports: dict[str, HandleTransport] = {}
        # Serve writes the logs of its own logger to the replica's file, and no other's.
        log = logging.getLogger("vlm_rewards.http")
        log.parent = logging.getLogger("ray.serve")
        log.setLevel(logging.INFO)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Make the application in the replica, where its event loop is."""
        limits = self._args.limits
        backend = TransportBackend(self._find, threads=limits.max_requests, refresh_s=self._args.refresh_s)
        app = create_app(backend, limits, self._tokens, labels_answers=False)
        self._admission: Admission = app.state.admission
        return app

    def at_work(self) -> dict[str, int]:
        """Return what is at work in this replica, for who looks after it: `requests`, their `bytes`, and its `pid`."""
        return {"requests": self._admission.requests, "bytes": self._admission.bytes, "pid": os.getpid()}

    def _find(self) -> dict[str, HandleTransport]:
        running = running_rewards()
        names = self._args.models or {name: name for name in running}
        found = {name: application for name, application in names.items() if application in running}
        for name, application in found.items():
            if name not in self._transports:
                self._transports[name] = HandleTransport(application)
        return {name: self._transports[name] for name in found}


def running_rewards() -> list[str]:
    """Return the names of the reward applications that have a running replica. Others are not reachable by HTTP."""
    return [name for name, reward in live_rewards().items() if reward.serving]


def build_app(args: GatewayArgs, version: str | None = None) -> serve.Application:
    """Return the application, ready for `serve.run`; for `version` see `vlm_rewards.service.application`."""
    gateway: Any = serve.deployment(Gateway)
    deployment = gateway.options(
        version=version,
        _internal=True,
        num_replicas=args.replicas,
        ray_actor_options={"num_cpus": args.num_cpus},
        # The gateway refuses by itself, with its own error body, long before Serve would with its own.
        max_ongoing_requests=4 * args.limits.max_requests,
        # As the reward's own: a gateway that is gone is noticed at its next check, not after Serve's half minute.
        health_check_period_s=0.5,
        health_check_timeout_s=10.0,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=10.0,
        logging_config=LoggingConfig(encoding="JSON", enable_access_log=False),
    )
    application: serve.Application = deployment.bind(args)
    return application


def app_builder(args: GatewayArgs) -> serve.Application:
    """Return the `import_path` of Serve YAML: `serve_deployments.gateway:app_builder`."""
    return build_app(args)


def deploy(args: GatewayArgs, app_name: str = "gateway", port: int = 8765) -> str:
    """Deploy or replace the gateway and wait until it serves. Other applications are left alone.

    Serve's HTTP proxy can be configured only where Serve does not run yet: call this before `reward.deploy`.

    Args:
        args: The application.
        app_name: Its name.
        port: Port on 127.0.0.1, where Serve does not run yet.

    Returns:
        Its address, such as `http://127.0.0.1:8765`.

    Raises:
        ConfigError: Ray does not run, or Serve runs without an HTTP proxy.
    """
    if not ray.is_initialized():
        raise ConfigError("Ray is not running in this process; call ray.init() before deploying the gateway")
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    address = proxy_address()
    serve.run(build_app(args), name=app_name, route_prefix="/")
    return address


def proxy_address() -> str:
    """Return the address at which Serve's proxy listens.

    Raises:
        ConfigError: It has none.
    """
    client: Any = serve.context._get_global_client()
    details: dict[str, Any] = client.get_serve_details()
    options = details.get("http_options") or {}
    if details.get("proxy_location") == "Disabled" or not options.get("host"):
        raise ConfigError(
            "Serve runs without an HTTP proxy; deploy the gateway first, or call serve.shutdown() before it"
        )
    return f"http://{options['host']}:{options['port']}"
