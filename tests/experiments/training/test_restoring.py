"""A checkpoint that is whole and does not fit."""

from pathlib import Path

import pytest
from ray.exceptions import RayTaskError

from experiments.training.restoring import restoring
from vlm_rewards.errors import ConfigError, RewardServiceError

FOLDER = Path("/runs/demo-1/checkpoint-000000100")


def of_a_learner(error):
    return RayTaskError("restore", "a traceback\nof many lines", error)


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("no attribute 'Encoder' on <module>"),
        RuntimeError("size mismatch for a.weight:\n  (2, 3) and (2, 4)"),
        of_a_learner(ValueError("size mismatch for a.weight")),
    ],
)
def test_whatever_it_raises_is_one_line_that_names_it(error):
    with pytest.raises(ConfigError) as raised, restoring(FOLDER):
        raise error
    text = str(raised.value)
    assert "\n" not in text
    assert str(FOLDER) in text
    assert "no attribute" in text or "size mismatch for a.weight" in text


@pytest.mark.parametrize("error", [RewardServiceError("the reward is gone"), KeyboardInterrupt()])
def test_what_has_its_own_words_keeps_them(error):
    with pytest.raises(type(error)), restoring(FOLDER):
        raise error
