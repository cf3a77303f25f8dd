"""What the peers' rows compare is the same work: the plain way to a CLIP reward gives our probabilities."""

import numpy as np
import pytest

from benchmarks.plain_reward import PlainReward
from benchmarks.rollout_rows import demo_config, demo_envs, random_rollout, task_set_of
from vlm_rewards.reward_model import RewardModel


@pytest.fixture(scope="module")
def demo():
    """The demo's reward in fp32, the same in the plain way, and screens with goals (32 of them)."""
    envs = demo_envs(demo_config())
    requests, *_ = random_rollout(envs, 2)
    task_set = task_set_of(envs)
    envs.close()
    config = demo_config().reward_model.model_copy(update={"precision": "fp32"})
    frames, goal_ids = (np.concatenate(parts) for parts in zip(*requests, strict=True))
    return RewardModel(config, task_set), PlainReward(config, task_set), frames, list(goal_ids)


def test_the_plain_way_gives_the_same_probabilities(demo):
    model, plain, frames, goal_ids = demo
    found, expected = plain.score(frames, goal_ids), model.score(frames, goal_ids)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape == (32,)
    # Pictures are resized within 2 of 255, and tau divides what comes of it by 0.05.
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_of_one_screen_it_tells_all_goals_apart_as_we_do(demo):
    model, plain, frames, _ = demo
    goal_ids = [goal.id for goal in model.task_set.goals]
    one = np.repeat(frames[:1], len(goal_ids), axis=0)
    expected = model.score(one, goal_ids)
    assert len(set(expected)) == len(goal_ids)
    np.testing.assert_allclose(plain.score(one, goal_ids), expected, atol=0.01)
