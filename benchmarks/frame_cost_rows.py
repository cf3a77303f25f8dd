"""What one labelled frame costs in processor time, over all that work for it: callers, proxy, gateway, replica."""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.apps import Callers, deployed, http_gateway
from benchmarks.processor_time import ProcessorTime
from benchmarks.row import REPORTED, Row, benchmark
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import HttpTransport, RewardClient
from vlm_rewards.service.serving import RewardAppArgs

_CALLERS = (1, 8, 64)
# What an env runner asks for at a time.
_FRAMES = 16
_APP = "bench-frame-cost"


@benchmark(*(f"frame-cost-{way}-{callers}" for way in ("handle", "http") for callers in _CALLERS), needs_ray=True)
def frame_cost(quick: bool) -> list[Row]:
    """Measure it for Find's reward on distinct frames, with as many callers in this process, and the bare model's."""
    seconds = 4.0 if quick else 15.0
    reward = TrainConfig(**load_preset("train", "find_small")).reward_model
    task_set = TaskSet.named("playhouse_find_small")
    torch.set_num_threads(1)
    bare = RewardModel(reward, task_set)
    rng = np.random.default_rng(0)
    requests = rng.integers(0, 256, (64, _FRAMES, *bare.encoder.image_size, 3), dtype=np.uint8)
    goal_ids = [goal.id for goal in task_set.goals[:_FRAMES]]
    args = RewardAppArgs(reward=reward, task_set=task_set, num_cpus=1, torch_threads=1, max_wait_s=600)
    costs: dict[tuple[str, int], tuple[float, float]] = {}
    with http_gateway() as url, deployed(_APP, args) as handle:
        transports: dict[str, Any] = {"handle": handle, "http": HttpTransport(url, _APP)}
        alone = []
        for way, transport in transports.items():
            client = RewardClient(transport, max_in_flight=64, timeout_s=120, deadline_s=240)
            client.score(requests[0], goal_ids)
            for number in _CALLERS:
                alone.append(_alone(bare, requests, goal_ids))
                costs[way, number] = _served(client, number, requests, goal_ids, seconds)
    bare_ms = float(np.median(alone))
    return [
        Row(
            f"frame-cost-{way}-{number}",
            f"processor time of a frame served by {way}, {number} callers of {_FRAMES}, pocket-l / the bare model's",
            cost / bare_ms,
            REPORTED,
            "<=",
            note=f"{cost:.2f} and {bare_ms:.2f} processor ms; {rate:.0f} frames/s",
        )
        for (way, number), (cost, rate) in costs.items()
    ]


def _alone(bare: RewardModel, requests: np.ndarray, goal_ids: list[str]) -> float:
    """Return processor milliseconds of a frame where the model is called in this process."""
    start = time.process_time()
    for frames in requests:
        bare.score(frames, goal_ids)
    return 1000 * (time.process_time() - start) / (len(requests) * _FRAMES)


def _served(
    client: RewardClient, number: int, requests: np.ndarray, goal_ids: list[str], seconds: float
) -> tuple[float, float]:
    """Return processor milliseconds of a frame over this process and all that it has started, and frames a second."""
    spent, start = ProcessorTime(), time.monotonic()
    callers = Callers(number, lambda index, count: client.score(requests[(index + count) % len(requests)], goal_ids))
    time.sleep(seconds)
    callers.stop()
    took = time.monotonic() - start
    if callers.errors:
        raise callers.errors[0]
    frames = callers.answered * _FRAMES
    return 1000 * spent.seconds() / frames, frames / took
