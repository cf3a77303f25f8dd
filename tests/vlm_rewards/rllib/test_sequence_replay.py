"""Windows of episodes against what the episodes hold, one step at a time."""

import numpy as np
import pytest
from ray.rllib.env.utils.infinite_lookback_buffer import InfiniteLookbackBuffer

from tests.vlm_rewards.rllib.test_replay import CAPTIONED, FULL, GOALS, GREEN, RED, SHAPE, YELLOW, episode
from vlm_rewards.rllib.eye import EYE_MASK, EYE_TARGETS
from vlm_rewards.rllib.replay_settings import ReplaySettings
from vlm_rewards.rllib.sequence_replay import ENDS, TAKEN, SequenceReplay

WINDOW = 4


def probable(made, log_probs):
    """The episode with the log-probabilities of its actions."""
    made.extra_model_outputs["action_logp"] = InfiniteLookbackBuffer(np.asarray(log_probs, np.float32))
    return made


def replay_of(*episodes, hindsight=None, goals=GOALS, newest_share=0.0, capacity=100):
    settings = ReplaySettings(capacity, 1, 0.9, hindsight, keeps_log_probs=True)
    replay = SequenceReplay(settings, SHAPE, goals, 3, window=WINDOW, newest_share=newest_share)
    replay.add([probable(each, -np.arange(len(each)) / 10) for each in episodes])
    return replay


def windows(replay, count=500):
    batch = replay.sample(count * WINDOW)
    assert batch["obs"]["image"].shape == (count, WINDOW + 1, *SHAPE)
    assert batch["obs"]["goal"].shape == (count, WINDOW + 1, GOALS.tokens.shape[1])
    return batch, batch["obs"]["image"][:, :, 0, 0, 0].astype(int)


@pytest.mark.parametrize("terminated", [True, False])
def test_a_window_holds_the_steps_that_follow_and_stops_where_the_episode_does(terminated):
    replay = replay_of(episode([[], [], [], [], [], [RED]], RED, terminated=terminated))
    batch, states = windows(replay)
    assert set(states[:, 0]) == set(range(6))
    for row, state in enumerate(states[:, 0]):
        steps = min(WINDOW, 6 - state)
        assert batch[TAKEN][row].tolist() == [t < steps for t in range(WINDOW)]
        assert states[row].tolist() == [min(state + t, 6) for t in range(WINDOW + 1)]
        assert batch["actions"][row, :steps].tolist() == list(range(state, state + steps))
        np.testing.assert_allclose(batch["action_logp"][row, :steps], -np.arange(state, state + steps) / 10, rtol=1e-6)
        last = [state + t == 5 for t in range(WINDOW)]
        assert batch["rewards"][row].tolist() == [float(each) for each in last]
        assert batch[ENDS][row].tolist() == [each and terminated for each in last]


def test_a_relabelled_window_has_one_goal_and_ends_where_that_is_achieved():
    replay = replay_of(episode([[], [GREEN], [], [], [RED, YELLOW]], RED), hindsight=FULL)
    batch, states = windows(replay)
    seen = set()
    for row, state in enumerate(states[:, 0]):
        tokens = batch["obs"]["goal"][row]
        assert (tokens == tokens[0]).all()
        goal = int(np.flatnonzero((GOALS.tokens == tokens[0]).all(axis=1))[0])
        seen.add((int(state), goal))
        hits = [step for step in range(state, 5) if goal in ([], [GREEN], [], [], [RED, YELLOW])[step]]
        until = min(state + WINDOW, hits[0] + 1 if hits else 5)
        assert batch[TAKEN][row].sum() == until - state
        assert batch["rewards"][row].sum() == (bool(hits) and hits[0] < state + WINDOW)
        assert batch[ENDS][row].sum() == batch["rewards"][row].sum()
    assert {(0, GREEN), (0, RED), (2, YELLOW)} <= seen
    assert (2, GREEN) not in seen, "achieved before, not later"


def test_the_newest_episodes_get_their_share():
    old = [episode([[], [], [], []], RED, terminated=False) for _ in range(15)]
    new = episode([[], [], [], []], RED, terminated=False, first_pixel=100)
    for share in (0.0, 0.5, 1.0):
        replay = replay_of(*old, new, newest_share=share)
        newest = np.mean([windows(replay, 1)[1][0, 0] >= 100 for _ in range(400)])
        # Of the others one episode in sixteen is the newest.
        assert newest == pytest.approx(share + (1 - share) / 16, abs=0.08)


def test_each_state_has_the_similarities_of_the_window_s_goal_where_an_embedding_is_known():
    embeddings = np.random.default_rng(0).normal(size=(3, CAPTIONED.embedding_dim)).astype(np.float32)
    replay = replay_of(episode([[], [], [RED]], RED, embeddings=embeddings), goals=CAPTIONED)
    batch, states = windows(replay)
    for row in range(50):
        state = states[row, 0]
        known = [0 < state + t <= 3 for t in range(WINDOW + 1)]
        assert batch[EYE_MASK][row].tolist() == known
        for t in np.flatnonzero(known):
            expected = CAPTIONED.captions[RED] @ embeddings[state + t - 1]
            np.testing.assert_allclose(batch[EYE_TARGETS][row, t], expected, rtol=1e-5)


def test_draws_go_on_after_a_checkpoint(tmp_path):
    replay = replay_of(episode([[], [GREEN], [RED]], RED), episode([[], []], GREEN, terminated=False), hindsight=FULL)
    replay.save(tmp_path)
    expected = replay.sample(40)
    other = replay_of(hindsight=FULL)
    other.load(tmp_path)
    got = other.sample(40)
    for name in ("actions", "rewards", "action_logp", TAKEN, ENDS):
        np.testing.assert_array_equal(got[name], expected[name])
