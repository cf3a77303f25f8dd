"""Whether the replicas' caches are worth as much where there are eight of them as where there is one."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ray.serve.handle import DeploymentHandle

from benchmarks.apps import deployed, emulated_args
from benchmarks.rollout_rows import Step, demo_config, demo_envs, random_rollout, task_set_of
from benchmarks.row import Row, benchmark
from vlm_rewards.service import HandleTransport, ReplicaInfo, RewardClient
from vlm_rewards.service.live import REWARD_DEPLOYMENT
from vlm_rewards.service.serving import ReplicaLimits
from vlm_rewards.service.transports.handle import methods_of

CALLERS = 8
HOLD_S = 0.02


@benchmark("cache-hits-replicas", needs_ray=True)
def cache_hits(quick: bool) -> list[Row]:
    """Measure the share of frames not encoded, and frames a second, of eight env runners' phones by replicas."""
    envs = demo_envs(demo_config())
    streams = [random_rollout(envs, 25 if quick else 100, seed=1000 * caller)[0] for caller in range(CALLERS)]
    limits = {number: ReplicaLimits(minimum=number, maximum=number) for number in (1, 2, 4, 8)}
    hits: dict[int, float] = {}
    notes = []
    for number, replicas in limits.items():
        name = f"bench-caches-{number}"
        args = emulated_args(task_set=task_set_of(envs), cache_mb=64, max_wait_s=600, replicas=replicas)
        with deployed(name, args, seconds_per_batch=HOLD_S) as transport:
            rate = _replayed(name, streams)
            infos = _all_replicas(transport, number)
        known, encoded = (sum(getattr(info, f"cache_{kind}") for info in infos) for kind in ("hits", "misses"))
        hits[number] = known / (known + encoded)
        notes.append(f"{number}: {hits[number]:.3f} ({rate:.0f} frames/s)")
    what = f"share of frames not encoded by 8 replicas / by 1, {CALLERS} env runners of 16 phones"
    return [Row("cache-hits-replicas", what, hits[8] / hits[1], 0.95, ">=", note=", ".join(notes))]


def _replayed(name: str, streams: Sequence[Sequence[Step]]) -> float:
    """Let each caller send its stream, one request after the other; return the frames a second of all together."""

    def play(stream: Sequence[Step]) -> None:
        transport = HandleTransport(name)
        # A handle of its own, and with it a router, as in a process of its own: `serve.get_app_handle` keeps one.
        transport._methods = methods_of(DeploymentHandle(REWARD_DEPLOYMENT, name))
        client = RewardClient(transport, timeout_s=60, deadline_s=120)
        for frames, goal_ids in stream:
            client.score(frames, goal_ids)

    start = time.monotonic()
    with ThreadPoolExecutor(len(streams)) as pool:
        list(pool.map(play, streams))
    return sum(len(frames) for stream in streams for frames, _ in stream) / (time.monotonic() - start)


def _all_replicas(transport: HandleTransport, number: int) -> list[ReplicaInfo]:
    """Ask for counters until each replica has answered: Serve chooses at random whom it asks."""
    infos: dict[int, ReplicaInfo] = {}
    while len(infos) < number:
        info = transport.replica_info(timeout_s=60)
        infos[info.pid] = info
    return list(infos.values())
