"""Trained agents as searches: what each checkpoint of a run does, judged by every reward of the benchmark."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.shared.run_folder import RunFolder
from experiments.training.restoring import restored_networks
from experiments.under_pressure.config import TaskSpec
from experiments.under_pressure.recording import Actor, Recorder, Recording, Start, task_env
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import ConfigError


class LatestObservation(gym.Wrapper[Any, Any, Any, Any]):
    """Remembers what the agent saw last, for an actor that is asked between steps.

    Attributes:
        latest: The observation.
    """

    latest: dict[str, np.ndarray]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`."""
        self.latest, info = self.env.reset(seed=seed, options=options)
        return self.latest, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one step; see `gymnasium.Env.step`."""
        self.latest, reward, terminated, truncated, info = self.env.step(action)
        return self.latest, reward, terminated, truncated, info


def checkpoints_of(run: Path, task: TaskSpec) -> dict[int, Path]:
    """Return the checkpoints that a run has kept, by the environment steps trained until then, ascending.

    Raises:
        ConfigError: The folder is none of a run, it has no checkpoint, or it is of another environment than the task's.
    """
    folder = RunFolder.existing(run).path
    environment = RunFolder(folder).config().get("environment", {})
    if environment.get("id") != task.environment:
        raise ConfigError(f"the run in {run} is of {environment.get('id')!r}, the task of {task.environment!r}")
    found = {int(path.name.partition("-")[2]): path for path in sorted(folder.glob("checkpoint-*"))}
    if not found:
        raise ConfigError(f"the run in {run} has no checkpoint; name one that has trained")
    return found


def record_agent(
    run: Path,
    checkpoint: Path,
    task: TaskSpec,
    encoders: Mapping[str, Encoder],
    frame_size: tuple[int, int],
    starts: list[Start],
    episodes: int,
    seed: int,
) -> Recording:
    """Play a checkpoint's agent from each start, its actions drawn.

    Args:
        run: Folder of the run, whose settings say what the agent sees.
        checkpoint: One of its checkpoints.
        task: The task.
        encoders: By model.
        frame_size: (height, width) in pixels of the reward's frames.
        starts: P starts.
        episodes: N of each.
        seed: Seed of the draws.
    """
    # Imported here: only an agent that RLlib trained needs it.
    from vlm_rewards.evaluation.module_policy import ModulePolicy

    trained = RunFolder.existing(run).config().get("environment", {}).get("options", {})
    sees = {key: trained[key] for key in ("observation_size", "remembered_actions") if key in trained}
    # Without a size of its own the environment's default is what it was trained on.
    seen = "observation_size" not in sees
    env = task_env(task.model_copy(update={"options": {**task.options, **sees}}), frame_size, seen=seen)
    module = restored_networks(checkpoint)
    policy = ModulePolicy(module, 1, deterministic=False, seed=seed)

    def act(watched: gym.Env[Any, Any], rng: np.random.Generator) -> Iterator[int]:
        policy.start([0], [0])
        while True:
            latest = watched.get_wrapper_attr("latest")
            yield int(policy.act({key: value[None] for key, value in latest.items()}, [0])[0])

    try:
        actors: list[Actor] = [act] * episodes
        return Recorder(task, encoders, LatestObservation(env)).record(starts, actors, seed)
    finally:
        env.close()
