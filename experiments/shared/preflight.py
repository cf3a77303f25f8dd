"""Before step 0, on every node: what a run would otherwise find out after thousands of steps."""

import secrets
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console
from rich.table import Table

from experiments.shared.driver_environment import driver_environment, take_over
from experiments.shared.node_probe import Needs, NodeReport, probe
from vlm_rewards.errors import ConfigError

_TIMEOUT_S = 90.0
_MOST_CLOCK_S = 1.0


@dataclass(frozen=True)
class Node:
    """A node's report, and what only a comparison tells.

    Attributes:
        id: Ray's name for it.
        address: IP address.
        report: What it said; None if it said nothing.
        clock_s: Seconds that its clock is ahead of the driver's, as well as half a round trip lets one know.
        faults: Its own and those of the comparison.
    """

    id: str
    address: str
    report: NodeReport | None
    clock_s: float = 0.0
    faults: tuple[str, ...] = ()


def preflight(needs: Needs, show: bool = False, here: str | None = None) -> list[Node]:
    """Let every node of the cluster try what the run needs. Ray must run.

    The driver's own node is tried in this process, others by an actor each that reserves nothing. On one machine
    nothing is printed where nothing is wrong. Nodes that an autoscaler brings later are not tried.

    Args:
        needs: What the run will ask of each.
        show: Whether the table is printed in any case.
        here: Id of the node that this process is on; None asks Ray.

    Returns:
        The nodes.

    Raises:
        ConfigError: A node is not fit; one line each has been printed.
    """
    here = ray.get_runtime_context().get_node_id() if here is None else here
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    needs.output.mkdir(parents=True, exist_ok=True)
    needs = replace(needs, marker=f".preflight-{secrets.token_hex(4)}")
    marker = needs.output / needs.marker
    try:
        marker.write_text(here)
        nodes = judged(_asked(needs, alive, here))
    finally:
        for path in needs.output.glob(f"{needs.marker}*"):
            with suppress(OSError):
                path.unlink()
    faults = [(node, fault) for node in nodes for fault in node.faults]
    console = Console(stderr=bool(faults))
    if show or faults or len(nodes) > 1:
        console.print(table(nodes))
    for node, fault in faults:
        console.print(f"{_name(node)}: {fault}", style="red", markup=False, soft_wrap=True)
    if faults:
        unfit = len({node.id for node, _ in faults})
        first = f"{_name(faults[0][0])}: {faults[0][1]}"
        raise ConfigError(f"{unfit} of {len(nodes)} nodes are not fit for the run ({first}); nothing was begun")
    return nodes


def preflight_alone(needs: Needs, num_cpus: float = 1) -> None:
    """Start or join Ray for it alone, and print the table: `--preflight-only`.

    Raises:
        ConfigError: A node is not fit, or the cluster cannot be reached.
    """
    from experiments.shared.ray_session import ray_session

    with ray_session(num_cpus):
        nodes = preflight(needs, show=True)
    Console().print(f"{len(nodes)} of {len(nodes)} nodes are fit for the run")


def judged(nodes: list[Node]) -> list[Node]:
    """Return nodes with all their faults: what each says, and in what it differs from most."""
    reports = [node.report for node in nodes if node.report is not None]
    codes = Counter(report.code for report in reports)
    code = codes.most_common(1)[0][0] if codes else ""
    versions = {
        name: Counter(report.versions.get(name, "none") for report in reports).most_common(1)[0][0]
        for name in sorted({name for report in reports for name in report.versions})
    }
    return [replace(node, faults=(*node.faults, *_faults(node, code, versions))) for node in nodes]


def _faults(node: Node, code: str, versions: Mapping[str, str]) -> list[str]:
    report = node.report
    if report is None:
        return []
    faults = [*report.faults]
    if report.code != code:
        faults.append(
            f"has other code ({report.code}, most have {code}): submit with --working-dir, or renew its image"
        )
    for name, usual in versions.items():
        own = report.versions.get(name, "none")
        if own != usual:
            faults.append(f"has {name} {own}, most have {usual}: use one image, or install constraints.txt on it")
    if abs(node.clock_s) > _MOST_CLOCK_S:
        ahead = "ahead of" if node.clock_s > 0 else "behind"
        faults.append(f"its clock is {abs(node.clock_s):.1f} s {ahead} the driver's: set it, as by NTP")
    return faults


def table(nodes: list[Node]) -> Table:
    """Return a line a node."""
    shown = Table("node", "address", "ray", "torch", "code", "disk free", "memory free", "clock", "fit")
    for node in nodes:
        report = node.report
        if report is None:
            shown.add_row(node.id[:8], node.address, *["?"] * 6, "no")
            continue
        shown.add_row(
            report.host,
            node.address,
            report.versions.get("ray", "none"),
            report.versions.get("torch", "none"),
            report.code,
            "?" if report.free_disk is None else f"{report.free_disk / 2**30:.1f} GiB",
            f"{report.free_memory / 2**30:.1f} GiB",
            f"{node.clock_s:+.2f} s",
            "no" if node.faults else "yes",
        )
    return shown


def _name(node: Node) -> str:
    return f"node {node.report.host if node.report else node.id[:8]} ({node.address})"


class _Probe:
    """Stands on a node while it is tried, with what the run's own processes there will have of the environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        take_over(environment)

    def probe(self, needs: Needs, node: str) -> NodeReport:
        """Return the node's report."""
        return probe(needs, node)

    def clock(self) -> float:
        """Return the node's time in seconds."""
        return time.time()


def _asked(needs: Needs, alive: Mapping[str, str], here: str) -> list[Node]:
    remote: Any = ray.remote(_Probe)
    # By reference: what an actor is made with, Ray may keep on a disk.
    environment = ray.put(driver_environment())
    probes = {
        node: remote.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False), max_restarts=0
        ).remote(environment)
        for node in alive
        if node != here
    }
    asked = {node: actor.probe.remote(needs, node) for node, actor in probes.items()}
    nodes = [Node(here, alive[here], probe(needs, here))] if here in alive else []
    deadline = time.monotonic() + _TIMEOUT_S
    for node, actor in probes.items():
        try:
            report = ray.get(asked[node], timeout=max(0.1, deadline - time.monotonic()))
            before = time.time()
            clock = ray.get(actor.clock.remote(), timeout=10.0)
            offset = clock - (before + time.time()) / 2
            nodes.append(Node(node, alive[node], report, offset))
        except Exception as error:  # whatever it is, it is this node's fault and says so
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            nodes.append(Node(node, alive[node], None, faults=(f"gives no answer ({reason}): look at its logs",)))
        finally:
            ray.kill(actor)
    return nodes
