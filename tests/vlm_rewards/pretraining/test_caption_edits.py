import numpy as np

from vlm_rewards.pretraining.caption_edits import CaptionEdits

CAPTIONS = [
    "a red mug close up",
    "a blue mug close up",
    "an orange mug close up",
    "a red drum close up",
    "a red mug far away",
    "a blue drum far away",
    "an empty room",
]


def test_neighbours_differ_by_one_word_or_two_that_follow_each_other():
    edits = CaptionEdits(CAPTIONS)
    assert [CAPTIONS[i] for i in edits.neighbours(0)] == [
        "a blue mug close up",
        "an orange mug close up",
        "a red drum close up",
        "a red mug far away",
    ]
    assert edits.neighbours(6).size == 0


def test_a_draw_gives_each_caption_one_of_its_neighbours():
    edits = CaptionEdits(CAPTIONS)
    drawn = [edits.draw(np.array([0, 6, 5]), np.random.default_rng(seed)) for seed in range(50)]
    assert len({tuple(each) for each in drawn}) > 3
    for each in drawn:
        assert len(each) == 2, "the caption without neighbours brings none"
        assert each[0] in edits.neighbours(0)
        assert each[1] in edits.neighbours(5)


def test_crowded_captions_keep_the_same_neighbours_for_one_seed():
    many = [f"a colour{i} mug" for i in range(200)]
    first, again, other = (CaptionEdits(many, seed).neighbours(0) for seed in (0, 0, 1))
    assert len(first) == 64
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
