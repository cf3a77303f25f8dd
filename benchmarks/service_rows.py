"""What serving costs: throughput against the bare encoder, and one call against a raw Ray actor's."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import torch

from benchmarks.apps import FAKE, TASK_SET, Callers, deployed, emulated_args, request, vit_b32
from benchmarks.row import Row, benchmark
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import RewardClient


@benchmark("served-throughput", needs_ray=True)
def served_throughput(quick: bool) -> list[Row]:
    """Measure frames a second through the service at saturation, and of the same model called in this process."""
    rounds, seconds = (1, 6.0) if quick else (3, 20.0)
    frames, goal_ids = request(16, size=224)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        reward = RewardConfig(model=str(vit_b32(Path(folder) / "vit")), tau=0.1, beta=0.5, precision="auto")
        bare = RewardModel(reward, TASK_SET)
        bare.score(frames, goal_ids)
        args = emulated_args(reward=reward, num_cpus=1, torch_threads=1, max_batch_frames=16, max_wait_s=600)
        rates: dict[str, list[float]] = {"bare": [], "served": []}
        with deployed("bench-served", args) as transport:
            client = RewardClient(transport, timeout_s=120, deadline_s=240)
            client.score(frames, goal_ids)
            for _ in range(rounds):
                start, calls = time.monotonic(), 0
                while time.monotonic() - start < seconds:
                    bare.score(frames, goal_ids)
                    calls += 1
                rates["bare"].append(calls * len(frames) / (time.monotonic() - start))
                # Whole calls from the first to the last: the edges of a window would count as much as a batch.
                callers = Callers(6, lambda *_: client.score(frames, goal_ids))
                time.sleep(seconds)
                callers.stop()
                ends = callers.finished_at[6:-6] if callers.answered > 24 else callers.finished_at
                rates["served"].append((len(ends) - 1) * len(frames) / (ends[-1] - ends[0]))
    served, alone = (statistics.median(rates[name]) for name in ("served", "bare"))
    return [
        Row("served-throughput", "served frames/s at saturation / bare encoder's, ViT-B/32, 16 frames a request",
            served / alone, 0.9, ">=", note=f"{served:.1f} and {alone:.1f} frames/s, one thread each"),
    ]  # fmt: skip


@benchmark("handle-overhead", needs_ray=True)
def handle_overhead(quick: bool) -> list[Row]:
    """Measure the seconds of a call of 16 x 64 x 64 x 3, and of one to a raw actor that holds the same model."""

    @ray.remote(num_cpus=0.1)
    class RawActor:
        def __init__(self) -> None:
            self.model = RewardModel(FAKE, TASK_SET)

        def score(self, frames: Any, goal_ids: list[str]) -> Any:
            return self.model.score(frames, goal_ids)

    raw_actor: Any = RawActor
    actor = raw_actor.remote()
    frames, goal_ids = request(16, size=64)
    with deployed("bench-overhead", emulated_args(), seconds_per_batch=0.0) as transport:
        client = RewardClient(transport)
        calls: dict[str, Callable[[], object]] = {
            "service": lambda: client.score(frames, goal_ids),
            "actor": lambda: ray.get(actor.score.remote(frames, goal_ids)),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(150 if quick else 1000):
            # In turns, so that whatever else the machine does burdens both.
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                if turn >= 30:
                    times[name].append(time.perf_counter() - start)
    ray.kill(actor)
    service, raw = (statistics.median(times[name]) * 1e3 for name in ("service", "actor"))
    return [
        Row("handle-overhead", "one call of 16x64x64x3, fake encoder / a raw actor's", service / raw, 1.5, "<=",
            note=f"medians {service:.2f} and {raw:.2f} ms"),
    ]  # fmt: skip
