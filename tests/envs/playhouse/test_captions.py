from collections import Counter

import numpy as np
import pytest

from envs.playhouse import captions
from envs.playhouse.captions import random_captioned_view
from envs.playhouse.captions_staging import KINDS
from envs.playhouse.goals import WORDING_PATH
from envs.playhouse.ground_truth import BESIDE, NEAR
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import read_yaml


@pytest.fixture(autouse=True, scope="module")
def closed_afterwards():
    yield
    captions._environment("small").close()
    captions._environment.cache_clear()


def test_views_are_captioned_by_what_they_show():
    kinds, written = Counter(), set()
    for seed in range(160):
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
    assert set(kinds) == set(KINDS)
    for words in (
        "far away",
        "in a hand",
        "a hand on",
        "next to",
        "far from each other",
        "on the floor",
        "on a piece of furniture",
        "an empty room",
    ):
        assert any(words in caption for caption in written), words
    wording = read_yaml(WORDING_PATH)
    for family in ("find", "lift", "pick_place"):
        verb = wording[family]["instruction"].split()[0]
        assert not any(caption.startswith(verb + " ") for caption in written), "task wording never enters"


def test_no_caption_contradicts_another_of_its_view():
    for seed in range(60):
        view = random_captioned_view(np.random.default_rng([1, seed]), 32, 32)
        said = set(view.captions)
        assert not any(false in said for _, false in view.contrasts)
        for caption in said:
            if caption.endswith(" close up") and not caption.startswith("a photo"):
                thing = caption.removesuffix(" close up")
                assert f"{thing} far away" not in said
                states = ("in a hand", "on the floor", "on a piece of furniture")
                assert sum(f"{thing} {state}" in said for state in states) + (f"a hand on {thing}" in said) <= 1


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


def views(kind: str, count: int):
    """Views of one kind, each beside the simulation that it was drawn from."""
    env = captions._environment("small")
    for seed in range(count):
        yield random_captioned_view(np.random.default_rng([2, seed]), 24, 24, kinds={kind: 1.0}), env


def test_edges_lie_on_both_sides_of_where_near_ends():
    distances = []
    for view, env in views("edge", 40):
        x, y, _, _ = env.agent.pose
        distances.append(float(np.hypot(*(env.scene.centre(0)[:2] - (x, y)))))
        near = any(caption.endswith(view.label.removeprefix("edge ") + " close up") for caption in view.captions)
        assert near == (distances[-1] <= NEAR)
    assert 0.9 < min(distances) < NEAR - 0.1
    assert NEAR + 0.2 < max(distances) < 1.7


@pytest.mark.parametrize(("kind", "lifted"), [("held", True), ("touched", False)])
def test_a_thing_in_the_hand_is_held_only_where_it_is_lifted(kind, lifted):
    raised = 0
    for view, env in views(kind, 25):
        thing = view.label.removeprefix(f"{kind} ")
        assert env.agent.held == 0
        assert env.truth.is_lifted(0) == lifted
        assert any(c.startswith("a person's view holding") and c.endswith(thing) for c in view.captions) == lifted
        assert any(c.startswith("a hand on") and c.endswith(thing) for c in view.captions) != lifted
        raised += env.agent.grab_height > 0.2
    assert raised > 1, "on furniture, too"


def test_what_is_carried_is_never_said_to_stand_beside_anything():
    near = denied = 0
    for view, env in views("carried", 25):
        thing = view.label.removeprefix("carried ")
        assert env.agent.held == 0
        assert env.truth.is_visible(1)
        assert not any("next to" in c and thing in c for c in view.captions)
        near += np.hypot(*(env.scene.centre(0) - env.scene.centre(1))[:2]) < 0.9
        denied += any("next to" in false or "side by side" in false for _, false in view.contrasts)
    assert 3 < near < 23
    assert denied > 5


def test_pairs_are_beside_or_apart_by_where_they_stand():
    adjacent = 0
    for view, env in views("apart", 25):
        assert not any(
            "next to" in c for c in view.captions if view.label.removeprefix("apart ") in c.split(" next")[0]
        )
        gap = np.hypot(*(env.scene.centre(0) - env.scene.centre(1))[:2])
        assert gap > BESIDE
        eye, rotation = env.agent.eye
        right, _, back = rotation.T @ (np.array([env.scene.centre(slot) - eye for slot in (0, 1)]).T)
        adjacent += abs(np.diff(right / -back)[0]) < 0.3
    assert adjacent > 5, "in many pictures they look adjacent"


def test_what_falls_is_not_said_to_stand():
    moving = 0
    for view, env in views("released", 25):
        assert env.agent.held is None
        assert 0 in env.agent.ever_held
        speed = np.linalg.norm(env.scene.velocity(0))
        thing = view.label.removeprefix("released ")
        assert any(c.endswith(f"{thing} standing in a room") for c in view.captions) == (speed <= 0.15)
        moving += speed > 0.15
    assert moving > 2


def test_contrasts_pair_a_true_caption_with_a_false_one():
    flips, swaps = 0, 0
    for seed in range(60):
        view = random_captioned_view(np.random.default_rng([3, seed]), 24, 24)
        assert 1 <= len(view.contrasts) <= 6
        for true, false in view.contrasts:
            assert true in view.captions
            assert false not in view.captions
            words = {word for word in ("close up", "far away", "holding", "a hand on", "next to") if word in false}
            flips += bool(words) and not any(word in true for word in words)
            swaps += not words or any(word in true for word in words)
    assert flips > 20
    assert swaps > 20


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("edge", ("close", "near", "front", "far", "distance")),
        ("touched", ("hand", "holding", "held", "standing", "next to", "side", "far from")),
        ("beside", ("far from each other", "holding", "held", "hand", "alone")),
    ],
)
def test_the_first_contrast_is_about_what_was_staged(kind, words):
    for view, _ in views(kind, 20):
        thing = view.label.removeprefix(f"{kind} ")
        true, false = view.contrasts[0]
        assert thing in true
        assert thing in false
        assert any(word in false for word in words), (true, false)
