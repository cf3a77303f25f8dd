from collections import Counter

import numpy as np
import pytest
from PIL import Image

from envs.playhouse.goals import WORDING_PATH
from envs.web import scenery, scenes
from envs.web.clip_art import draw_clip_art
from envs.web.photography import as_found, photographed
from envs.web.pictures import SHARES, random_web_picture
from envs.web.scenes import draw_scene, web_noise
from envs.web.screens import SCREENS, draw_screen
from envs.web.things import CATEGORIES
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.wording import check_wording
from vlm_rewards.strict_config import read_yaml


@pytest.fixture(autouse=True, scope="module")
def closed_afterwards():
    yield
    scenery.scenery().close()
    scenery.scenery.cache_clear()


def pictures(count: int, **options):
    return [random_web_picture(np.random.default_rng([1, seed]), 32, 32, **options) for seed in range(count)]


def test_each_picture_has_one_caption_and_all_kinds_come():
    kinds = Counter()
    for picture in pictures(120):
        assert picture.frame.shape == (32, 32, 3)
        assert picture.frame.dtype == np.uint8
        assert len(picture.captions) == 1
        kinds[picture.label.split(":")[0]] += 1
    assert set(kinds) == {name.replace("_", " ") for name in SHARES}
    assert kinds["things"] > kinds["screens"] > kinds["clip art"]


def test_equal_generators_give_equal_pictures_whatever_was_drawn_before():
    first = pictures(12)
    pictures(7, shares={"things": 1.0})
    for before, after in zip(first, pictures(12), strict=True):
        np.testing.assert_array_equal(before.frame, after.frame)
        assert before.captions == after.captions


def test_captions_never_instruct():
    written = {picture.captions[0] for picture in pictures(300)}
    check_wording(written)
    wording = read_yaml(WORDING_PATH)
    verbs = {wording[family]["instruction"].split()[0].lower() for family in ("find", "lift", "pick_place")} | {"open"}
    assert verbs == {"go", "lift", "put", "open"}
    assert not any(verbs & set(caption.lower().split()) for caption in written)


def test_one_caption_in_ten_is_vague_or_anothers():
    rng = np.random.default_rng(5)
    changed = Counter(
        "own" if said.startswith("a red mug") else "wrong" if said == "a blue boat" else "vague"
        for said in (web_noise("a red mug", ("a blue boat",), rng) for _ in range(3000))
    )
    assert 0.08 < 1 - changed["own"] / 3000 < 0.12
    assert changed["wrong"] > 90
    assert changed["vague"] > 90
    assert all(p.captions[0] != "untitled" for p in pictures(60, noise=False))


@pytest.mark.parametrize("name", list(CATEGORIES))
def test_what_is_said_is_what_is_shown(name, monkeypatch):
    """Taking the thing away changes the picture where the caption is about it."""
    monkeypatch.setattr(scenes, "KINDS", {"close": 1.0})
    monkeypatch.setattr(scenes, "CATEGORIES", {name: CATEGORIES[name]})
    monkeypatch.setattr(scenes, "VARIANTS", 1)
    world, drawn = scenery.scenery(), []
    draw = type(world).draw

    def both(self, things, around, lens, size):
        drawn.append((draw(self, things, around, lens, size), draw(self, [], around, lens, size)))
        return drawn[-1][0]

    monkeypatch.setattr(type(world), "draw", both)
    for seed in range(4):
        draw_scene(np.random.default_rng([7, seed]), 48, 48)
    shares = [float((np.abs(a.astype(int) - b).max(axis=2) > 8).mean()) for a, b in drawn]
    assert max(shares) > 0.05


@pytest.mark.parametrize("name", list(SCREENS))
def test_every_screen_is_drawn_in_many_ways(name, monkeypatch):
    monkeypatch.setattr("envs.web.screens.SCREENS", {name: SCREENS[name]})
    shown = []
    for seed in range(4):
        picture, caption, label = draw_screen(np.random.default_rng([2, seed]))
        assert label == name
        assert any(words in caption for words in (name, *SCREENS[name][1]))
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2, "an empty screen"
        shown.append(np.asarray(Image.fromarray(picture).resize((20, 40)), int))
    assert all(np.abs(shown[0] - other).mean() > 3 for other in shown[1:])


def test_clip_art_is_of_its_colour():
    for seed in range(40):
        picture, caption, label = draw_clip_art(np.random.default_rng([3, seed]), 40, 40)
        assert picture.shape == (40, 40, 3)
        assert label.split()[0] in caption
        assert label.split()[1] in caption


def test_photographs_are_of_the_size_asked_for_and_differ_each_time():
    screen = np.zeros((200, 100, 3), np.uint8)
    screen[50:150, 20:80] = (240, 40, 40)
    found = [photographed(screen, np.random.default_rng([4, seed]), 30, 20) for seed in range(10)]
    assert {each.shape for each in found} == {(30, 20, 3)}
    assert len({each.tobytes() for each in found}) == 10
    assert sum((each[..., 0].astype(int) - each[..., 1] > 60).any() for each in found) >= 8
    same = [as_found(screen, np.random.default_rng(9), 30, 20) for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_the_playhouse_draws_what_it_always_draws_beside_it():
    from envs.playhouse import captions

    try:
        before = captions.random_captioned_view(np.random.default_rng(3), 32, 32).frame
        pictures(2, shares={"things": 1.0})
        after = captions.random_captioned_view(np.random.default_rng(3), 32, 32).frame
        np.testing.assert_array_equal(before, after)
    finally:
        captions._environment("small").close()
        captions._environment.cache_clear()


def test_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'screens'"):
        random_web_picture(np.random.default_rng(0), 16, 16, shares={"screen": 1.0})
