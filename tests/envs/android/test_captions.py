"""Captioned screens: true labels, the language of captions, and their variety."""

import re
from collections import Counter

import numpy as np
import pytest

from envs.android.apps import APPS, DIVERSE_APPS, DIVERSE_CATALOGUE
from envs.android.captions import LABELS, LABELS_OF, CaptionedScreen, app_words, random_captioned_screen
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.wording import check_wording

TASK_WORDING = re.compile(
    r"\b(open\w*|launch(es|ed|ing)?|tap\w*|go(ing)? to|start\w*|find\w*|press\w*|click\w*|swip\w*|navigate\w*|select\w*"
    r"|touch\w*|switch\w*|please|task|goal|achieve\w*|success\w*)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def screens() -> list[CaptionedScreen]:
    rng = np.random.default_rng(0)
    return [random_captioned_screen(rng, 64, 40) for _ in range(700)]


@pytest.fixture(scope="module")
def all_screens() -> list[CaptionedScreen]:
    rng = np.random.default_rng(0)
    return [random_captioned_screen(rng, 64, 40, apps="all") for _ in range(2000)]


def test_frames_have_the_wanted_size(screens: list[CaptionedScreen]) -> None:
    assert {(screen.frame.shape, screen.frame.dtype) for screen in screens} == {((64, 40, 3), np.dtype("uint8"))}
    assert random_captioned_screen(np.random.default_rng(1), 128, 80).frame.shape == (128, 80, 3)


def test_every_label_occurs_and_apps_occur_alike(screens: list[CaptionedScreen]) -> None:
    counts = Counter(screen.label for screen in screens)
    assert set(counts) == set(LABELS)
    assert min(counts[app.name] for app in APPS) >= 8


def test_with_all_apps_every_app_of_both_phones_occurs_alike(all_screens: list[CaptionedScreen]) -> None:
    counts = Counter(screen.label for screen in all_screens)
    assert set(counts) == set(LABELS_OF["all"])
    assert len(LABELS_OF["all"]) == len(DIVERSE_CATALOGUE.apps) + 3
    shown = [counts[app.name] for app in DIVERSE_CATALOGUE.apps]
    assert min(shown) >= 6
    assert max(shown) < 40
    common = sum(counts[app.name] for app in APPS) / sum(shown)
    assert abs(common - len(APPS) / len(DIVERSE_CATALOGUE.apps)) < 0.05


def test_the_diverse_apps_alone_are_the_fifty() -> None:
    labels = {random_captioned_screen(np.random.default_rng(i), 32, 20, apps="diverse").label for i in range(450)}
    assert labels == set(LABELS_OF["diverse"]) == {app.name for app in DIVERSE_APPS} | set(LABELS[-3:])
    assert len(DIVERSE_APPS) == 50


def test_captions_of_the_diverse_apps_describe_and_never_instruct(all_screens: list[CaptionedScreen]) -> None:
    captions = {caption for screen in all_screens for caption in screen.captions}
    check_wording(captions)
    assert [caption for caption in captions if TASK_WORDING.search(caption)] == []
    apps = DIVERSE_CATALOGUE.by_name
    for screen in all_screens:
        if screen.label in apps:
            phrases = (screen.label, *apps[screen.label].depicts)
            assert all(any(phrase in caption for phrase in phrases) for caption in screen.captions)


def test_captions_never_use_task_wording(screens: list[CaptionedScreen]) -> None:
    captions = {caption for screen in screens for caption in screen.captions}
    assert [caption for caption in captions if TASK_WORDING.search(caption)] == []
    assert [phrase for app in APPS for phrase in app.depicts if TASK_WORDING.search(phrase)] == []
    assert TASK_WORDING.search("open Gmail")


def test_each_app_screen_has_several_captions_that_name_it_or_what_it_depicts(screens: list[CaptionedScreen]) -> None:
    apps = {app.name: app for app in APPS}
    for screen in screens:
        assert len(screen.captions) == len(set(screen.captions)) >= 3
        if screen.label in apps:
            phrases = (screen.label, *apps[screen.label].depicts)
            assert all(any(phrase in caption for phrase in phrases) for caption in screen.captions)
            assert screen.label in screen.captions[0]


def test_no_caption_names_another_app() -> None:
    for app in DIVERSE_CATALOGUE.apps:
        others = "|".join(re.escape(other.name) for other in DIVERSE_CATALOGUE.apps if other is not app)
        wrong = [phrase for phrase in app.depicts if re.search(rf"\b({others})\b", phrase, re.IGNORECASE)]
        assert wrong == [], app.name


def test_captions_vary_for_one_app(screens: list[CaptionedScreen]) -> None:
    captions = {caption for screen in screens if screen.label == "Gmail" for caption in screen.captions}
    assert len(captions) > 15
    assert "screenshot of Gmail on Android" in captions


def test_equal_generators_give_equal_screens() -> None:
    first, second = (
        [random_captioned_screen(np.random.default_rng(seed), 64, 40) for seed in range(20)] for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        assert (a.captions, a.label) == (b.captions, b.label)
        np.testing.assert_array_equal(a.frame, b.frame)


def test_the_app_named_by_the_label_is_what_is_drawn(screens: list[CaptionedScreen]) -> None:
    """The nearest neighbour in coarse pixels mostly has the same label; chance would be one in 27."""
    coarse = np.stack([screen.frame[::4, ::4].reshape(-1) for screen in screens]).astype(np.float32)
    labels = np.array([LABELS.index(screen.label) for screen in screens])
    half = len(screens) // 2
    known, unknown = coarse[:half], coarse[half:]
    distances = (known**2).sum(1) - 2 * unknown @ known.T
    guesses = labels[:half][distances.argmin(1)]
    assert (guesses == labels[half:]).mean() > 0.5


def test_unknown_content_is_refused() -> None:
    with pytest.raises(ConfigError, match="train or eval"):
        random_captioned_screen(np.random.default_rng(0), 64, 40, content="test")


def test_unknown_apps_are_refused() -> None:
    with pytest.raises(ConfigError, match="common, diverse, all"):
        random_captioned_screen(np.random.default_rng(0), 64, 40, apps="fifty")


def test_screens_of_named_apps_alone() -> None:
    names = ["Clock", "Maps"]
    drawn = [
        random_captioned_screen(np.random.default_rng(seed), 32, 20, "eval", scenes="apps", names=names)
        for seed in range(20)
    ]
    assert {screen.label for screen in drawn} == set(names)
    assert app_words("common", names) == ({"app": "Clock"}, {"app": "Maps"})
    assert len(app_words("diverse")) == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": "launcher"}, "choose all or apps"),
        ({"names": ["Clok"]}, "did you mean 'Clock'"),
        ({"apps": "all", "names": ["Clock"]}, "names need apps"),
    ],
)
def test_unknown_scenes_and_names_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        random_captioned_screen(np.random.default_rng(0), 32, 20, **options)


def test_contrasts_pair_a_true_caption_with_one_of_another_app_or_state(screens: list[CaptionedScreen]) -> None:
    names = {app.name for app in APPS}
    others = Counter()
    for screen in screens[:400]:
        assert 1 <= len(screen.contrasts) <= 4
        for true, false in screen.contrasts:
            assert false not in screen.captions
            assert not TASK_WORDING.search(true + false)
            if screen.label in names:
                assert screen.label in true
                assert screen.label not in false.replace("Play Store", "") or screen.label in ("Play Store",)
            others["app" if any(name in false for name in names) else "state"] += 1
    assert others["app"] > others["state"] > 50
