"""Recording looks and changes nothing, keeps what was there, and keeps to its bounds."""

import numpy as np
import pytest

from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS, grid_client, grid_reward_model
from tests.vlm_rewards.evaluation.recording.recorded import (
    NAMES,
    GoalGridEnv,
    grid_recorder,
    grid_recording,
    grid_scorer,
    play,
)
from vlm_rewards.errors import RewardServiceError
from vlm_rewards.evaluation.recording import ServedEncoder, StateScorer
from vlm_rewards.evaluation.recording.recorder import _MOST_CAPTIONS
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.heads import Agreement, SoftmaxBinary
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service import InProcessTransport, RewardClient


@pytest.mark.parametrize("num_envs", [1, 7])
def test_an_evaluation_is_the_same_with_and_without_it(num_envs):
    recorder = grid_recorder(grid_scorer())
    assert play(16, recorder, num_envs=num_envs) == play(16, None, num_envs=3)
    assert [len(episode) - 1 for episode in recorder.recording(16).episodes] == [
        result.length for result in play(16, None)
    ]


def test_what_was_there_is_kept_state_by_state():
    recording = grid_recording(12, blind=0.0)
    model = grid_reward_model()
    assert [episode.number for episode in recording.episodes] == list(range(12))
    assert recording.facts.actions == NAMES
    assert recording.facts.reward.fingerprint == model.fingerprint
    for episode in recording.episodes:
        env = GoalGridEnv()
        seen, info = env.reset(seed=episode.seed, options={"goal_id": episode.goal_id})
        agent, frames, truths, achieved = [seen["image"]], [env.reward_frame()], [0.0], [info["goal_achieved"]]
        for action in episode.action[1:]:
            seen, reward, *_, info = env.step(int(action))
            agent.append(seen["image"])
            frames.append(env.reward_frame())
            truths.append(reward)
            achieved.append(info["goal_achieved"])
        scores = model.score(np.stack(frames), [episode.goal_id] * len(frames))
        assert np.array_equal(episode.score, scores)
        assert np.array_equal(episode.reward, np.r_[0, scores[1:] > np.float32(model.beta)])
        assert np.array_equal(episode.true_reward, truths)
        assert np.array_equal(episode.achieved, achieved)
        assert episode.instruction == TASKS.goal(episode.goal_id).instruction
        assert np.abs(episode.reward_frames.frames().astype(int) - frames).mean() < 40
        assert np.abs(episode.agent_frames.frames().astype(int) - agent).mean() < 40
        captions = [recording.facts.captions[number] for number in episode.shares.caption]
        assert captions == list(model.prompts(episode.goal_id))
        weights = np.exp(episode.shares.similarity / model.config.tau)
        assert weights[:, 0] / weights.sum(axis=1) == pytest.approx(scores, abs=1e-4)


def test_a_served_reward_gives_the_same_recording():
    ours, served = (
        grid_recorder(grid_scorer()),
        grid_recorder(StateScorer(grid_reward_model().config, TASKS, ServedEncoder(grid_client()))),
    )
    play(6, ours)
    play(6, served)
    for one, other in zip(ours.recording(6).episodes, served.recording(6).episodes, strict=True):
        assert np.array_equal(one.score, other.score)
        assert np.array_equal(one.shares.similarity, other.shares.similarity)


def test_a_service_with_another_reward_than_the_settings_is_refused():
    client = RewardClient(InProcessTransport(grid_reward_model()))
    other = RewardConfig(model="fake", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.5)
    with pytest.raises(RewardServiceError, match=r"evaluation\.recording\.episodes=0"):
        StateScorer(other, TASKS, ServedEncoder(client))


def test_an_agreement_is_that_of_training_the_first_state_left_out():
    head = SoftmaxBinary(agree=Agreement(need=2, of=2))
    negatives = NegativesSpec(kind="goals_and_states")
    scorer = StateScorer(RewardConfig(model="fake", negatives=negatives, tau=0.1, beta=0.9, head=head), TASKS, ENCODER)
    lit = ENCODER.frame_of("Screenshot of the red cell on Android")
    scored = scorer.score(lit[None], np.zeros(4, np.uint16), "red")
    assert (scored.score > 0.9).all()
    # The second state that an action led to is the first that another agrees with.
    assert scored.reward.tolist() == [0, 0, 1, 1]


def test_truth_alone_is_recorded_where_no_reward_is():
    recorder = grid_recorder(None)
    play(20, recorder)
    recording = recorder.recording(20)
    assert recording.facts.reward is None
    assert all(episode.score is None and episode.shares is None for episode in recording.episodes)
    assert any(episode.achieved.any() for episode in recording.episodes)


def test_more_episodes_than_asked_for_are_left_out_and_counted():
    recording = grid_recording(20, most_episodes=8)
    assert [episode.number for episode in recording.episodes] == list(range(8))
    assert recording.facts.notes == ("8 of 20 episodes are recorded.",)


def test_pictures_that_do_not_fit_go_first_where_reward_and_truth_agree():
    whole = grid_recording(24)
    room = sum(episode.nbytes for episode in whole.episodes) * 2 // 3
    cut = grid_recording(24, most_bytes=room)
    assert sum(episode.nbytes for episode in cut.episodes) <= room
    without = [episode for episode in cut.episodes if not episode.picture_bytes]
    agreeing = [episode for episode in cut.episodes if not episode.disagrees]
    assert without
    assert agreeing
    assert not any(episode.disagrees for episode in without) or all(not one.picture_bytes for one in agreeing)
    assert f"The pictures of {len(without)} of 24 episodes are left out" in cut.facts.notes[0]
    for one, other in zip(whole.episodes, cut.episodes, strict=True):
        assert np.array_equal(one.score, other.score), "scores are kept of all"


def test_of_many_negatives_the_nearest_are_kept_and_the_others_are_one_number():
    recorder = grid_recorder()
    captions = tuple(f"caption {index}" for index in range(200))
    similarity = np.random.default_rng(0).normal(size=(5, 200)).astype(np.float32) / 10
    share = np.exp(similarity / 0.1)
    share /= share.sum(axis=1, keepdims=True)
    from vlm_rewards.evaluation.recording.scoring import ScoredStates

    kept = recorder._shares(ScoredStates(share[:, 0], share[:, 0], captions, similarity, share))
    assert len(kept.caption) == _MOST_CAPTIONS
    assert kept.others == 200 - _MOST_CAPTIONS
    assert np.array_equal(kept.similarity[:, 0], similarity[:, 0]), "the goal is always there"
    known = [captions.index(caption) for caption in list(recorder._captions)]
    assert kept.rest == pytest.approx(1 - share[:, known].sum(axis=1), abs=1e-6)
    best = similarity[:, 1:].max(axis=0)
    assert set(known[1:]) == set((1 + np.argsort(-best)[: _MOST_CAPTIONS - 1]).tolist())
