"""`POST /v1/embed_texts`: captions of callers' own, and what is refused of them."""

import numpy as np
import pytest

from tests.vlm_rewards.service.http.requests_for_tests import image_text, raw, refused
from vlm_rewards.heads.softmax_binary import softmax_binary

PATH = "/v1/embed_texts"


def ask(http, **changes):
    return http.post(PATH, json={"model": "six", "texts": ["a red ball", "an empty room"], **changes})


def test_pictures_and_captions_give_the_models_own_scores(http, reward_model, frames):
    """All that the playground does with an answer is equation 1."""
    captions = list(reward_model.prompts("app2"))
    texts = ask(http, texts=captions).json()
    images = http.post("/v1/embed", json={"model": "six", "images": [image_text(frame) for frame in frames]}).json()
    assert texts["fingerprint"] == images["fingerprint"] == reward_model.encoder.fingerprint
    p = softmax_binary(np.array(images["embeddings"]), np.array(texts["embeddings"]), reward_model.config.tau)
    np.testing.assert_array_equal(p, reward_model.score(frames, ["app2"] * len(frames)))


def test_vectors_are_the_encoders_bit_by_bit(http, reward_model):
    got = ask(http).json()
    want = reward_model.encoder.embed_texts(["a red ball", "an empty room"])
    np.testing.assert_array_equal(np.array(got["embeddings"], np.float32), want)
    assert got["words"] is got["unknown"] is None  # this encoder has no tokenizer


@pytest.mark.parametrize(
    ("changes", "status", "code", "says"),
    [
        ({"texts": []}, 422, "invalid_request", "texts"),
        ({"texts": ["good", " "]}, 422, "invalid_request", "text 1 is empty"),
        ({"texts": ["x" * 501]}, 422, "invalid_request", "501 characters"),
        ({"texts": ["x"] * 257}, 413, "too_large", "at most 256"),
        ({"texts": "one"}, 422, "invalid_request", "texts"),
        ({"texts": [None]}, 422, "invalid_request", "entry 0 is no text"),
        ({"text": ["x"]}, 422, "invalid_request", "did you mean 'texts'"),
        ({"model": "seven"}, 404, "unknown_model", "seven"),
    ],
)
def test_bad_texts_are_refused_with_what_to_do(http, changes, status, code, says):
    refused(ask(http, **changes), status, code, says)


def test_texts_come_as_json_alone(http):
    refused(raw(http, b"\x00" * 16, path=PATH), 415, "unsupported_media_type", "application/json")
    refused(raw(http, b"{", "application/json", PATH), 400, "invalid_body")


def test_a_request_gives_back_all_that_it_held(app, http):
    ask(http)
    ask(http, texts=[""])
    assert (app.state.admission.requests, app.state.admission.bytes) == (0, 0)
