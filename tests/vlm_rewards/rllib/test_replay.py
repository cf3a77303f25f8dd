"""The replay against returns and relabelling worked out by hand and one step at a time, without its code."""

from itertools import pairwise

import numpy as np
import pytest
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS
from vlm_rewards.environment.action_memory import PAST_ACTIONS
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.rllib.replay import EpisodeReplay
from vlm_rewards.rllib.replay_memory import check_fits
from vlm_rewards.rllib.replay_settings import Hindsight, ReplaySettings, replay_bytes
from vlm_rewards.rllib.training_goals import ACHIEVED, EMBEDDING, TrainingGoals

SHAPE = (2, 2, 3)
GOALS = TrainingGoals.of(TASKS)
RED, GREEN, BLUE, YELLOW = range(4)
CAPTIONED = GOALS.captioned(TASKS, "a photo of [TASK]", lambda goal_id: [f"a photo of {goal_id} far away"], ENCODER)
FULL = Hindsight(share=1.0, future=1.0)


def episode(achieved, own, *, terminated=True, rewards=None, first_pixel=0, embeddings=None):
    """An episode of which each state's picture is its number; `achieved` has a list of goals for each step."""
    steps = len(achieved)
    ids = GOALS.ids
    infos = [{"goal_id": ids[own]}]
    for step, goals in enumerate(achieved):
        info = {"goal_id": ids[own], ACHIEVED: np.isin(np.arange(len(ids)), goals)}
        if embeddings is not None:
            info[EMBEDDING] = embeddings[step]
        infos.append(info)
    made = SingleAgentEpisode(
        observations=[
            {"image": np.full(SHAPE, first_pixel + t, np.uint8), "goal": GOALS.tokens[own]} for t in range(steps + 1)
        ],
        actions=list(range(steps)),
        rewards=rewards if rewards is not None else [float(own in goals) for goals in achieved],
        infos=infos,
        terminated=terminated,
        truncated=not terminated,
        len_lookback_buffer=0,
    )
    return made.to_numpy()


def replay_of(*episodes, hindsight=FULL, goals=GOALS, capacity=100, n_step=3, seed=0):
    replay = EpisodeReplay(ReplaySettings(capacity, n_step, 0.9, hindsight), SHAPE, goals, seed=seed)
    replay.add(list(episodes))
    return replay


def drawn(replay, size=4000):
    """Rows of a large batch: (step, goal, return, discount, step arrived at)."""
    batch = replay.sample(size)
    goals = [int(np.flatnonzero((GOALS.tokens == tokens).all(axis=1))[0]) for tokens in batch["obs"]["goal"]]
    np.testing.assert_array_equal(batch["obs"]["goal"], batch["new_obs"]["goal"])
    pixels, arrived = batch["obs"]["image"][:, 0, 0, 0], batch["new_obs"]["image"][:, 0, 0, 0]
    np.testing.assert_array_equal(batch["actions"], pixels)
    return list(zip(pixels.tolist(), goals, batch["rewards"], batch["discounts"], arrived.tolist(), strict=True))


# Red is asked for. Blue is met on the way (twice), then green, and at the end red.
EPISODE = [[], [BLUE], [], [BLUE, GREEN], [], [RED]]


def by_hand(achieved, step, goal, n=3, gamma=0.9, dead_end=False):
    """Return, discount and next state of a step relabelled with `goal`, by walking."""
    total = 0.0
    for k in range(n):
        if step + k == len(achieved):
            return total, gamma**k, step + k
        if goal in achieved[step + k]:
            return total + gamma**k, 0.0, step + k + 1
        if dead_end and step + k == len(achieved) - 1:
            return total, 0.0, step + k + 1
    return total, gamma**n, step + n


@pytest.mark.parametrize("hindsight", [FULL, Hindsight(share=0.5, future=0.5), Hindsight(share=0.0)])
def test_every_drawn_step_has_the_return_that_walking_gives_and_is_cut_at_its_own_goal_s_hit(hindsight):
    rows = drawn(replay_of(episode(EPISODE, RED), hindsight=hindsight))
    assert {row[0] for row in rows} == set(range(6))
    for step, goal, total, discount, arrived in rows:
        expected = by_hand(EPISODE, step, goal)
        assert (total, discount, arrived) == pytest.approx(expected, rel=1e-6)
    if hindsight.share == 0:
        assert {row[1] for row in rows} == {RED}
    elif hindsight == FULL:
        # Only what is achieved later: after step 3 blue and green are no more, and yellow never is.
        for step, goal, *_ in rows:
            assert goal in {RED, *([BLUE, GREEN] if step <= 3 else [])}
        assert {row[1] for row in rows} == {RED, BLUE, GREEN}
    else:
        assert {row[1] for row in rows} == {RED, GREEN, BLUE, YELLOW}


def test_goals_are_relabelled_in_the_asked_shares():
    rows = drawn(
        replay_of(episode([[], [BLUE], []], RED, terminated=False), hindsight=Hindsight(share=0.6, future=0.5))
    )
    first = [goal for step, goal, *_ in rows if step == 0]
    share = {goal: first.count(goal) / len(first) for goal in range(4)}
    # 0.4 keep red; 0.3 get blue, the one that comes; 0.3 get any of the four.
    assert share[RED] == pytest.approx(0.475, abs=0.04)
    assert share[BLUE] == pytest.approx(0.375, abs=0.04)
    assert share[YELLOW] == pytest.approx(0.075, abs=0.03)
    last = [goal for step, goal, *_ in rows if step == 2]
    assert last.count(YELLOW) / len(last) == pytest.approx(0.15, abs=0.03), "where nothing comes, any goal does"


def test_a_time_limit_is_no_end_and_an_end_that_no_goal_explains_is_one_for_all():
    achieved = [[], [BLUE], []]
    for terminated in (False, True):
        rows = drawn(replay_of(episode(achieved, RED, terminated=terminated), hindsight=Hindsight(future=0.0, share=1)))
        for step, goal, total, discount, arrived in rows:
            expected = by_hand(achieved, step, goal, dead_end=terminated)
            assert (total, discount, arrived) == pytest.approx(expected, rel=1e-6)
        assert any(row[3] == 0 and row[2] == 0 for row in rows) == terminated


def test_without_hindsight_dense_rewards_are_summed_over_n_steps():
    rewards = [0.5, -1.0, 2.0, 0.25]
    made = episode([[]] * 4, GREEN, rewards=rewards, terminated=False)
    for goals in (None, GOALS):
        for step, goal, total, discount, arrived in drawn(replay_of(made, hindsight=None, goals=goals)):
            count = min(3, 4 - step)
            expected = sum(0.9**k * rewards[step + k] for k in range(count))
            assert (goal, arrived) == (GREEN, step + count)
            assert (total, discount) == pytest.approx((expected, 0.9**count), rel=1e-6)


def test_pieces_of_an_episode_become_one_and_unfinished_ones_wait():
    replay = replay_of()
    whole = episode(EPISODE, RED)
    first = SingleAgentEpisode(
        id_=whole.id_,
        observations=[{"image": np.full(SHAPE, t, np.uint8), "goal": GOALS.tokens[RED]} for t in range(4)],
        actions=[0, 1, 2],
        rewards=[0.0, 0.0, 0.0],
        infos=whole.get_infos()[:4],
        len_lookback_buffer=0,
    )
    second = first.cut()
    for t in range(3, 6):
        second.add_env_step(
            {"image": np.full(SHAPE, t + 1, np.uint8), "goal": GOALS.tokens[RED]},
            t,
            float(t == 5),
            infos=whole.get_infos()[t + 1],
            terminated=t == 5,
        )
    replay.add([first.to_numpy()])
    assert (len(replay), replay.steps) == (0, 0)
    replay.add([second.to_numpy()])
    assert (len(replay), replay.steps) == (1, 6)
    expected = replay_of(whole)
    for a, b in zip(drawn(replay), drawn(expected), strict=True):
        assert a == b
    replay.add([first])
    replay.forget_unfinished()
    replay.add([second])
    assert replay.steps < 12, "the end of an episode whose beginning is forgotten stands alone"


def test_the_oldest_episodes_make_room_and_no_slot_belongs_to_two():
    replay = replay_of(capacity=20, hindsight=None)
    rng = np.random.default_rng(0)
    for number in range(60):
        steps = int(rng.integers(1, 9))
        replay.add([episode([[]] * steps, RED, first_pixel=number, terminated=False)])
        ring = replay._ring()
        spans = sorted(zip(replay._starts[ring], replay._starts[ring] + replay._lengths[ring] + 1, strict=True))
        assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
        assert spans[-1][1] <= 20
        newest = replay._starts[ring[-1]]
        assert replay._columns["image"][newest, 0, 0, 0] == number
        assert len(replay) >= 1
    with pytest.raises(ConfigError, match="an episode of 20 steps does not fit into replay_capacity 20"):
        replay.add([episode([[]] * 20, RED)])


def test_the_eye_is_shown_the_similarities_to_the_relabelled_goal_s_captions():
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(6, CAPTIONED.embedding_dim)).astype(np.float32)
    replay = replay_of(episode(EPISODE, RED, embeddings=embeddings), goals=CAPTIONED)
    batch = replay.sample(500)
    steps = batch["actions"]
    np.testing.assert_array_equal(batch["eye_mask"], steps > 0)
    goals = [int(np.flatnonzero((GOALS.tokens == tokens).all(axis=1))[0]) for tokens in batch["obs"]["goal"]]
    for step, goal, targets in zip(steps, goals, batch["eye_targets"], strict=True):
        if step:
            name = GOALS.ids[goal]
            texts = ENCODER.embed_texts([f"a photo of the {name} cell", f"a photo of {name} far away"])
            np.testing.assert_allclose(targets, texts @ embeddings[step - 1], rtol=1e-4, atol=1e-5)
    assert batch["eye_targets"].shape == (500, 2)


def test_past_actions_are_those_that_the_agent_was_shown():
    whole = episode(EPISODE, RED)
    shown = [np.array([t, 2 * t]) for t in range(len(whole) + 1)]
    seen = [{**whole.get_observations(t), PAST_ACTIONS: shown[t]} for t in range(len(whole) + 1)]
    remembering = SingleAgentEpisode(
        observations=seen,
        actions=list(whole.get_actions()),
        rewards=list(whole.get_rewards()),
        infos=whole.get_infos(),
        terminated=True,
        len_lookback_buffer=0,
    ).to_numpy()
    settings = ReplaySettings(100, 3, 0.9, FULL)
    replay = EpisodeReplay(settings, SHAPE, GOALS, remembered_actions=2)
    replay.add([remembering])
    batch = replay.sample(200)
    for key in ("obs", "new_obs"):
        pixels = batch[key]["image"][:, 0, 0, 0].astype(np.int64)
        np.testing.assert_array_equal(batch[key][PAST_ACTIONS], np.stack([pixels, 2 * pixels], axis=1))
        assert batch[key][PAST_ACTIONS].dtype == np.int64
    assert replay_bytes(settings, SHAPE, GOALS, 2) == replay_bytes(settings, SHAPE, GOALS) + 100 * 2 * 2


def test_one_seed_draws_one_batch_and_what_is_restored_goes_on_with_it(tmp_path):
    replays = [replay_of(*[episode(EPISODE, RED, first_pixel=n) for n in range(30)], seed=3) for _ in range(2)]
    for _ in range(3):
        for a, b in zip(*(map(repr, replay.sample(5).values()) for replay in replays), strict=True):
            assert a == b
    replays[0].save(tmp_path / "saved")
    restored = replay_of(seed=8)
    restored.load(tmp_path / "saved")
    assert (len(restored), restored.steps) == (len(replays[0]), replays[0].steps)
    for replay in (replays[0], restored):
        replay.add([episode([[GREEN], [RED]], RED, first_pixel=99)])
    for _ in range(3):
        expected, got = (replay.sample(64) for replay in (replays[0], restored))
        for name in ("rewards", "discounts", "actions"):
            np.testing.assert_array_equal(got[name], expected[name])
        np.testing.assert_array_equal(got["new_obs"]["image"], expected["new_obs"]["image"])


def test_a_replay_that_cannot_be_restored_is_one_clear_line(tmp_path):
    replay = replay_of(episode(EPISODE, RED))
    with pytest.raises(CheckpointError, match="cannot be read"):
        replay.load(tmp_path / "nowhere")
    replay.save(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="more than replay_capacity 5"):
        EpisodeReplay(ReplaySettings(5, 3, 0.9, FULL), SHAPE, GOALS).load(tmp_path / "saved")


def test_the_size_said_is_the_size_taken_and_too_large_a_one_is_refused():
    settings = ReplaySettings(1000, 3, 0.9, FULL)
    replay = EpisodeReplay(settings, (64, 64, 3), CAPTIONED)
    size = replay_bytes(settings, (64, 64, 3), CAPTIONED)
    assert size == sum(column.nbytes for column in replay._columns.values())
    assert check_fits(size, 1000, available=10**9) == f"{size / 1e9:.2f} GB of 1.00 GB memory"
    message = r"the replay needs 12\.40 GB, .* 1\.00 GB are available: lower .* from 1,000,000 to 64,516 at most"
    with pytest.raises(ConfigError, match=message):
        check_fits(12_400_000_000, 10**6, available=10**9)


def test_hindsight_needs_other_goals_to_relabel_with():
    alone = TrainingGoals(ids=GOALS.ids[:1], tokens=GOALS.tokens[:1])
    for goals, message in ((None, "none were given"), (alone, "only 'red'")):
        with pytest.raises(ConfigError, match=message):
            replay_of(goals=goals)


def test_what_the_connector_did_not_write_is_missed_at_once():
    made = episode(EPISODE, RED)
    for info in made.get_infos():
        info.pop(ACHIEVED, None)
    with pytest.raises(ConfigError, match="without its 'achieved'"):
        replay_of(made)
    worded = episode(EPISODE, RED)
    worded.observations.data["goal"][:] = 1
    with pytest.raises(ConfigError, match="other tokens for goal 'red'"):
        replay_of(worded)
