"""Labelled frames a second in a training's own process, against the usual way to a CLIP reward, on the same frames."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.apps import vit_b32
from benchmarks.plain_reward import PlainReward
from benchmarks.rollout_rows import Step, demo_envs, random_rollout, task_set_of
from benchmarks.row import Row, benchmark
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_config import RewardConfig
from vlm_rewards.service.served_by import ServedByKind, connect

# Vector steps in one turn. The cache goes on from turn to turn, as in a training.
_TURN = 10


@benchmark("peer-vlmrm-phone")
def phone(quick: bool) -> list[Row]:
    """Measure the demo's frames: 16 phones, a random policy."""
    return [_against_plain("peer-vlmrm-phone", "demo", "Android", 10, quick)]


@benchmark("peer-vlmrm-home")
def home(quick: bool) -> list[Row]:
    """Measure the frames of Find in the Playhouse: 16 homes, a random policy."""
    return [_against_plain("peer-vlmrm-home", "find_small", "Playhouse", 4, quick)]


def _against_plain(name: str, preset: str, world: str, target: float, quick: bool) -> Row:
    config = TrainConfig(**load_preset("train", preset))
    envs = demo_envs(config)
    requests, *_ = random_rollout(envs, (3 if quick else 11) * _TURN)
    task_set, reward, way = task_set_of(envs), config.reward_model, config.served_by.without_ray()
    envs.close()
    ours, plain = _frames_a_second(way, reward, task_set, requests)
    note = f"{reward.model} as the preset has it, {ours:.0f} and {plain:.0f} frames a processor second, one thread each"
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            # `auto` has no record of agreement for random weights, and takes fp32.
            large = reward.model_copy(update={"model": str(vit_b32(Path(folder) / "vit"))})
            pair = _frames_a_second(way, large, task_set, requests[: 2 * _TURN])
        note += f"; ViT-B/32 with random weights in fp32: {pair[0]:.1f} and {pair[1]:.1f}, {pair[0] / pair[1]:.2f} x"
    what = f"labelled frames/s in process / with transformers on torch fp32 (the vlmrm way), {world} stream"
    return Row(name, what, ours / plain, target, ">=", note=note)


def _frames_a_second(
    way: ServedByKind, reward: RewardConfig, task_set: TaskSet, requests: list[Step]
) -> tuple[float, float]:
    """Return frames a second of processor time: ours, and the plain way; medians of turns after the first."""
    torch.set_num_threads(1)
    plain = PlainReward(reward, task_set)
    with connect(way, reward, task_set) as client:
        ways: tuple[Callable[..., Any], ...] = (client.score, plain.score)
        rates: tuple[list[float], ...] = ([], [])
        for first in range(0, len(requests), _TURN):
            turn = requests[first : first + _TURN]
            for score, found in zip(ways, rates, strict=True):
                start = time.process_time()
                for frames, goal_ids in turn:
                    score(frames, goal_ids)
                found.append(sum(len(frames) for frames, _ in turn) / (time.process_time() - start))
    ours, theirs = (statistics.median(found[1:]) for found in rates)
    return ours, theirs
