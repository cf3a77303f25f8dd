import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vlm_rewards
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, PADDING, VOCAB_SIZE, tokenize

SOURCE_ROOT = Path(vlm_rewards.__file__).parents[1]


def test_tokens_have_the_declared_shape_dtype_and_range():
    tokens = tokenize("open the Gmail app")
    assert tokens.shape == (GOAL_LENGTH,)
    assert tokens.dtype == np.int64
    assert (tokens[:4] > PADDING).all()
    assert (tokens[:4] < VOCAB_SIZE).all()
    assert (tokens[4:] == PADDING).all()


def test_case_and_punctuation_do_not_matter_but_words_and_their_order_do():
    assert np.array_equal(tokenize("Open Gmail!"), tokenize("open gmail"))
    assert not np.array_equal(tokenize("open gmail"), tokenize("open maps"))
    assert not np.array_equal(tokenize("mug on plate"), tokenize("plate on mug"))


def test_tokens_are_the_same_in_another_process_with_another_hash_seed():
    code = "from vlm_rewards.environment.goal_tokens import tokenize; print(tokenize('open Gmail').tolist())"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE_ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == str(tokenize("open Gmail").tolist())


def test_words_of_the_common_apps_do_not_collide():
    sentence = "open gmail sheets chrome calculator clock messages phone calendar docs maps camera"
    tokens = tokenize(sentence)
    assert len(set(tokens.tolist())) == len(sentence.split()) == GOAL_LENGTH


@pytest.mark.parametrize("instruction", ["", "  !?", " ".join(["word"] * (GOAL_LENGTH + 1))])
def test_an_instruction_that_cannot_be_represented_is_refused(instruction):
    with pytest.raises(ValueError, match="goal instruction"):
        tokenize(instruction)
