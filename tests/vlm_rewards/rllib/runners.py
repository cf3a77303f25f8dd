"""RLlib's real env runner on the grid, what it recorded, and the equations that this must obey."""

import math

import numpy as np

from rllib_configs.ppo import PPOHyperparameters
from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS, grid_client, grid_reward_model, make_grid
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.rllib.env_runner import RewardEnvRunner
from vlm_rewards.rllib.metrics import METRICS_KEY
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.service import InProcessTransport, RewardClient

TINY = GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2))


def runner_of(
    seed=0,
    client_factory=grid_client,
    recorder=None,
    num_envs=6,
    make=make_grid,
    hyperparameters=PPOHyperparameters(),  # noqa: B008 for it is frozen
    module=TINY,
    goals=None,
    **env_kwargs,
):
    config = hyperparameters.make_config(
        env=make,
        env_kwargs=env_kwargs,
        client_factory=client_factory,
        recorder=recorder,
        module=module,
        goals=goals,
        num_envs_per_env_runner=num_envs,
        seed=seed,
    )
    return RewardEnvRunner(config=config, worker_index=0)


class Recording:
    """Keeps what the recorder hook is given, and what the episodes say at that moment."""

    def __init__(self):
        self.frames, self.goals, self.scores, self.rewards = [], [], [], []
        self.where, self.terminated, self.truncated = [], [], []
        self.ended = []

    def __call__(self, step):
        self.frames.extend(step.frames)
        self.goals.extend(step.goal_ids)
        self.scores.extend(step.scores)
        self.rewards.extend(step.rewards)
        for episode in step.episodes:
            self.where.append((episode.id_, episode.t))
            self.terminated.append(episode.is_terminated)
            self.truncated.append(episode.is_truncated)
            if episode.is_done:
                self.ended.append(episode.custom_data[METRICS_KEY])


def equations_1_and_2(frames, goal_ids, tau, beta):
    """p and r by the letter of the paper, one frame at a time, sharing no code with the library's head."""
    texts = {goal.id: ENCODER.embed_texts([f"Screenshot of {goal.subject} on Android"])[0] for goal in TASKS.goals}
    floor = ENCODER.embed_texts(["bare floor"])[0]
    images = ENCODER.embed_images(np.stack(frames))
    probabilities, rewards = [], []
    for image, goal_id in zip(images, goal_ids, strict=True):
        weight = {
            name: math.exp(math.fsum(float(a) * float(b) for a, b in zip(image, text, strict=True)) / tau)
            for name, text in [*texts.items(), ("floor", floor)]
        }
        probabilities.append(weight[goal_id] / math.fsum(weight.values()))
        rewards.append(1.0 if probabilities[-1] > beta else 0.0)
    return np.array(probabilities), np.array(rewards)


def agreeing_client():
    return RewardClient(InProcessTransport(_agreeing_model()))


def _agreeing_model():
    config = grid_reward_model().config
    values = {name: getattr(config, name) for name in config.model_fields_set}
    return RewardModel(type(config)(**{**values, "head": {"agree": {"need": 2, "of": 3}}}), TASKS, encoder=ENCODER)
