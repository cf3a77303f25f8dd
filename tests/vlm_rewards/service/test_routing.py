from collections import Counter
from types import SimpleNamespace

from ray.serve._private.common import DeploymentHandleSource
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter

from vlm_rewards.service.application import build_app
from vlm_rewards.service.routing import MOST_REPLICAS, SomeReplicasRouter, chosen
from vlm_rewards.service.serving import ReplicaLimits, RewardAppArgs

NAMES = [f"replica-{number}" for number in range(64)]


def test_callers_choose_alike_often_and_each_as_many_as_it_may():
    choices = [chosen(NAMES, f"caller-{number}", 16) for number in range(1000)]
    assert {len(set(choice)) for choice in choices} == {16}
    counts = Counter(name for choice in choices for name in choice)
    assert min(counts.values()) > 190
    assert max(counts.values()) < 310
    assert chosen(NAMES[:3], "caller", 16) == chosen(reversed(NAMES[:3]), "caller", 16)


def test_a_replica_that_goes_changes_nothing_but_itself():
    before = chosen(NAMES, "caller", 16)
    after = chosen([name for name in NAMES if name != before[3]], "caller", 16)
    assert set(before) - set(after) == {before[3]}
    assert len(after) == 16


def test_a_router_looks_up_its_choice_alone_and_the_gateways_all(monkeypatch):
    seen = []
    monkeypatch.setattr(
        PowerOfTwoChoicesRequestRouter, "_update_running_replicas", lambda self, found: seen.append(found)
    )
    replicas = [SimpleNamespace(replica_id=SimpleNamespace(unique_id=name)) for name in NAMES]
    for source in (DeploymentHandleSource.UNKNOWN, DeploymentHandleSource.REPLICA):
        router = object.__new__(SomeReplicasRouter)
        router._handle_source = source
        router.initialize_state()
        router._update_running_replicas(replicas)
    assert [len(found) for found in seen] == [MOST_REPLICAS, 64]


def test_only_applications_of_many_replicas_are_routed_so(task_set, reward_config):
    def router(**limits):
        args = RewardAppArgs(reward=reward_config, task_set=task_set, replicas=ReplicaLimits(**limits))
        return build_app(args)._bound_deployment._deployment_config.request_router_config.get_request_router_class()

    assert router(maximum=MOST_REPLICAS) is not SomeReplicasRouter
    assert router(maximum=MOST_REPLICAS + 1) is SomeReplicasRouter
