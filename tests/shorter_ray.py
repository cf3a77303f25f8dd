"""What Ray does at length, and more often in tests than anywhere: the same, shorter. A fifth of its tests' time."""

import inspect
import sys
import time
from types import SimpleNamespace
from typing import Any


class _Inspect:
    """`inspect`, whose stack ends with the caller's caller.

    RLlib's connectors ask for that one alone. `inspect.stack` looks for the module of each frame, of which pytest has
    fifty, among all that are imported.
    """

    def stack(self) -> list[SimpleNamespace]:
        frame: Any = sys._getframe(1)
        return [SimpleNamespace(frame=frame), SimpleNamespace(frame=frame.f_back)]

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)


# Of a cluster whose only node is this machine.
NODES_ARE_READ_EVERY_S = 1.0


def shorten() -> None:
    """Change RLlib, Serve and the sessions that begin, in this process and in its forks."""
    from ray._private.node import Node
    from ray.rllib.connectors import connector_v2
    from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache
    from ray.serve.config import RequestRouterConfig

    connector_v2.inspect = _Inspect()
    pickles = RequestRouterConfig._serialize_request_router_cls
    known: dict[object, tuple[str, bytes]] = {}

    def pickled_once(config: Any) -> None:
        # At each question for Serve's status each deployment's router was pickled, with all that it imports.
        router = config.request_router_class
        if router not in known:
            pickles(config)
            known[router] = config.request_router_class, config.get_serialized_request_router_cls()
        config.request_router_class, pickled = known[router]
        config.set_serialized_request_router_cls(pickled)

    RequestRouterConfig._serialize_request_router_cls = pickled_once

    update = ClusterNodeInfoCache.update

    def updated_now_and_then(cache: Any) -> None:
        # Serve's controller asks the cluster for its nodes ten times a second: more than half of its time.
        if time.monotonic() > getattr(cache, "_due", 0.0):
            update(cache)
            cache._due = time.monotonic() + NODES_ARE_READ_EVERY_S

    ClusterNodeInfoCache.update = updated_now_and_then
    # It looks for new lines in each worker's files ten times a second, to print them where `log_to_driver` is set.
    Node.start_log_monitor = lambda node: None
