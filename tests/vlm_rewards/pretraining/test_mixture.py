from collections import Counter

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.mixture import mixture

SHAPES = {"source": "vlm_rewards.pretraining.shapes:random_shape"}


def test_parts_are_drawn_by_weight_and_named_in_the_label():
    parts = {"one": {**SHAPES, "weight": 3}, "two": {**SHAPES, "weight": 1}}
    drawn = [mixture(np.random.default_rng(seed), 24, 24, parts) for seed in range(400)]
    counts = Counter(image.label.split(": ")[0] for image in drawn)
    assert 270 < counts["one"] < 330
    assert counts["one"] + counts["two"] == 400
    again = mixture(np.random.default_rng(7), 24, 24, parts)
    np.testing.assert_array_equal(again.frame, drawn[7].frame)
    assert again.captions == drawn[7].captions


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "at least one part"),
        ({"one": {}}, "needs source"),
        ({"one": {**SHAPES, "wieght": 1}}, "not \\['source', 'wieght'\\]"),
        ({"one": {**SHAPES, "weight": 0}}, "above 0"),
        ({"one": {"source": "nowhere:function"}}, "cannot import"),
    ],
)
def test_a_wrong_part_is_one_clear_line(parts, message):
    with pytest.raises(ConfigError, match=message):
        mixture(np.random.default_rng(0), 24, 24, parts)
