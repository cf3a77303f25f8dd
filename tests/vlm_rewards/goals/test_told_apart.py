"""Goals that are one to a model are refused by name, before anything trains on them."""

import logging

import numpy as np
import pytest

from vlm_rewards.encoders import FakeEncoder, ReadsTexts, TextReading, load_encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

CONFIG = RewardConfig(model="fake", template="a photo of [TASK]", tau=0.1, beta=0.5)


def goals(*subjects, captions=()):
    made = tuple(Goal(id=f"g{i}", subject=subject, instruction=f"find {i}") for i, subject in enumerate(subjects))
    return TaskSet(name="test", version=1, goals=made, unachieved_captions=captions)


class FoldingEncoder(FakeEncoder):
    """Knows a few words, and folds what it does not know, as tokenizers do."""

    known = ("a", "photo", "of", "ball", "cafe", "box", "cup")

    def read_texts(self, texts):
        readings = []
        for text in texts:
            words = text.lower().replace("é", "e").replace("\u0301", "").replace("!", "").split()[:6]
            ids = [self.known.index(word) + 2 if word in self.known else 1 for word in words]
            readings.append(TextReading((0, *ids), len(ids), ids.count(1)))
        return readings

    def embed_texts(self, texts):
        return super().embed_texts([str(reading.tokens) for reading in self.read_texts(texts)])


class NearEncoder(FakeEncoder):
    """Says nothing of tokens; its embeddings of two texts are as near as it is told."""

    def __init__(self, distance):
        super().__init__()
        self.distance = distance

    def embed_texts(self, texts):
        rows = super().embed_texts(["one" for _ in texts])
        rows[:, 0] += self.distance * np.arange(len(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("красный шар", "синий шар"),
        ("红球", "蓝盒"),
        ("café", "cafe"),
        ("cafe\u0301", "café"),
        ("a cup", "a cup!"),
        ("a ball of cup box", "a ball of cup cafe"),
    ],
    ids=["cyrillic", "chinese", "accents", "composed or not", "a sign", "beyond its length"],
)
def test_goals_whose_tokens_are_the_same_are_refused_by_name(first, second):
    with pytest.raises(ConfigError) as raised:
        RewardModel(CONFIG, goals("box", first, second), FoldingEncoder())
    message = str(raised.value)
    assert "reword" in message
    assert "contain the goal itself" in message or ("'g1' and 'g2'" in message and "'fake'" in message)


def test_a_drawn_set_of_negatives_does_not_hide_twins():
    """Each would be paid for the other's frames even where neither is among the other's negatives."""
    subjects = ["ball", "box", "cup", "a cup of box", "a ball of box", "a box of a ball", "красный", "синий"]
    config = CONFIG.model_copy(update={"negatives": {"kind": "goals", "count": 1}})
    for seed in range(5):
        config = RewardConfig(**{**CONFIG.model_dump(), "negatives": {"count": 1, "seed": seed}})
        with pytest.raises(ConfigError, match="'g6' and 'g7'"):
            RewardModel(config, goals(*subjects), FoldingEncoder())


def test_goals_are_compared_where_no_negatives_are_used():
    config = RewardConfig(model="fake", template="[TASK]", head={"form": "cosine"})
    with pytest.raises(ConfigError, match="'g0' and 'g1'"):
        RewardModel(config, goals("красный", "синий"), FoldingEncoder())


def test_a_caption_of_another_state_that_reads_as_the_goal_is_refused():
    config = RewardConfig(**{**CONFIG.model_dump(), "negatives": {"kind": "goals_and_states"}})
    with pytest.raises(ConfigError, match="'g0' and one of its negatives"):
        RewardModel(config, goals("café", "box", captions=("a photo of cafe!",)), FoldingEncoder())


@pytest.mark.parametrize(("distance", "refused"), [(0.0, True), (1e-4, True), (0.01, False)])
def test_embeddings_decide_where_tokens_are_not_known(distance, refused):
    assert not isinstance(NearEncoder(0.0), ReadsTexts)
    if refused:
        with pytest.raises(ConfigError, match=r"goals 'g0' and 'g1' are one to model 'fake'"):
            RewardModel(CONFIG, goals("ball", "box"), NearEncoder(distance))
    else:
        RewardModel(CONFIG, goals("ball", "box"), NearEncoder(distance))


def test_a_goal_of_which_nothing_is_read_is_refused():
    with pytest.raises(ConfigError, match="reads nothing of goal 'g1'"):
        RewardModel(CONFIG, goals("ball", "!!!"), FoldingEncoder())


def test_prompts_that_are_mostly_unknown_are_warned_of(caplog):
    caplog.set_level(logging.WARNING)
    config = RewardConfig(**{**CONFIG.model_dump(), "template": "[TASK]"})
    RewardModel(config, goals("красный мяч в комнате", "a ball"), FoldingEncoder())
    assert "does not know most words of 1 prompts (such as 'красный мяч в комнате')" in caplog.text
    caplog.clear()
    RewardModel(CONFIG, goals("a box", "a ball"), FoldingEncoder())
    assert not caplog.records


def test_negatives_that_are_one_are_warned_of(caplog):
    caplog.set_level(logging.WARNING)
    config = RewardConfig(**{**CONFIG.model_dump(), "negatives": {"kind": "goals_and_states"}})
    RewardModel(config, goals("ball", "box", captions=("a cup café", "a cup cafe")), FoldingEncoder())
    assert "as one, which counts 2 times" in caplog.text


def test_real_tokenizers_are_asked(clip_folder, pocket_folder):
    for folder in (clip_folder, pocket_folder):
        encoder = load_encoder(str(folder), encoder="torch")
        assert isinstance(encoder, ReadsTexts)
        known, unknown, empty = encoder.read_texts(["the home screen", "красный шар", ""])
        assert known.words == 3
        assert not known.unknown
        assert unknown.words == unknown.unknown == 2
        assert not empty.words
        assert len(known.tokens) == 5
        with pytest.raises(ConfigError, match="'g1' and 'g2'"):
            RewardModel(CONFIG, goals("ball", "красный", "синий"), encoder)
    assert encoder.read_texts([]) == []
