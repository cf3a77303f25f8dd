"""Heads that ask several times before they pay, against plain loops over equation 1."""

import math

import numpy as np
import pytest

from vlm_rewards.encoders import EnsembleEncoder, FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import HEADS, Agreement, agreed, agreed_now, rewards_of
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
TEMPLATES = ("A", "a photo of [TASK]")
GOALS_AND_STATES = {"kind": "goals_and_states"}


def plain(image: np.ndarray, texts: np.ndarray, tau: float) -> float:
    """Equation 1 as it is written, in Python's own floats."""
    cosines = [math.fsum(float(a) * float(b) for a, b in zip(image, text, strict=True)) for text in texts]
    weights = [math.exp((cosine - max(cosines)) / tau) for cosine in cosines]
    return weights[0] / math.fsum(weights)


def reward(head: dict, **changes) -> RewardConfig:
    values = {"model": "fake", "tau": 0.1, "beta": 0.3, "negatives": GOALS_AND_STATES, "head": head, **changes}
    return RewardConfig(**values)


def test_unanimous_prompts_are_above_beta_where_every_template_alone_is(task_set):
    goals = [goal.id for goal in task_set.all_goals]
    safe = RewardModel(reward({"form": "unanimous", "templates": TEMPLATES}), task_set)
    alone = [RewardModel(reward({}, template=template), task_set) for template in ("D", *TEMPLATES)]
    tables = np.stack([model.score_all(FRAMES, goals) for model in alone])
    scores = safe.score_all(FRAMES, goals)
    np.testing.assert_array_equal(scores, tables.min(axis=0))
    np.testing.assert_array_equal(safe.reward(scores), (tables > np.float32(0.3)).all(axis=0))
    own = [goals[number % len(goals)] for number in range(len(FRAMES))]
    np.testing.assert_array_equal(safe.score(FRAMES, own), [scores[row, goals.index(g)] for row, g in enumerate(own)])
    images = safe.embed(FRAMES[:4])
    for model, table in zip(alone, tables, strict=True):
        texts = model.text_embeddings(goals[1])
        assert [plain(image, texts, 0.1) for image in images] == pytest.approx(table[:4, 1], abs=1e-6)
    assert safe.prompts(goals[0]) == alone[0].prompts(goals[0]), "what it is asked for is in the words of its template"


def test_an_ensemble_is_above_beta_where_enough_models_alone_are(task_set):
    goal = task_set.goals[0].id
    members = [FakeEncoder(salt=salt) for salt in ("fake", "b", "c")]
    alone = np.stack([RewardModel(reward({}), task_set, member).score(FRAMES, [goal] * 40) for member in members])
    for need, smallest in ((None, 0), (2, 1), (1, 2)):
        head = {"form": "ensemble", "models": ["b", "c"], "need": need}
        model = RewardModel(reward(head), task_set, EnsembleEncoder(members))
        scores = model.score(FRAMES, [goal] * 40)
        np.testing.assert_allclose(scores, np.sort(alone, axis=0)[smallest], atol=1e-6)
        np.testing.assert_array_equal(scores, model.score_all(FRAMES, [goal])[:, 0])


class Narrow:
    """Half as many numbers an embedding as the fake encoder, and larger frames."""

    image_size, embedding_dim, fingerprint = (64, 64), 16, "of the narrow one"

    def __init__(self):
        self._wide = FakeEncoder(salt="narrow")

    def embed_images(self, frames):
        return self._half(self._wide.embed_images(frames))

    def embed_texts(self, texts):
        return self._half(self._wide.embed_texts(texts))

    def _half(self, rows):
        return rows[:, :16] / np.linalg.norm(rows[:, :16], axis=1, keepdims=True)


def test_encoders_of_unlike_widths_become_one_whose_products_are_mean_cosines():
    members = [FakeEncoder(), Narrow()]
    both = EnsembleEncoder(members)
    assert (both.embedding_dim, both.image_size) == (64, (64, 64))
    images, texts = both.embed_images(FRAMES), both.embed_texts(["a cat", "a dog"])
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)
    mean = np.mean([m.embed_images(FRAMES) @ m.embed_texts(["a cat", "a dog"]).T for m in members], axis=0)
    np.testing.assert_allclose(images @ texts.T, mean, atol=1e-6)
    for row in (0, 7):
        np.testing.assert_array_equal(both.embed_images(FRAMES[row : row + 1])[0], images[row])
    assert len({both.fingerprint, EnsembleEncoder(members[::-1]).fingerprint, members[0].fingerprint}) == 3


@pytest.mark.parametrize(("need", "of"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 5)])
def test_states_agree_as_counted_one_by_one(need, of):
    rng, rule, beta = np.random.default_rng(need * 10 + of), Agreement(need=need, of=of), 0.5
    lengths = [1, 2, 7, 1, 12]
    position = np.concatenate([np.arange(length) for length in lengths])
    scores = rng.random((6, len(position))).astype(np.float32)
    together = agreed(scores, position, rule)
    for row, line in enumerate(scores):
        for t, before in enumerate(position):
            window = line[max(t - of + 1, t - before) : t + 1]
            assert (together[row, t] > beta) == (sum(window > beta) >= need)
            now = agreed_now(line[t : t + 1], [line[t - before : t].tolist()], rule)
            np.testing.assert_array_equal(now, together[row, t : t + 1])


def test_a_state_alone_is_never_rewarded_where_several_must_agree(task_set):
    model = RewardModel(reward({"agree": {"need": 2, "of": 3}}, beta=0.0), task_set)
    described = RewardDescription.model_validate(model.describe().model_dump())
    assert described.agree == Agreement(need=2, of=3)
    np.testing.assert_array_equal(described.reward([[0.9, 1.0]]), [[0, 0]])
    np.testing.assert_array_equal(model.reward([0.9, 1.0]), [0, 0])
    together = agreed(np.float32([0.9, 1]), np.arange(2), described.agree)
    np.testing.assert_array_equal(rewards_of(True, together, 0.0), [0, 1])
    one = RewardModel(reward({"agree": {"need": 1, "of": 3}}, beta=0.0), task_set)
    np.testing.assert_array_equal(one.reward([0.9, 0.0]), [1, 0])


def test_a_nan_is_not_outvoted():
    scores = np.float32([[0.1, np.nan, 0.9, 0.8]])
    assert np.isnan(agreed(scores, np.arange(4), Agreement(need=2, of=2))).tolist() == [[False, True, True, False]]


def test_all_that_decides_a_safer_reward_is_in_its_fingerprint(task_set):
    heads = [
        {},
        {"agree": {"need": 2, "of": 2}},
        {"agree": {"need": 2, "of": 3}},
        {"form": "unanimous", "templates": ["A"]},
        {"form": "unanimous", "templates": ["A", "B"]},
        {"form": "unanimous", "templates": ["A"], "agree": {"need": 2, "of": 3}},
        {"form": "ensemble", "models": ["b"]},
        {"form": "ensemble", "models": ["b"], "need": 1},
    ]
    configs = [reward(head) for head in heads]
    prints = [config.fingerprint(task_set, "an encoder") for config in configs]
    assert len(set(prints)) == len(heads)
    assert len({config.agreement_key for config in configs}) == len(heads)
    for config, fingerprint in zip(configs, prints, strict=True):
        again = RewardConfig(**config.model_dump(mode="json"))
        assert again == config
        assert again.fingerprint(task_set, "an encoder") == fingerprint
    # Another folder with the same weights serves the same reward: the encoder's fingerprint says what they are.
    elsewhere = reward({"form": "ensemble", "models": ["/elsewhere/b"]})
    assert elsewhere.fingerprint(task_set, "an encoder") == prints[-2]
    assert HEADS.parse({}).agree.is_of_one


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"form": "ensemble", "models": ["fake"]}, "model 'fake' is named twice"),
        ({"form": "unanimous", "templates": ["Screenshot of [TASK] on Android"]}, "template 'D' is named twice"),
    ],
)
def test_an_opinion_that_is_the_reward_s_own_is_refused(head, message):
    with pytest.raises(ConfigError, match=message):
        reward(head)


def test_a_template_that_makes_a_goal_a_caption_of_states_is_refused(task_set):
    clash = task_set.model_copy(update={"unachieved_captions": (f"Open {task_set.goals[1].subject}", "a lock screen")})
    with pytest.raises(ConfigError, match="contain the goal itself \\('Open Sheets'\\)"):
        RewardModel(reward({"form": "unanimous", "templates": ["A"]}), clash)


def test_what_is_loaded_for_an_ensemble_are_all_of_its_models():
    encoder = reward({"form": "ensemble", "models": ["pocket-xs"]}, model="pocket-android").load_encoder()
    assert isinstance(encoder, EnsembleEncoder)
    assert [member.embedding_dim for member in encoder.members] == [64, 64]
    assert encoder.image_size == (128, 80)
