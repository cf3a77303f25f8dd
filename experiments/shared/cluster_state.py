"""What a Ray cluster looks like at one moment, asked of its head: nodes, what waits for which resources, replicas."""

import socket
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import serve
from ray._private.state import state as global_state
from ray.core.generated import gcs_pb2
from ray.serve._private.common import ReplicaState

_CONNECT_S = 2.0
# More nodes than these are believed their heartbeats alone.
_MOST_ASKED = 256
_NAMES = {"RewardEnvRunner": "env runner", "ImplicitFunc": "trial"}


@dataclass(frozen=True)
class ClusterState:
    """A cluster at one moment.

    Attributes:
        nodes: Addresses of the nodes that are alive, by id.
        silent: Those of them that nobody answers at.
        waiting: How many of what wait for which resources, such as ("trial", "2 CPU").
        held: Who holds how many CPUs.
        replicas: Replicas that run, by reward application; and those that start.
    """

    nodes: Mapping[str, str]
    silent: frozenset[str] = frozenset()
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    replicas: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def cluster_state() -> ClusterState:
    """Ask the cluster that this process is connected to; some milliseconds, and seconds where a node is silent."""
    alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    here = ray.get_runtime_context().get_node_id()
    waiting, held = _demands()
    return ClusterState(
        nodes={name: node["NodeManagerAddress"] for name, node in alive.items()},
        silent=_silent({name: node for name, node in alive.items() if name != here}),
        waiting=waiting,
        held=held,
        replicas=_replicas(),
    )


def in_words(resources: Mapping[str, float]) -> str:
    """Return resources as `2 CPU, 1 GPU`."""
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(resources.items()) if amount) or "nothing"


def _silent(nodes: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of nodes to which no connection can be made: Ray itself takes up to a minute to give one up."""
    if not nodes or len(nodes) > _MOST_ASKED:
        return frozenset()

    def is_silent(name: str) -> bool:
        try:
            address = nodes[name]["NodeManagerAddress"], int(nodes[name]["NodeManagerPort"])
            socket.create_connection(address, _CONNECT_S).close()
        except OSError:
            return True
        return False

    with ThreadPoolExecutor(min(16, len(nodes))) as pool:
        return frozenset(name for name, silent in zip(nodes, pool.map(is_silent, nodes), strict=True) if silent)


def _demands() -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    waiting: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    for group in ray.util.placement_group_table().values():
        total: Counter[str] = Counter()
        for bundle in group["bundles"].values():
            total.update(bundle)
        if group["state"] in ("PENDING", "RESCHEDULING"):
            waiting["trial", in_words(total)] += 1
        elif group["state"] == "CREATED":
            held["trials"] += total.get("CPU", 0)
    for actor in (*_actors("PENDING_CREATION"), *_actors("ALIVE")):
        if actor.placement_group_id.strip(b"\xff"):
            continue  # its group has been counted
        if actor.address.worker_id.strip(b"\xff"):  # it has its resources, though it may still begin
            held[f"{_name(actor)}s"] += actor.required_resources.get("CPU", 0)
        else:
            waiting[_name(actor), in_words(dict(actor.required_resources))] += 1
    return dict(waiting), {name: cpus for name, cpus in held.items() if cpus}


def _actors(state: str) -> list[Any]:
    # The public list of actors leaves out what they ask for, and needs a dashboard.
    table = global_state._connect_and_get_accessor().get_actor_table(None, state)
    parse = getattr(gcs_pb2, "ActorTableData").FromString  # noqa: B009, a name that its generator makes at run time
    return [parse(actor) for actor in table]


def _name(actor: Any) -> str:
    kind, _, rest = str(actor.class_name).partition(":")
    if kind == "ServeReplica":
        return f"replica of {rest.partition(':')[0]}"
    kind = str(actor.class_name).rpartition(".")[2]
    return _NAMES.get(kind, kind)


def _replicas() -> dict[str, tuple[int, int]]:
    if serve.context._get_global_client(raise_if_no_controller_running=False) is None:
        return {}
    found = {}
    for name, application in serve.status().applications.items():
        states: Counter[ReplicaState] = Counter()
        for deployment in application.deployments.values():
            states.update(deployment.replica_states)
        found[name] = states[ReplicaState.RUNNING], states[ReplicaState.STARTING] + states[ReplicaState.RECOVERING]
    return found
