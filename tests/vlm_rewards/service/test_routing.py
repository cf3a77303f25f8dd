import asyncio
import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter

from vlm_rewards.service.application import build_app
from vlm_rewards.service.routing import MOST_REPLICAS, StickyRouter, chosen
from vlm_rewards.service.serving import ReplicaLimits, RewardAppArgs

NAMES = [f"replica-{number}" for number in range(64)]
DEPLOYMENT = DeploymentID("RewardDeployment", "routing")


class Replica:
    """What Serve's router knows a replica by; `waiting` is its queue, of all callers."""

    max_ongoing_requests = 256

    def __init__(self, name):
        self.replica_id = ReplicaID(name, DEPLOYMENT)
        self.node_id = self.availability_zone = None
        self.multiplexed_model_ids = set()
        self.waiting = 0

    async def get_queue_len(self, *, deadline_s):
        return self.waiting


class Caller:
    """An env runner: Serve's own router with our choice in it, and one request after the other."""

    def __init__(self, replicas, router=StickyRouter):
        self.router = router(
            deployment_id=DEPLOYMENT,
            handle_source=DeploymentHandleSource.UNKNOWN,
            use_replica_queue_len_cache=True,
        )
        self.router.initialize_state()
        self.ids = itertools.count()
        self.see(replicas)

    def see(self, replicas):
        self.replicas = {replica.replica_id: replica for replica in replicas}
        self.router.update_replicas(replicas)

    async def send(self, method="score"):
        """Let a replica take a request, as Serve does; returns what to call with the answer."""
        metadata = RequestMetadata(str(next(self.ids)), f"{id(self)}-{next(self.ids)}", call_method=method)
        pending = PendingRequest([], {}, metadata)
        name = (await self.router._choose_replica_for_request(pending)).replica_id
        self.replicas[name].waiting += 1
        self.router.on_send_request(name)
        self.router.on_new_queue_len_info(name, self.replicas[name].waiting)
        self.router.on_request_routed(pending, name, None)

        def answered():
            self.replicas[name].waiting -= 1
            self.router.decrement_queue_len_cache(name)
            self.router.on_request_completed(name, metadata.internal_request_id)
            return name

        return answered

    async def ask(self, method="score"):
        return (await self.send(method))()


@pytest.fixture
def replicas():
    return [Replica(name) for name in NAMES[:8]]


def test_a_caller_stays_with_the_replica_that_knows_its_frames(replicas):
    async def scenario():
        caller = Caller(replicas)
        homes = {await caller.ask(method) for method in ("score", "score_all", "embed") * 20}
        assert len(homes) == 1
        asked = {await caller.ask("replica_info") for _ in range(60)}
        assert len(asked) > 1
        assert await caller.ask() in homes  # which questions about replicas do not change

    asyncio.run(scenario())


def test_callers_spread_until_none_shares_a_replica_with_another_while_one_idles(replicas):
    async def scenario():
        callers = [Caller(replicas[:1]) for _ in replicas]
        for caller in callers:
            await caller.ask()
            caller.see(replicas)  # seven more are added
        # A caller that shares a replica looks round every 64th time, at two of eight.
        for _ in range(1500):
            answers = [await caller.send() for caller in callers]
            homes = {answered() for answered in answers}
        assert len(homes) == len(replicas)

    asyncio.run(scenario())


def test_requests_that_one_caller_sends_together_are_answered_together(replicas):
    async def scenario():
        caller = Caller(replicas[:2])
        await asyncio.sleep(0.01)  # it has asked both for their queues
        for _ in range(20):
            answers = [await caller.send() for _ in range(2)]
            assert len({answered() for answered in answers}) == 2

    asyncio.run(scenario())


def test_a_replica_that_does_not_answer_is_not_asked_again_and_again(replicas, monkeypatch):
    clock = itertools.count(step=20.0)
    # Not the module's: Serve pickles the class by value, and in a process that has read it again its methods have a
    # copy of the module's globals.
    for method in (StickyRouter.on_send_request, StickyRouter.on_request_completed):
        monkeypatch.setitem(method.__globals__, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    async def scenario():
        caller = Caller(replicas)
        return {await caller.ask() for _ in range(20)}

    assert len(asyncio.run(scenario())) > 1


def test_callers_of_busy_replicas_hardly_move_and_share_the_load(replicas):
    async def scenario(router):
        """Returns the share of requests that went elsewhere than the one before, and the longest queue's mean."""
        callers = [Caller(replicas, router) for _ in range(3 * len(replicas))]
        turns, longest = [], []
        for _ in range(60):
            answers = [await caller.send() for caller in callers]
            longest.append(max(replica.waiting for replica in replicas))
            turns.append([answered() for answered in answers])
        moved = [
            old != new for before, after in itertools.pairwise(turns) for old, new in zip(before, after, strict=True)
        ]
        return sum(moved) / len(moved), sum(longest) / len(longest)

    moves, queue = asyncio.run(scenario(StickyRouter))
    moves_at_random, queue_at_random = asyncio.run(scenario(_Random))
    assert moves_at_random > 0.6
    assert moves < 0.1
    assert queue <= queue_at_random


class _Random(PowerOfTwoChoicesRequestRouter):
    """Serve's own router."""


def test_a_replica_that_goes_moves_its_own_callers_alone(replicas):
    async def scenario():
        callers = [Caller(replicas) for _ in range(16)]
        before = [await caller.ask() for caller in callers]
        left = [replica for replica in replicas if replica.replica_id != before[0]]
        callers[0].router.on_replica_actor_died(before[0])  # noticed by a failed request, ahead of the controller
        assert await callers[0].ask() != before[0]
        for caller in callers:
            caller.see(left)
        after = [await caller.ask() for caller in callers]
        for old, new in zip(before, after, strict=True):
            assert (old == new) == (old != before[0])
        for caller in callers:
            caller.see([*left, Replica("new")])
        assert [await caller.ask() for caller in callers] == after

    asyncio.run(scenario())


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
        router = object.__new__(StickyRouter)
        router._handle_source = source
        router.initialize_state()
        router._update_running_replicas(replicas)
    assert [len(found) for found in seen] == [MOST_REPLICAS, 64]


def test_applications_that_may_have_several_replicas_are_routed_so(task_set, reward_config):
    def router(**limits):
        args = RewardAppArgs(reward=reward_config, task_set=task_set, replicas=ReplicaLimits(**limits))
        return build_app(args)._bound_deployment._deployment_config.request_router_config.get_request_router_class()

    assert router(maximum=1) is not StickyRouter
    assert router(maximum=2) is StickyRouter
