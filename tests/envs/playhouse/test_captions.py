from collections import Counter

import numpy as np
import pytest

from envs.playhouse import captions
from envs.playhouse.captions import random_captioned_view
from envs.playhouse.goals import WORDING_PATH
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import read_yaml


@pytest.fixture(autouse=True, scope="module")
def closed_afterwards():
    yield
    captions._environment("small").close()
    captions._environment.cache_clear()


def test_views_are_captioned_by_what_they_show():
    kinds, written = Counter(), set()
    for seed in range(80):
        view = random_captioned_view(np.random.default_rng(seed), 48, 64)
        assert view.frame.shape == (48, 64, 3)
        assert len(set(view.captions)) == len(view.captions) >= 1
        kind = view.label.split()[0]
        kinds[kind] += 1
        written |= set(view.captions)
        if kind != "empty":
            colour, thing = view.label.split(" ", 2)[1:]
            assert any(f"{colour} {thing}" in caption for caption in view.captions)
        if kind == "near":
            assert any(caption.endswith(f"{colour} {thing} close up") for caption in view.captions)
            assert not any(caption.endswith(f"{colour} {thing} in a hand") for caption in view.captions)
    assert set(kinds) == {"near", "far", "held", "beside", "empty", "anywhere"}
    for words in ("far away", "in a hand", "next to", "on the floor", "on a piece of furniture", "an empty room"):
        assert any(words in caption for caption in written), words
    wording = read_yaml(WORDING_PATH)
    for family in ("find", "lift", "pick_place"):
        verb = wording[family]["instruction"].split()[0]
        assert not any(caption.startswith(verb + " ") for caption in written), "task wording never enters"


def test_no_caption_contradicts_another_of_its_view():
    for seed in range(60):
        said = set(random_captioned_view(np.random.default_rng([1, seed]), 32, 32).captions)
        for caption in said:
            if caption.endswith(" close up") and not caption.startswith("a photo"):
                thing = caption.removesuffix(" close up")
                assert f"{thing} far away" not in said
                assert not (f"{thing} in a hand" in said and f"{thing} on the floor" in said)


def test_the_labelled_thing_fills_as_much_of_the_frame_as_asked():
    env = captions._environment("small")
    shares = []
    for seed in range(20):
        random_captioned_view(np.random.default_rng(seed), 48, 48, kinds={"far": 1.0}, smallest_share=0.02)
        shares.append(captions._share(env, 0, 48, 48))
    assert min(shares) >= 0.02


def test_alone_is_the_same_view_without_what_was_not_staged():
    env = captions._environment("small")
    fewer = 0
    for seed in range(12):
        options = {"kinds": {"near": 0.5, "beside": 0.5}}
        shown = random_captioned_view(np.random.default_rng(seed), 32, 32, **options)
        things = len(env.scene.things)
        alone = random_captioned_view(np.random.default_rng(seed), 32, 32, **options, alone=True)
        assert alone.label == shown.label
        assert len(env.scene.things) == (2 if alone.label.startswith("beside") else 1)
        assert set(alone.captions) - set(shown.captions) <= {c for c in alone.captions if "alone" in c}
        fewer += len(env.scene.things) < things
    assert fewer > 2


def test_words_name_every_pair_of_a_preset():
    words = captions.thing_words("small")
    assert len(words) == 96
    assert {"thing": "an orange mug", "colour": "orange", "category": "mug"} in words


def test_equal_generators_give_equal_views():
    views = [random_captioned_view(np.random.default_rng(3), 32, 32) for _ in range(2)]
    np.testing.assert_array_equal(views[0].frame, views[1].frame)
    assert views[0].captions == views[1].captions


def test_unknown_splits_are_refused():
    with pytest.raises(ConfigError, match="unknown split"):
        random_captioned_view(np.random.default_rng(0), 32, 32, split="test")
    with pytest.raises(ConfigError, match="did you mean 'near'"):
        random_captioned_view(np.random.default_rng(0), 32, 32, kinds={"neer": 1.0})
