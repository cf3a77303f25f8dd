"""Another program on the cluster of a running study: asks the study's reward while it trains.

python job_client.py OUTPUT_FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from mlflow.tracking import MlflowClient

from envs.registry import make_env
from experiments.shared.preset_files import load_preset
from experiments.shared.ray_session import ray_session
from experiments.training.config import TrainConfig
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.tracking.store import default_uri

FRAMES = 8


def frames_of(env):
    """Frames of a random walk, uint8 (N, H, W, 3)."""
    env.reset(seed=0)
    env.action_space.seed(0)
    frames = []
    for _ in range(FRAMES):
        env.step(env.action_space.sample())
        frames.append(env.unwrapped.reward_frame())
    return np.stack(frames)


def running_study(output):
    """The parent run, once its reward applications are there."""
    # Not before the study has begun: two that open a new sqlite store at once break the migration of its schema.
    while not list(output.glob("*/study.json")):
        time.sleep(0.2)
    client = MlflowClient(tracking_uri=default_uri(output))
    while True:
        for run in client.search_runs([e.experiment_id for e in client.search_experiments()]):
            if "study.reward_apps" in run.data.tags:
                return client, run
        time.sleep(0.5)


def too_few():
    """What a study that needs more than the cluster has is told."""
    try:
        with ray_session(64):
            return "nothing"
    except ConfigError as error:
        return str(error)


def main():
    """Print what was seen as JSON."""
    seen = {"too_few": too_few()}
    config = TrainConfig(**load_preset("train", "smoke"))
    env = make_env(config.environment.id, **config.environment.options)
    frames, task_set = frames_of(env), env.unwrapped.task_set
    goals = [task_set.goals[i % len(task_set.goals)].id for i in range(FRAMES)]
    model = RewardModel(config.reward, task_set)
    seen["in_process"] = model.score(frames, goals).tolist()
    with ray_session(1):
        client, run = running_study(Path(sys.argv[1]))
        (app,) = json.loads(run.data.tags["study.reward_apps"])
        transport = HandleTransport(app)
        reward = RewardClient(transport)
        seen["served"] = reward.score(frames, goals).scores.tolist()
        seen["same_reward"] = reward.describe().fingerprint == model.describe().fingerprint
        seen["replica_folder"] = str(Path(f"/proc/{transport.replica_info(20.0).pid}/cwd").readlink())
        seen["status"] = client.get_run(run.info.run_id).info.status
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
