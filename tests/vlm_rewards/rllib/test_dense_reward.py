"""A dense reward form in RLlib's real env runner: written as it is, and ending nothing."""

import numpy as np

from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS
from tests.vlm_rewards.rllib.runners import Recording, runner_of
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import InProcessTransport, RewardClient


def cosine_client() -> RewardClient:
    config = RewardConfig(model="fake", head={"form": "cosine"})
    return RewardClient(InProcessTransport(RewardModel(config, TASKS, encoder=ENCODER)))


def test_dense_rewards_are_written_and_only_the_timeout_ends_episodes(ray_session):
    recording = Recording()
    runner = runner_of(recorder=lambda step: recording(step), client_factory=cosine_client)
    samples = runner.sample(num_timesteps=300)
    runner.stop()
    prompts = {goal.id: ENCODER.embed_texts([f"Screenshot of {goal.subject} on Android"])[0] for goal in TASKS.goals}
    images = ENCODER.embed_images(np.stack(recording.frames))
    expected = [float(image @ prompts[goal]) for image, goal in zip(images, recording.goals, strict=True)]
    np.testing.assert_allclose(recording.rewards, expected, atol=1e-6)
    # Rewards that would have ended an episode of the paper's form were among them.
    assert max(expected) > 0.9
    assert min(expected) < 0
    assert not any(recording.terminated)
    assert sum(recording.truncated) > 20
    written = dict(zip(recording.where, recording.rewards, strict=True))
    sampled = {}
    for chunk in samples:
        sampled.update({(chunk.id_, chunk.t_started + i + 1): r for i, r in enumerate(chunk.get_rewards())})
        assert not chunk.is_done or chunk.t == 8
    assert sampled == written
