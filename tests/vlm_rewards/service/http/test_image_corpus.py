"""Every kind of picture file is shown as its samples say, or refused with a fix: none is silently another picture."""

import numpy as np
import pytest

from tests.vlm_rewards.service.http.image_corpus import corpus
from tests.vlm_rewards.service.http.requests_for_tests import refused, score
from vlm_rewards.service.http import HttpLimits
from vlm_rewards.service.http.admission import Admission
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.images import decode_images

CORPUS = corpus()
LIMITS = HttpLimits()


def pixels_of(text):
    steps = decode_images([text], LIMITS, Admission(LIMITS).enter())
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            ((_, frames),) = stop.value
            return frames[0]


def test_the_corpus_is_large():
    assert len(CORPUS) >= 120
    assert sum(case.shows is None for case in CORPUS.values()) >= 40


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_shows_what_its_samples_say_or_is_refused(name):
    case = CORPUS[name]
    if case.shows is None:
        with pytest.raises(HttpError) as raised:
            pixels_of(case.text)
        assert raised.value.code == "invalid_frames"
        assert case.says in f"{raised.value.message}; {raised.value.fix}"
        return
    pixels = pixels_of(case.text)
    assert pixels.shape == case.shows.shape
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - case.shows).max() <= case.within


def test_the_gateway_shows_the_same_to_the_model(http, reward_model):
    """Of several sizes, turned and not, in one request, each in its place."""
    cases = [case for name, case in CORPUS.items() if case.shows is not None and name.startswith("png orientation")]
    answer = http.post("/v1/embed", json={"model": "six", "images": [case.text for case in cases]})
    expected = np.stack([reward_model.embed(case.shows[None])[0] for case in cases])
    np.testing.assert_array_equal(np.array(answer.json()["embeddings"], np.float32), expected)


def test_one_bad_file_among_good_ones_is_named(http):
    good, bad = CORPUS["png animated"], CORPUS["jpeg in CMYK"]
    refused(score(http, images=[good.text, good.text, bad.text]), 422, "invalid_frames", "image 2")
