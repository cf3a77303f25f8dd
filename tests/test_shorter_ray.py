"""Ray made shorter for the tests does what Ray does."""

import inspect

import cloudpickle
import pytest
from ray.rllib.connectors import connector_v2
from ray.rllib.connectors.common import AddObservationsFromEpisodesToBatch
from ray.serve.config import RequestRouterConfig

from vlm_rewards.service.routing import SomeReplicasRouter


@pytest.mark.parametrize("options", [{}, {"as_learner_connector": True}])
def test_connectors_know_their_arguments(options, monkeypatch):
    short = AddObservationsFromEpisodesToBatch(None, None, **options)._ctor_kwargs
    assert not inspect.ismodule(connector_v2.inspect)
    monkeypatch.setattr(connector_v2, "inspect", inspect)
    assert short == AddObservationsFromEpisodesToBatch(None, None, **options)._ctor_kwargs
    assert short.items() >= options.items()


@pytest.mark.parametrize("router", [SomeReplicasRouter, None])
def test_routers_are_what_they_were(router):
    first, second = (RequestRouterConfig(**({"request_router_class": router} if router else {})) for _ in range(2))
    assert first.request_router_class == second.request_router_class
    pickled = first.get_serialized_request_router_cls()
    assert pickled is second.get_serialized_request_router_cls()
    path = first.request_router_class.replace(":", ".")
    assert cloudpickle.loads(pickled).__name__ == path.rpartition(".")[2]
    assert second.is_default_request_router() == (router is None)
