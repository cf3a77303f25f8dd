"""The rewards that PPO trains on, on the phone behind real Serve, against equations 1 and 2 by transformers alone."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ray import serve
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

import vlm_rewards.encoders.pocket_clip  # registers the pocket CLIP's architecture
from envs.registry import make_env
from rllib_configs.ppo import PPOHyperparameters
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import RewardAppArgs

TAU, BETA = 0.05, 0.9
TASK_SET = TaskSet.named("open_common_apps")
FOLDER = Path(vlm_rewards.__file__).parent / "checkpoints" / "pocket-android"
APP = "recorded-rewards"


def client():
    return RewardClient(HandleTransport(APP))


def normalised(features):
    return (features / features.norm(dim=1, keepdim=True)).double().numpy()


def equations_1_and_2(frames, goal_ids):
    """p by the letter of the paper; shares with the library only the architecture's class."""
    model = AutoModel.from_pretrained(FOLDER).float().eval()
    processor, tokenizer = (
        AutoImageProcessor.from_pretrained(FOLDER, backend="pil"),
        AutoTokenizer.from_pretrained(FOLDER),
    )
    prompts = {goal.id: f"Screenshot of {goal.subject} on Android" for goal in TASK_SET.all_goals}
    captions = [*prompts.values(), *TASK_SET.unachieved_captions]
    with torch.no_grad():
        tokens = tokenizer(captions, padding=True, return_tensors="pt")
        text = model.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        texts = dict(zip(captions, normalised(text), strict=True))
        pixels = [
            processor(images=list(frames[i : i + 64]), return_tensors="pt")["pixel_values"]
            for i in range(0, len(frames), 64)
        ]
        images = np.concatenate([normalised(model.get_image_features(part).pooler_output) for part in pixels])
    probabilities = []
    for image, goal_id in zip(images, goal_ids, strict=True):
        weights = {caption: math.exp(float(image @ vector) / TAU) for caption, vector in texts.items()}
        probabilities.append(weights[prompts[goal_id]] / math.fsum(weights.values()))
    return np.array(probabilities)


def test_recorded_rewards_on_the_phone_equal_equations_1_and_2(ray_session):
    reward = RewardConfig(
        model="pocket-android", template="D", negatives=NegativesSpec(kind="goals_and_states"), tau=TAU, beta=BETA
    )
    deploy(RewardAppArgs(reward=reward, task_set=TASK_SET, num_cpus=0.1, torch_threads=1), APP)
    steps = []
    algorithm = (
        PPOHyperparameters(train_batch_size=1200, epochs=1)
        .make_config(
            env=partial(make_env, "android/OpenApp-v0"),
            env_kwargs={"task_set": "open_common_apps", "max_episode_steps": 20},
            client_factory=client,
            module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2)),
            # RLlib deep-copies its configuration: a function survives that as itself, a list would not.
            recorder=lambda step: steps.append((step, [(e.is_terminated, e.is_truncated) for e in step.episodes])),
            seed=1,
        )
        .build_algo()
    )
    try:
        algorithm.train()
    finally:
        algorithm.stop()
        serve.delete(APP)

    frames = np.concatenate([step.frames for step, _ in steps])
    goal_ids = [goal_id for step, _ in steps for goal_id in step.goal_ids]
    recorded = np.concatenate([step.rewards for step, _ in steps])
    ended = np.array([end for _, ends in steps for end in ends])
    expected = equations_1_and_2(frames, goal_ids)
    assert len(recorded) >= 1000
    assert ended[:, 0].sum() > 0, "no episode was ended by the reward"
    assert ended[:, 1].sum() > 0, "no episode timed out"
    assert np.count_nonzero(recorded != (expected > BETA)) == 0
    assert np.array_equal(ended[:, 0], recorded > 0)
    np.testing.assert_allclose(np.concatenate([step.scores for step, _ in steps]), expected, atol=1e-3)
