"""What the cache gives on a phone's rollouts, and how near the demo's sampling comes to the sum of its parts."""

import copy
import functools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.apps import deployed, vit_b32
from benchmarks.row import Row, benchmark
from envs.registry import make_env
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import RewardClient
from vlm_rewards.service.served_by import Deploy, connect
from vlm_rewards.service.serving import RewardAppArgs

Step = tuple[np.ndarray, list[str]]


def demo_config() -> TrainConfig:
    """Return the settings of `make demo`."""
    return TrainConfig(**load_preset("train", "demo"))


def demo_envs(config: TrainConfig) -> RewardVectorEnv:
    """Build the demo's environments as training does."""
    options = {**config.environment.options, "terminate_on_success": False}
    one = functools.partial(make_env, config.environment.id, **options)
    return RewardVectorEnv([one for _ in range(config.sampling.num_envs_per_env_runner)])


def random_rollout(envs: RewardVectorEnv, steps: int, seed: int = 0) -> tuple[list[Step], list[Any], list[float]]:
    """Play at random; return each step's reward frames with goals, its observations, and its seconds."""
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    requests, observations, seconds = [], [], []
    everyone = list(range(envs.num_envs))
    for _ in range(steps):
        actions = envs.action_space.sample()
        start = time.perf_counter()
        observation, *_ = envs.step(actions)
        frames, goal_ids = envs.reward_frames(everyone), envs.goal_ids(everyone)
        seconds.append(time.perf_counter() - start)
        requests.append((frames, goal_ids))
        observations.append(observation)
    return requests, observations, seconds


def task_set_of(envs: RewardVectorEnv) -> TaskSet:
    """Return the goals of the environments."""
    task_set: TaskSet = envs.envs[0].get_wrapper_attr("task_set")
    return task_set


def served_seconds(client: RewardClient, requests: list[Step]) -> list[float]:
    """Score one request after the other, as an env runner does; return the seconds of each."""
    seconds = []
    for frames, goal_ids in requests:
        start = time.perf_counter()
        client.score(frames, goal_ids)
        seconds.append(time.perf_counter() - start)
    return seconds


@benchmark("cache-hits", "cache-speedup", needs_ray=True)
def cache(quick: bool) -> list[Row]:
    """Measure the embedding cache on rollouts of a random policy on the phone."""
    envs = demo_envs(demo_config())
    requests, *_ = random_rollout(envs, 25 if quick else 100)
    frames = sum(len(one) for one, _ in requests)
    rates: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        reward = RewardConfig(model=str(vit_b32(Path(folder) / "vit")), tau=0.1, beta=0.5, precision="auto")
        for cache_mb in (0, 64):
            args = RewardAppArgs(reward=reward, task_set=task_set_of(envs), num_cpus=1, cache_mb=cache_mb)
            with deployed(f"bench-cache-{cache_mb}", args) as transport:
                client = RewardClient(transport, timeout_s=120, deadline_s=240)
                client.describe()
                rates[cache_mb] = frames / sum(served_seconds(client, requests))
                info = transport.replica_info(timeout_s=10)
    hits = info.cache_hits / (info.cache_hits + info.cache_misses)
    note = f"{frames} frames of {envs.num_envs} phones, random policy"
    return [
        Row("cache-hits", "share of frames not encoded, android/OpenApp-v0 as in the demo", hits, 0.8, ">=", "", note),
        Row("cache-speedup", "rewards/s with the cache / without, ViT-B/32 served", rates[64] / rates[0], 3, ">=",
            note=f"{rates[64]:.0f} and {rates[0]:.0f} rewards/s"),
    ]  # fmt: skip


@benchmark("sampling-efficiency", needs_ray=True)
def sampling_efficiency(quick: bool) -> list[Row]:
    """Measure the wall time of the demo's sampling against its parts alone, one after the other in one process."""
    config = demo_config()
    steps = 60 if quick else 300
    threads = config.sampling.learner_threads or torch.get_num_threads()
    envs = demo_envs(config)
    task_set = task_set_of(envs)
    requests, observations, env_seconds = random_rollout(envs, steps)

    way = config.served_by
    assert isinstance(way, Deploy)
    torch.set_num_threads(way.torch_threads or 1)
    model = RewardModel(config.reward_model, task_set)
    model.score(*requests[0])
    reward_seconds = []
    for frames, goal_ids in requests:
        start = time.perf_counter()
        model.score(frames, goal_ids)
        reward_seconds.append(time.perf_counter() - start)

    torch.set_num_threads(threads)
    # Without its cache, for the parts are measured without one.
    with connect(way.model_copy(update={"cache_mb": 0}), config.reward_model, task_set) as client:
        call_seconds = served_seconds(client, requests)
        algorithm = config.algorithm.make_config(
            env=functools.partial(make_env, config.environment.id),
            env_kwargs=config.environment.options,
            client_factory=functools.partial(copy.copy, client),
            total_env_steps=config.total_env_steps,
            module=config.agent,
            num_envs_per_env_runner=config.sampling.num_envs_per_env_runner,
            torch_threads=threads,
            seed=config.seed,
        ).build_algo()
        try:
            runner = algorithm.env_runner
            policy_seconds = []
            for observation in observations:
                batch = {"obs": {key: torch.from_numpy(np.asarray(value)) for key, value in observation.items()}}
                start = time.perf_counter()
                with torch.no_grad():
                    runner.module.forward_exploration(batch)
                policy_seconds.append(time.perf_counter() - start)
            runner.sample(num_timesteps=10 * envs.num_envs)
            start = time.perf_counter()
            runner.sample(num_timesteps=steps * envs.num_envs)
            wall = (time.perf_counter() - start) / steps
        finally:
            algorithm.stop()
    parts = [statistics.mean(one) for one in (env_seconds, reward_seconds, policy_seconds)]
    service_s = statistics.mean(call_seconds) - parts[1]
    rest = wall - sum(parts) - service_s
    note = (
        f"a vector step of {envs.num_envs}: {wall * 1e3:.1f} ms = environments {parts[0] * 1e3:.1f} + encoder "
        f"{parts[1] * 1e3:.1f} + policy {parts[2] * 1e3:.1f} + way to the replica {service_s * 1e3:.1f} + RLlib's "
        f"episodes and connectors {rest * 1e3:.1f}"
    )
    what = "sampling of the demo: parts measured alone / wall time"
    return [Row("sampling-efficiency", what, sum(parts) / wall, 0.7, ">=", "", note)]
