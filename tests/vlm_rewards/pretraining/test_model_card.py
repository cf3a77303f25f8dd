"""The card of a pocket CLIP, and what later measurements write into it."""

import pytest

from vlm_rewards.pretraining.model_card import TrainingFacts, model_card, with_measurement, with_measurements_of
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.zero_shot import ZeroShotReport

FACTS = TrainingFacts(1000, 500, 70, 12.0, "float16")
PART = {"source": "a.b:screens", "weight": 3, "options": {"content": "train"}}


@pytest.fixture
def card() -> str:
    labels = {f"phone: app {i}": i / 100 for i in range(100)}
    report = ZeroShotReport(0.4567, labels, dict.fromkeys(labels), 1000, dict.fromkeys(labels, 10))
    data = {"source": "a.b:mix", "options": {"parts": {"phone": PART, "house": {"source": "a.b:views"}}}}
    config = PretrainConfig(name="pocket-x", data=data, training={"steps": 10, "hard_negatives": True})
    return model_card(config, FACTS, report)


def test_it_says_where_each_part_of_the_data_comes_from(card):
    assert "- phone, 75%: `a.b:screens` with content=train\n- house, 25%: `a.b:views`\n" in card
    assert "differ from its own by a word or two" in card
    assert "It saw 1,280 images: each about 0.1 times." in card


def test_a_hundred_labels_are_summed_up(card):
    assert "**0.4567**" in card
    assert "| phone | 100 | 1,000 | 0.495 |" in card
    assert "app 17" not in card


def test_a_measurement_stands_before_the_limits_and_replaces_its_predecessor(card):
    once = with_measurement(card, "playhouse", "aa11", "### Things\n\nAccuracy 0.8")
    both = with_measurement(once, "phone", "aa11", "### Apps\n\nAccuracy 0.9")
    assert both.index("Accuracy 0.8") < both.index("Accuracy 0.9") < both.index("## Limits")
    again = with_measurement(both, "playhouse", "aa11", "### Things\n\nAccuracy 0.85")
    assert "Accuracy 0.8\n" not in again
    assert again.index("Accuracy 0.85") < again.index("Accuracy 0.9") < again.index("## Limits")
    assert with_measurement(both, "playhouse", "aa11", "### Things\n\nAccuracy 0.8") == both
    assert with_measurement("# Another's card\n", "phone", "aa11", "Accuracy 0.9").count("Accuracy 0.9") == 1


def test_a_new_card_keeps_what_was_measured_of_the_same_weights(card):
    earlier = with_measurement(with_measurement(card, "old", "bb22", "stale"), "new", "aa11", "sound")
    kept = with_measurements_of(card, earlier, "aa11")
    assert "sound" in kept
    assert "stale" not in kept
