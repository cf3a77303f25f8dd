"""Rewards end to end: frames in, p(goal) out."""

import hashlib
import json
import math

import numpy as np
import pytest

from vlm_rewards.embedding_cache import EmbeddingCache
from vlm_rewards.encoders import FakeEncoder, load_encoder
from vlm_rewards.errors import ConfigError, InvalidFrameError, NonFiniteRewardError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel


class CountingEncoder(FakeEncoder):
    """Counts what it is asked to embed."""

    def __init__(self):
        super().__init__()
        self.frames = self.texts = 0

    def embed_images(self, frames):
        self.frames += len(frames)
        return super().embed_images(frames)

    def embed_texts(self, texts):
        self.texts += len(texts)
        return super().embed_texts(texts)


class BrokenEncoder(FakeEncoder):
    """Gives NaN for one kind of input."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def embed_images(self, frames):
        return super().embed_images(frames) * (np.float32(np.nan) if self.kind == "images" else 1)

    def embed_texts(self, texts):
        return super().embed_texts(texts) * (np.float32(np.nan) if self.kind == "texts" else 1)


def config(**changes) -> RewardConfig:
    return RewardConfig(
        **{"model": "fake", "tau": 0.1, "beta": 0.5, "negatives": {"kind": "goals_and_states"}, **changes}
    )


@pytest.fixture
def model(task_set: TaskSet) -> RewardModel:
    return RewardModel(config(), task_set)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 20, 16, 3), dtype=np.uint8)


def test_a_frame_of_the_goal_scores_high_and_of_a_negative_low(model):
    for goal_id in ("gmail", "maps"):
        goal, *negatives = model.prompts(goal_id)
        assert model.score(model.encoder.frame_of(goal)[None], [goal_id])[0] > 0.99
        for negative in negatives:
            assert model.score(model.encoder.frame_of(negative)[None], [goal_id])[0] < 0.1


@pytest.mark.parametrize("kind", ["fake", "clip", "pocket"])
def test_scores_equal_a_plain_computation_of_equation_1(kind, task_set, request):
    name = "fake" if kind == "fake" else str(request.getfixturevalue(f"{kind}_folder"))
    model = RewardModel(config(model=name, tau=0.03), task_set)
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (100, 24, 18, 3), dtype=np.uint8)
    ids = [goal.id for goal in task_set.all_goals]
    goal_ids = [ids[i] for i in rng.integers(len(ids), size=100)]
    scores = model.score(frames, goal_ids)
    # Independent from here on: the encoder's embeddings, then Python's own arithmetic.
    encoder = load_encoder(name)
    images = encoder.embed_images(frames).tolist()
    compared = 0
    for image, goal_id, score in zip(images, goal_ids, scores, strict=True):
        goal = task_set.goal(goal_id)
        captions = [f"Screenshot of {goal.subject} on Android"]
        captions += [f"Screenshot of {g.subject} on Android" for g in task_set.all_goals if g.id != goal_id]
        captions += list(task_set.unachieved_captions)
        texts = encoder.embed_texts(captions).tolist()
        weights = [math.exp(math.fsum(a * b for a, b in zip(image, text, strict=True)) / 0.03) for text in texts]
        assert score == pytest.approx(weights[0] / math.fsum(weights), rel=1e-4)
        compared += 1
    assert compared == 100


def test_texts_are_embedded_once_and_frames_once_for_many_goals(task_set, frames):
    encoder = CountingEncoder()
    model = RewardModel(config(), task_set, encoder)
    assert encoder.texts == 8  # six goals, two states, each distinct prompt once
    grid = model.score_all(frames, ["gmail", "maps", "clock"])
    assert (encoder.frames, encoder.texts) == (12, 8)
    assert grid.shape == (12, 3)
    for column, goal_id in enumerate(("gmail", "maps", "clock")):
        np.testing.assert_array_equal(grid[:, column], model.score(frames, [goal_id] * 12))


def test_a_goal_that_is_asked_for_twice_has_its_column_twice(model, frames):
    ids = ["maps", "gmail", "maps", "clock", "gmail"]
    expected = np.stack([model.score(frames, [goal_id] * 12) for goal_id in ids], axis=1)
    np.testing.assert_array_equal(model.score_all(frames, ids), expected)


def test_goals_may_differ_from_frame_to_frame(model, frames):
    ids = ["gmail", "maps", "clock", "docs"] * 3
    scores = model.score(frames, ids)
    assert scores.dtype == np.float32
    for row, goal_id in enumerate(ids):
        np.testing.assert_array_equal(model.score(frames[row : row + 1], [goal_id]), scores[row : row + 1])
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(model.score(frames[order], [ids[i] for i in order]), scores[order])


def test_cached_embeddings_give_the_same_scores(model, frames):
    ids = ["gmail"] * 12
    np.testing.assert_array_equal(model.score_embeddings(model.embed(frames), ids), model.score(frames, ids))


def test_no_frames_give_no_scores(model):
    assert model.score(np.zeros((0, 8, 8, 3), np.uint8), []).shape == (0,)
    assert model.score_all(np.zeros((0, 8, 8, 3), np.uint8), ["gmail"]).shape == (0, 1)


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_nan_never_leaves(task_set, frames, kind):
    with pytest.raises(NonFiniteRewardError, match="not finite"):
        RewardModel(config(), task_set, BrokenEncoder(kind)).score(frames, ["gmail"] * 12)


def test_the_fingerprint_tells_every_reward_apart(task_set):
    fingerprint = RewardModel(config(), task_set).fingerprint
    assert RewardModel(config(), task_set).fingerprint == fingerprint
    others = [
        RewardModel(config(tau=0.2), task_set),
        RewardModel(config(beta=0.6), task_set),
        RewardModel(config(template="C"), task_set),
        RewardModel(config(negatives={"kind": "goals"}), task_set),
        RewardModel(config(negatives={"kind": "goals", "count": 2}), task_set),
        RewardModel(config(negatives={"kind": "goals", "count": 2, "seed": 1}), task_set),
        RewardModel(config(), task_set.model_copy(update={"unachieved_captions": ("a lock screen",)})),
        RewardModel(config(), task_set, FakeEncoder(salt="other weights")),
    ]
    assert len({fingerprint, *(model.fingerprint for model in others)}) == len(others) + 1
    # The task set's name and the instructions, which the reward never sees, change nothing.
    assert RewardModel(config(), task_set.model_copy(update={"name": "renamed"})).fingerprint == fingerprint


def test_the_description_says_what_a_client_needs(model):
    description = model.describe()
    assert description.fingerprint == model.fingerprint
    assert description.encoder_fingerprint == model.encoder.fingerprint
    assert (description.tau, description.beta, description.image_size) == (0.1, 0.5, (32, 32))
    assert description.template == "Screenshot of [TASK] on Android"
    assert description.goal_ids == ("gmail", "sheets", "chrome", "clock", "maps", "docs")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": 0}, "RewardConfig.tau: tau must be a finite number above 0"),
        ({"tau": float("nan")}, "RewardConfig.tau: tau must be a finite number above 0"),
        ({"beta": 1.5}, "RewardConfig.beta: beta must lie in [0, 1]"),
        ({"beta": -0.1}, "RewardConfig.beta: beta must lie in [0, 1]"),
        ({"template": "Z"}, "unknown template 'Z'"),
        ({"precision": "fp8"}, "'bf16' or 'int8'"),
        ({"betta": 0.5}, "unknown key 'betta'; did you mean 'beta'"),
        ({"model": "fakee"}, "unknown model 'fakee'; did you mean 'fake'"),
        ({"model": ""}, "RewardConfig.model"),
    ],
)
def test_unusable_settings_are_one_clear_line(task_set, changes, message):
    with pytest.raises(ConfigError) as caught:
        RewardModel(config(**changes), task_set)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_requests_that_do_not_fit_are_refused(model, frames):
    with pytest.raises(ConfigError, match="unknown goal 'gmial' in task set 'apps'; did you mean 'gmail'"):
        model.score(frames, ["gmail"] * 11 + ["gmial"])
    with pytest.raises(ConfigError, match="12 frames came with 3 goal ids"):
        model.score(frames, ["gmail"] * 3)
    with pytest.raises(InvalidFrameError, match="must be uint8"):
        model.score(frames / 255, ["gmail"] * 12)
    with pytest.raises(InvalidFrameError, match="add a leading batch axis"):
        model.score(frames[0], ["gmail"] * 20)


def test_negatives_that_contain_the_goal_are_refused(task_set):
    bad = task_set.model_copy(update={"unachieved_captions": ("Screenshot of Clock on Android",)})
    with pytest.raises(ConfigError, match="negatives of goal 'clock' contain the goal itself"):
        RewardModel(config(), bad)


HEADS = {
    "probability": {"form": "probability"},
    "cosine": {"form": "cosine"},
    "goal_baseline": {"form": "goal_baseline", "alpha": 0.7, "baseline": "a phone on a table"},
}


@pytest.mark.parametrize("form", HEADS)
def test_dense_forms_equal_their_own_plain_computation(form, task_set, frames):
    model = RewardModel(config(head=HEADS[form]), task_set)
    scores = model.score(frames, ["gmail"] * 12)
    fake = FakeEncoder()
    images = fake.embed_images(frames).astype(np.float64)
    goal, baseline = fake.embed_texts(["Screenshot of Gmail on Android", "a phone on a table"]).astype(np.float64)
    if form == "probability":
        expected = RewardModel(config(), task_set).score(frames, ["gmail"] * 12)
    elif form == "cosine":
        expected = images @ goal
    else:
        share = ((images - baseline) @ (goal - baseline)) / ((goal - baseline) @ (goal - baseline))
        nearest = baseline + share[:, None] * (goal - baseline)
        expected = 1 - np.square(0.7 * nearest + 0.3 * images - goal).sum(axis=1) / 2
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_array_equal(model.reward(scores), scores)
    description = model.describe()
    assert (description.form, description.terminates) == (form, False)
    assert description.score_range[0] <= scores.min()
    assert scores.max() <= description.score_range[1]
    np.testing.assert_array_equal(description.reward(scores), scores)


def test_the_paper_s_form_rewards_with_0_or_1_and_ends_episodes(model, frames):
    scores = model.score_all(frames, ["gmail", "clock"])
    rewards = model.reward(scores)
    np.testing.assert_array_equal(rewards, (scores > np.float32(0.5)).astype(np.float32))
    description = model.describe()
    np.testing.assert_array_equal(description.reward(scores), rewards)
    assert (description.form, description.terminates, description.score_range) == ("softmax_binary", True, (0.0, 1.0))


def test_fingerprints_from_before_there_were_heads_still_hold(task_set):
    # Runs and checkpoints carry it: this is what session 1 computed for these settings.
    model = RewardModel(config(), task_set)
    parts = {"head": "softmax_binary", "encoder": FakeEncoder().fingerprint, "tau": 0.1, "beta": 0.5}
    parts["prompts"] = {goal.id: model.prompts(goal.id) for goal in task_set.all_goals}
    assert model.fingerprint == hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def test_a_fingerprint_covers_what_its_form_uses_and_nothing_else(task_set):
    def fingerprint(**changes) -> str:
        return RewardModel(config(**changes), task_set).fingerprint

    baseline = {"form": "goal_baseline", "baseline": "a room"}
    different = [
        fingerprint(),
        *(fingerprint(head=head) for head in HEADS.values()),
        fingerprint(head=baseline),
        fingerprint(head={**baseline, "alpha": 0.1}),
        fingerprint(head={"frames": {"k": 2}}),
        fingerprint(head={"frames": {"kind": "mean"}}),
        fingerprint(head={"form": "cosine"}, template="A"),
    ]
    assert len(set(different)) == len(different)
    cosine = fingerprint(head={"form": "cosine"})
    assert cosine == fingerprint(head={"form": "cosine"}, tau=0.7, beta=0.1, negatives={"kind": "goals"})
    assert fingerprint(head={"form": "probability"}) == fingerprint(head={"form": "probability"}, beta=0.1)


def test_each_form_needs_its_own_numbers_only(task_set):
    with pytest.raises(ConfigError, match="tau: is required by form 'softmax_binary'"):
        RewardConfig(model="fake")
    with pytest.raises(ConfigError, match="beta: is required by form 'softmax_binary'"):
        RewardConfig(model="fake", tau=0.1)
    with pytest.raises(ConfigError, match="tau: is required by form 'probability'"):
        RewardConfig(model="fake", head={"form": "probability"})
    RewardModel(RewardConfig(model="fake", head={"form": "cosine"}), task_set)


def test_a_baseline_that_is_a_goal_is_refused_at_the_start(task_set):
    head = {"form": "goal_baseline", "baseline": "Screenshot of Clock on Android"}
    with pytest.raises(ConfigError, match="the same embedding"):
        RewardModel(config(head=head), task_set)


@pytest.mark.parametrize(
    ("pooling", "used"),
    [
        ({}, [4]),
        ({"kind": "last", "k": 2}, [3, 4]),
        ({"kind": "last", "k": 9}, [0, 1, 2, 3, 4]),
        ({"kind": "mean"}, [0, 1, 2, 3, 4]),
    ],
)
def test_clips_are_scored_by_the_frames_that_count(task_set, pooling, used):
    encoder = CountingEncoder()
    model = RewardModel(config(head={"frames": pooling}), task_set, encoder)
    clips = np.random.default_rng(0).integers(0, 256, (3, 5, 20, 16, 3), dtype=np.uint8)
    scores = model.score_all(clips, ["gmail", "maps"])
    assert encoder.frames == 3 * len(used)
    mean = FakeEncoder().embed_images(clips[:, used].reshape(-1, 20, 16, 3)).reshape(3, len(used), -1).mean(axis=1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(model.embed(clips), mean, atol=1e-6)
    np.testing.assert_allclose(scores[:, 1], model.score_embeddings(mean, ["maps"] * 3), atol=1e-5)
    # A frame is a clip of one.
    np.testing.assert_array_equal(model.score(clips[:, -1], ["maps"] * 3), model.score(clips[:, -1:], ["maps"] * 3))


def test_clips_that_overlap_share_their_frames_in_the_cache(task_set):
    encoder = CountingEncoder()
    model = RewardModel(config(head={"frames": {"k": 4}}), task_set, encoder, EmbeddingCache(1_000_000))
    film = np.random.default_rng(0).integers(0, 256, (20, 20, 16, 3), dtype=np.uint8)
    for end in range(4, 21):
        model.score(film[None, end - 4 : end], ["gmail"])
    assert encoder.frames == 20


def test_clips_without_frames_are_refused(model):
    with pytest.raises(InvalidFrameError, match="at least one frame"):
        model.score(np.zeros((2, 0, 8, 8, 3), np.uint8), ["gmail"] * 2)
    assert model.score(np.zeros((0, 3, 8, 8, 3), np.uint8), []).shape == (0,)
