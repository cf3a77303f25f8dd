"""Scores of recorded states where several of a trajectory must agree, against a loop over the trajectory."""

import numpy as np
import pytest

from experiments.offline.rewards import FamilyRewards, load_text_encoder
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.reward_model import RewardConfig


@pytest.mark.parametrize(("need", "of"), [(2, 2), (2, 3)])
def test_a_state_s_score_is_what_its_trajectory_s_latest_states_agree_on(painted_goals, need, of):
    rng, lengths = np.random.default_rng(0), [1, 5, 2, 9]
    trajectory = np.repeat(np.arange(4) + 7, lengths)
    steps = np.concatenate([np.arange(length) for length in lengths])
    goals = np.array([painted_goals.goals[number % 3].id for number in trajectory], object)
    frames = rng.integers(0, 256, (len(steps), 8, 8, 3), dtype=np.uint8)
    family = np.full(len(steps), "painted", object)
    states = States(trajectory, steps, family, goals, None, np.zeros(len(steps), bool))
    images = FakeEncoder().embed_images(frames)

    def scores(head):
        config = RewardConfig(model="fake", template="a photo of [TASK]", tau=0.1, beta=0.5, head=head)
        return FamilyRewards(config, {"painted": painted_goals}, load_text_encoder(config)).score(states, images)

    alone, together = scores({}), scores({"agree": {"need": need, "of": of}})
    for row, step in enumerate(steps):
        window = sorted(alone[max(row - of + 1, row - step) : row + 1], reverse=True)
        assert together[row] == (window[need - 1] if len(window) >= need else 0)
