"""A small model before a large one: whose score a frame gets, who looks at it, and what is refused."""

import numpy as np
import pytest

from vlm_rewards.embedding_cache import EmbeddingCache
from vlm_rewards.encoders import CascadeEncoder, FakeEncoder
from vlm_rewards.errors import ConfigError, NonFiniteRewardError
from vlm_rewards.heads import Cascade
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service.batch import Request, answer_batch

RNG = np.random.default_rng(0)
# Large patches of colour: noise would be one picture to a small model.
FRAMES = np.kron(RNG.integers(0, 256, (24, 4, 4, 3), dtype=np.uint8), np.ones((1, 8, 8, 1), np.uint8))


def reward(head: dict | None = None, **changes) -> RewardConfig:
    values = {"model": "fake", "tau": 0.1, "beta": 0.9, "negatives": {"kind": "goals_and_states"}, **changes}
    return RewardConfig(**values, **({"head": {"form": "cascade", **head}} if head else {}))


class Watched(FakeEncoder):
    """Remembers how many frames it has seen."""

    seen = 0

    def embed_images(self, frames):
        self.seen += len(frames)
        return super().embed_images(frames)


def watched_cascade(task_set, cache=None) -> tuple[RewardModel, RewardModel, RewardModel, Watched, Watched]:
    """The large model alone, the small one alone, the cascade whose threshold parts the frames, and both encoders."""
    large, small = Watched(), Watched(salt="small")
    alone, before = RewardModel(reward(), task_set, large), RewardModel(reward(), task_set, small)
    threshold = float(np.median(before.score(FRAMES, ["gmail"] * len(FRAMES))))
    config = reward({"model": "small", "threshold": threshold})
    model = RewardModel(config, task_set, CascadeEncoder(large, small), cache)
    large.seen = small.seen = 0
    return alone, before, model, large, small


def test_real_models_the_large_one_s_score_to_the_bit_unless_the_small_one_refuses(task_set):
    """Embeddings of 192 and 64 numbers; every way to a score gives the same."""
    values = {"model": "pocket-l", "template": "a photo of [TASK]", "tau": 0.02, "beta": 0.5}
    large, small = (RewardModel(reward(**{**values, "model": name}), task_set) for name in ("pocket-l", "pocket-xs"))
    goals = [goal.id for goal in task_set.all_goals]
    own = [goals[number % len(goals)] for number in range(len(FRAMES))]
    threshold = float(np.median(small.score(FRAMES, own)))
    assert 0 < threshold < 0.5
    config = reward({"model": "pocket-xs", "threshold": threshold}, **values)
    model = RewardModel(config, task_set, config.join([large.encoder, small.encoder]))
    asked = small.score(FRAMES, own) > np.float32(threshold)
    assert 4 < asked.sum() < len(FRAMES) - 4
    scores = model.score(FRAMES, own)
    np.testing.assert_array_equal(scores[asked], large.score(FRAMES, own)[asked])
    np.testing.assert_array_equal(scores[~asked], small.score(FRAMES, own)[~asked])
    assert not model.reward(scores)[~asked].any()
    tables = [one.score_all(FRAMES, goals) for one in (large, small, model)]
    np.testing.assert_array_equal(tables[2], np.where(tables[1] > np.float32(threshold), *tables[:2]))
    np.testing.assert_array_equal(model.score_embeddings(model.embed(FRAMES), own), scores)
    np.testing.assert_array_equal(model.score_all_embeddings(model.embed(FRAMES), goals), tables[2])
    for row in (0, 7):
        np.testing.assert_array_equal(model.score(FRAMES[row : row + 1], own[row : row + 1]), scores[row : row + 1])
    np.testing.assert_array_equal(model.score(np.stack([FRAMES[::-1], FRAMES], 1), own), scores)
    assert model.encoder.image_size == large.encoder.image_size
    # To all who compare embeddings with captions they are the large model's.
    images, texts = model.embed(FRAMES), model.text_embeddings(goals[0])
    np.testing.assert_allclose(
        images @ texts.T, large.embed(FRAMES) @ large.text_embeddings(goals[0]).T, rtol=0, atol=3e-6
    )


def test_the_large_model_sees_only_what_the_small_one_does_not_refuse(task_set):
    _, before, model, large, small = watched_cascade(task_set)
    goals = ["gmail"] * len(FRAMES)
    asked = int((before.score(FRAMES, goals) > np.float32(model.config.head.threshold)).sum())
    small.seen = 0
    model.score(np.concatenate([FRAMES, FRAMES]), goals * 2)
    assert (large.seen, small.seen) == (asked, len(FRAMES)), "equal frames are looked at once"
    model.embed(FRAMES)
    assert large.seen == asked + len(FRAMES), "an embedding that is given away is whole"


def test_a_cache_keeps_what_each_model_said_and_changes_no_score(task_set):
    *_, uncached, _, _ = watched_cascade(task_set)
    _, _, model, large, small = watched_cascade(task_set, EmbeddingCache(2**20))
    goals = ["gmail"] * len(FRAMES)
    for _ in range(2):
        np.testing.assert_array_equal(model.score(FRAMES, goals), uncached.score(FRAMES, goals))
    seen = large.seen
    assert small.seen == len(FRAMES)
    # Another goal asks about other frames: those alone are new to the large model.
    both = [one.score_all(FRAMES, ["gmail", "maps"]) for one in (model, uncached)]
    np.testing.assert_array_equal(*both)
    assert small.seen == len(FRAMES)
    assert seen < large.seen <= len(FRAMES)


def test_requests_of_all_kinds_share_a_batch_and_get_what_they_get_alone(task_set):
    alone, _, model, _, _ = watched_cascade(task_set)
    requests = [
        Request("score", FRAMES[:9], ["gmail"] * 9),
        Request("embed", FRAMES[9:14], ()),
        Request("score_all", FRAMES[:12], ["maps", "clock"]),
        Request("score", FRAMES[14:], ["sheets"] * 10),
    ]
    answers = answer_batch(model, requests, lambda error: pytest.fail(str(error)))
    np.testing.assert_array_equal(answers[0].scores, model.score(FRAMES[:9], ["gmail"] * 9))
    np.testing.assert_array_equal(answers[1].embeddings, model.embed(FRAMES[9:14]))
    np.testing.assert_array_equal(answers[2].scores, model.score_all(FRAMES[:12], ["maps", "clock"]))
    np.testing.assert_array_equal(answers[3].scores, model.score(FRAMES[14:], ["sheets"] * 10))
    assert np.isin(answers[3].scores, alone.score(FRAMES[14:], ["sheets"] * 10)).any()


def test_a_goal_that_nobody_asked_about_has_no_score_rather_than_a_wrong_one(task_set):
    _, before, model, _, _ = watched_cascade(task_set)
    images = model.embed_for(FRAMES, [("gmail",)] * len(FRAMES))
    assert (before.score(FRAMES, ["maps"] * len(FRAMES)) > np.float32(model.config.head.threshold)).any()
    with pytest.raises(NonFiniteRewardError):
        model.score_embeddings(images, ["maps"] * len(FRAMES))


def test_what_decides_a_cascade_is_in_its_fingerprint_and_its_precision_is_the_plain_reward_s(task_set):
    config = reward({"model": "small", "threshold": 0.2})
    changed = [reward(), reward({"model": "small", "threshold": 0.3})]
    prints = [one.fingerprint(task_set, "an encoder") for one in (config, *changed)]
    assert len(set(prints)) == 3
    elsewhere = reward({"model": "/elsewhere/small", "threshold": 0.2})
    assert elsewhere.fingerprint(task_set, "an encoder") == prints[0]
    assert RewardConfig(**config.model_dump(mode="json")) == config
    a, b = FakeEncoder(), FakeEncoder(salt="small")
    assert len({one.fingerprint for one in (CascadeEncoder(a, b), CascadeEncoder(b, a), a, b)}) == 4
    # Agreement is of rewards, and these are the large model's.
    assert {one.agreement_key for one in (config, *changed)} == {reward().agreement_key}
    waits = Cascade(model="small", threshold=0.2, agree={"need": 2, "of": 3})
    assert reward().model_copy(update={"head": waits}).agreement_key != reward().agreement_key


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"model": "small", "threshold": 0.95}, "threshold 0.95 is above beta 0.9"),
        ({"model": "fake", "threshold": 0.1}, "model 'fake' is named twice"),
        ({"model": "small", "threshold": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_cascade_that_could_pay_what_it_refuses_or_saves_nothing_is_refused(head, message):
    with pytest.raises(ConfigError, match=message):
        reward(head)
