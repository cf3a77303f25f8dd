"""Every reward form against a plain computation that shares no code with ours, and what must hold of all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import HEADS, FramePooling, RewardHead, cosine, goal_baseline, pool, rewards_of, softmax_binary

FORMS = list(HEADS)
seeds, dims = st.integers(0, 2**31), st.integers(2, 40)
alphas = st.floats(0, 1)


def head(form: str, alpha: float = 0.5) -> RewardHead:
    needs = {
        "goal_baseline": {"baseline": "a room", "alpha": alpha},
        "unanimous": {"templates": ["A"]},
        "ensemble": {"models": ["another"]},
        "cascade": {"model": "another", "threshold": 0.3},
    }
    return HEADS.parse({"form": form, **needs.get(form, {})})


def unit(seed: int, rows: int, dim: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plain_goal_baseline(s: np.ndarray, g: np.ndarray, b: np.ndarray, alpha: float) -> float:
    """Definition 1 as it is written: s is projected on the line through g and b, a point of the space."""
    s, g, b = (vector.astype(np.float64) for vector in (s, g, b))
    share = np.dot(s - b, g - b) / np.dot(g - b, g - b)
    projected = b + share * (g - b)
    return 1 - 0.5 * np.linalg.norm(alpha * projected + (1 - alpha) * s - g) ** 2


@given(seeds, dims, alphas)
@settings(max_examples=100, deadline=None)
def test_goal_baseline_equals_the_paper_s_definition(seed, dim, alpha):
    images, (goal, baseline) = unit(seed, 5, dim), unit(seed + 1, 2, dim)
    rewards = goal_baseline(images, goal, baseline, alpha)
    expected = [plain_goal_baseline(image, goal, baseline, alpha) for image in images]
    np.testing.assert_allclose(rewards, expected, atol=1e-6)


@given(seeds, dims)
@settings(max_examples=50, deadline=None)
def test_alpha_0_is_the_cosine(seed, dim):
    images, (goal, baseline) = unit(seed, 5, dim), unit(seed + 1, 2, dim)
    np.testing.assert_allclose(goal_baseline(images, goal, baseline, 0), cosine(images, goal), atol=1e-6)
    np.testing.assert_allclose(cosine(images, goal), images.astype(np.float64) @ goal, atol=1e-6)


@given(seeds, st.integers(3, 40))
@settings(max_examples=50, deadline=None)
def test_alpha_1_sees_only_the_way_from_baseline_to_goal(seed, dim):
    (goal, baseline), rng = unit(seed, 2, dim), np.random.default_rng(seed)
    direction = (goal - baseline) / np.linalg.norm(goal - baseline)
    across = rng.normal(size=(4, dim))
    across -= np.outer(across @ direction, direction)
    states = baseline + 0.3 * (goal - baseline) + across
    rewards = goal_baseline(states, goal, baseline, 1)
    np.testing.assert_allclose(rewards, rewards[0], atol=1e-5)


@given(seeds, dims, alphas)
@settings(max_examples=50, deadline=None)
def test_the_goal_itself_gets_1_and_nothing_more(seed, dim, alpha):
    images, (goal, baseline) = unit(seed, 8, dim), unit(seed + 1, 2, dim)
    rewards = goal_baseline(np.concatenate([goal[None], images]), goal, baseline, alpha)
    assert rewards[0] == pytest.approx(1, abs=1e-6)
    assert rewards.max() <= 1


@given(seeds, dims, st.floats(0.1, 1))
@settings(max_examples=50, deadline=None)
def test_damping_can_only_raise_the_reward(seed, dim, alpha):
    """What lies across the line is taken for noise: less of it is nearer to the goal."""
    images, (goal, baseline) = unit(seed, 8, dim), unit(seed + 1, 2, dim)
    less = goal_baseline(images, goal, baseline, alpha / 2)
    assert (goal_baseline(images, goal, baseline, alpha) >= less - 1e-6).all()


@pytest.mark.parametrize("form", FORMS)
@given(seed=seeds, dim=dims, rows=st.integers(0, 9), tau=st.floats(0.005, 5), alpha=alphas)
@settings(max_examples=40, deadline=None)
def test_scores_of_every_form_stay_in_range_and_know_no_neighbours(form, seed, dim, rows, tau, alpha):
    config = head(form, alpha=alpha)
    dim += dim % 2  # an ensemble of two has blocks of equal width
    images, texts, baseline = unit(seed, rows, dim), unit(seed + 1, 4, dim), unit(seed + 2, 1, dim)
    scores = config.scores(images, texts, baseline, tau)
    assert scores.shape == (rows,)
    assert scores.dtype == np.float32
    low, high = config.score_range
    assert ((scores >= low) & (scores <= high)).all()
    for row in range(rows):
        alone = config.scores(images[row : row + 1], texts, baseline, tau)
        np.testing.assert_array_equal(alone, scores[row : row + 1])


@given(seeds, dims, st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_probability_is_equation_1_and_softmax_binary_its_threshold(seed, dim, tau):
    images, texts = unit(seed, 6, dim), unit(seed + 1, 4, dim)
    p = head("probability").scores(images, texts, None, tau)
    np.testing.assert_array_equal(p, softmax_binary(images, texts, tau))
    np.testing.assert_array_equal(head("softmax_binary").scores(images, texts, None, tau), p)
    np.testing.assert_array_equal(rewards_of(False, p, 0.5), p)
    np.testing.assert_array_equal(rewards_of(True, p, 0.5), (p > 0.5).astype(np.float32))


@pytest.mark.parametrize("form", ["probability", "cosine", "goal_baseline"])
def test_dense_rewards_are_the_scores_and_end_nothing(form):
    scores = np.float32([[-0.5, 0.25], [1, 0]])
    rewards = rewards_of(head(form).terminates, scores, 0.9)
    np.testing.assert_array_equal(rewards, scores)
    assert rewards is not scores
    assert not head(form).terminates
    assert head("softmax_binary").terminates


def test_a_nan_stays_a_nan_in_every_form():
    images = np.full((1, 4), np.nan, np.float32)
    for form in FORMS:
        scores = head(form).scores(images, unit(0, 4, 4), unit(1, 1, 4), 0.1)
        assert np.isnan(scores).all(), form


@given(seeds, st.integers(1, 6), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_pooling_is_the_normalised_mean_and_knows_no_neighbours(seed, length, clips):
    frames = unit(seed, clips * length, 7).reshape(clips, length, 7)
    pooled = pool(frames)
    mean = frames.astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(pooled, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)
    for row in range(clips):
        np.testing.assert_array_equal(pool(frames[row : row + 1])[0], pooled[row])
    if length == 1:
        np.testing.assert_array_equal(pooled, frames[:, 0])


def test_frames_that_cancel_out_do_not_become_nan():
    up = np.float32([[[0, 1], [0, -1]]])
    np.testing.assert_array_equal(pool(up), np.float32([[0, 0]]))


def test_which_frames_of_a_clip_count():
    assert FramePooling().frames_of(5) == slice(4, 5)
    assert FramePooling(kind="last", k=3).frames_of(5) == slice(2, 5)
    assert FramePooling(kind="last", k=9).frames_of(5) == slice(0, 5)
    assert FramePooling(kind="mean").frames_of(5) == slice(0, 5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"form": "cosin"}, "there is no head 'cosin'; did you mean 'cosine'"),
        ({"form": "goal_baseline"}, "baseline: is required"),
        ({"form": "cosine", "baseline": "a room"}, "unknown key 'baseline'"),
        ({"form": "goal_baseline", "baseline": "a room", "alpha": 1.5}, "alpha must lie in [0, 1]"),
        ({"form": "goal_baseline", "baseline": "a room", "alpha": math.nan}, "alpha must lie in [0, 1]"),
        ({"frames": {"kind": "mean", "k": 3}}, "mean pools all frames"),
        ({"frames": {"k": 0}}, "greater than or equal to 1"),
        ({"form": "unanimous"}, "templates: is required"),
        ({"form": "unanimous", "templates": ["A", "Open [TASK]"]}, "a template is named twice"),
        ({"form": "unanimous", "templates": ["no place for it"]}, "unknown template"),
        ({"form": "ensemble", "models": ["a", "a"]}, "one is named twice"),
        ({"form": "ensemble", "models": ["a"], "need": 3}, "need 3 cannot be met by 2 models"),
        ({"form": "cascade", "model": "a"}, "threshold: is required"),
        ({"form": "cascade", "model": "a", "threshold": 0.1, "frames": {"k": 2}}, "looks at the last frame of a clip"),
        ({"agree": {"need": 3, "of": 2}}, "need 3 cannot be met by 2 states"),
        ({"form": "cosine", "agree": {"need": 1, "of": 2}}, "agree needs a threshold"),
    ],
)
def test_unusable_heads_are_one_clear_line(values, message):
    with pytest.raises(ConfigError) as caught:
        HEADS.parse(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_goal_that_is_its_own_baseline_is_refused():
    goal = unit(0, 1, 8)[0]
    with pytest.raises(ConfigError, match="same embedding"):
        goal_baseline(unit(1, 3, 8), goal, goal, 0.5)
