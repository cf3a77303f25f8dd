"""Ray made shorter for the tests does what Ray does."""

import inspect
from unittest.mock import Mock

import cloudpickle
import pytest
from ray.rllib.connectors import connector_v2
from ray.rllib.connectors.common import AddObservationsFromEpisodesToBatch
from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache
from ray.serve.config import RequestRouterConfig

from tests import shorter_ray
from vlm_rewards.service.routing import StickyRouter


@pytest.mark.parametrize("options", [{}, {"as_learner_connector": True}])
def test_connectors_know_their_arguments(options, monkeypatch):
    short = AddObservationsFromEpisodesToBatch(None, None, **options)._ctor_kwargs
    assert not inspect.ismodule(connector_v2.inspect)
    monkeypatch.setattr(connector_v2, "inspect", inspect)
    assert short == AddObservationsFromEpisodesToBatch(None, None, **options)._ctor_kwargs
    assert short.items() >= options.items()


@pytest.mark.parametrize("router", [StickyRouter, None])
def test_routers_are_what_they_were(router):
    first, second = (RequestRouterConfig(**({"request_router_class": router} if router else {})) for _ in range(2))
    assert first.request_router_class == second.request_router_class
    pickled = first.get_serialized_request_router_cls()
    assert pickled is second.get_serialized_request_router_cls()
    path = first.request_router_class.replace(":", ".")
    assert cloudpickle.loads(pickled).__name__ == path.rpartition(".")[2]
    assert second.is_default_request_router() == (router is None)


def test_nodes_are_known_at_once_and_read_again_in_time(monkeypatch):
    gcs = Mock(**{"get_all_node_info.return_value": {}, "get_draining_nodes.return_value": {}})
    gcs.get_all_resource_usage.return_value.resource_usage_data.batch = []
    cache = type("Cache", (ClusterNodeInfoCache,), {"get_node_az": None})(gcs)
    for _ in range(3):
        cache.update()
    assert (cache._cached_alive_nodes, gcs.get_all_node_info.call_count) == ([], 1)
    monkeypatch.setattr(shorter_ray.time, "monotonic", lambda: cache._due + 0.1)
    cache.update()
    assert gcs.get_all_node_info.call_count == 2
