"""The API on good requests: values, fingerprints, both forms, identities, and what the document says."""

import base64
import io
import json
import logging
import re
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.vlm_rewards.service.http.conftest import LIMITS
from tests.vlm_rewards.service.http.requests_for_tests import image_text
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import RewardOverloadedError, RewardServiceUnavailableError
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import TransportBackend, create_app
from vlm_rewards.service.http.wire import MEDIA_TYPE, pack, unpack

GOALS = ["app3", "app1", "app5"]


def binary(path, http, frames, **values):
    return http.post(path, content=pack({"frames": frames}, values), headers={"Content-Type": MEDIA_TYPE})


def test_every_image_is_scored_against_every_goal(http, reward_model, frames):
    body = {"model": "six", "images": [image_text(frame) for frame in frames], "goals": GOALS}
    answer = http.post("/v1/score", json=body)
    assert answer.status_code == 200, answer.text
    scores = reward_model.score_all(frames, GOALS)
    got = answer.json()
    np.testing.assert_array_equal(np.array(got["scores"], np.float32), scores)
    np.testing.assert_array_equal(got["rewards"], (scores > reward_model.beta).astype(float))
    assert got["goals"] == GOALS
    assert got["fingerprint"] == answer.headers["X-Reward-Fingerprint"] == reward_model.fingerprint


def test_each_image_is_scored_against_its_own_goal(http, reward_model, frames):
    goals = ["app0", "app1", "app2", "app1", "app0"]
    body = {"model": "six", "images": [image_text(frame) for frame in frames], "goal_per_image": goals}
    got = http.post("/v1/score", json=body).json()
    np.testing.assert_array_equal(np.array(got["scores"], np.float32), reward_model.score(frames, goals))


def test_the_arrays_of_the_binary_form_are_those_of_the_model(http, reward_model, frames):
    answer = binary("/v1/score", http, frames, model="six", goals=GOALS)
    assert answer.headers["content-type"] == MEDIA_TYPE
    arrays, values = unpack(answer.content)
    np.testing.assert_array_equal(arrays["scores"], reward_model.score_all(frames, GOALS))
    assert arrays["scores"].dtype == arrays["rewards"].dtype == np.float32
    assert values["fingerprint"] == reward_model.fingerprint
    assert values["goals"] == GOALS


def test_a_reward_is_paid_where_the_frame_shows_the_goal(http, reward_model):
    encoder = FakeEncoder()
    frames = np.stack([encoder.frame_of(reward_model.prompts(f"app{i}")[0]) for i in (4, 2)])
    got = http.post(
        "/v1/score", json={"model": "six", "images": [image_text(f) for f in frames], "goals": ["app2", "app4"]}
    ).json()
    assert got["rewards"] == [[0, 1], [1, 0]]


def test_images_of_several_sizes_keep_their_places(http, reward_model):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (8 + 8 * (i % 3), 16, 3), dtype=np.uint8) for i in range(7)]
    images = [image_text(frame) for frame in frames]
    scores = http.post("/v1/score", json={"model": "six", "images": images, "goals": GOALS}).json()["scores"]
    pairs = http.post("/v1/score", json={"model": "six", "images": images, "goal_per_image": ["app1"] * 7}).json()
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(np.array(scores[i], np.float32), reward_model.score_all(frame[None], GOALS)[0])
    assert pairs["scores"] == [row[1] for row in scores]


def test_jpeg_grey_and_labelled_images_are_read(http, reward_model, frames):
    image = Image.fromarray(frames[0])
    grey = np.array(image.convert("L"))
    jpeg = image_text(frames[0], "JPEG")
    images = [jpeg, "data:image/jpeg;base64," + jpeg, image_text(grey)]
    decoded = np.array(Image.open(io.BytesIO(base64.b64decode(jpeg))))
    expected = np.stack([decoded, decoded, np.repeat(grey[..., None], 3, axis=-1)])
    got = http.post("/v1/embed", json={"model": "six", "images": images}).json()
    np.testing.assert_array_equal(np.array(got["embeddings"], np.float32), reward_model.embed(expected))


def test_embeddings_in_both_forms_carry_the_encoders_fingerprint(http, reward_model, frames):
    text = http.post("/v1/embed", json={"model": "six", "images": [image_text(frame) for frame in frames]})
    arrays, values = unpack(binary("/v1/embed", http, frames, model="six").content)
    np.testing.assert_array_equal(arrays["embeddings"], reward_model.embed(frames))
    np.testing.assert_array_equal(np.array(text.json()["embeddings"], np.float32), arrays["embeddings"])
    assert text.json()["fingerprint"] == values["fingerprint"] == reward_model.encoder.fingerprint


def test_models_are_described_whole(http, reward_model):
    (info,) = http.get("/v1/models").json()["models"]
    assert info.pop("name") == "six"
    assert RewardDescription(**info) == reward_model.describe()
    assert http.get("/v1/models/six").json() == {"name": "six", **info}


def test_a_gateway_without_models_is_healthy_and_not_ready(http):
    assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
    with TestClient(create_app(TransportBackend(dict))) as empty:
        assert empty.get("/healthz").status_code == 200
        answer = empty.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"


def test_a_model_that_appears_is_found_and_one_that_goes_is_refused(reward_model):
    transports = {}
    backend = TransportBackend(lambda: dict(transports), refresh_s=0.05)
    with TestClient(create_app(backend), client=("127.0.0.1", 1), base_url="http://localhost") as http:
        assert http.get("/v1/models/late").status_code == 404
        transports["late"] = InProcessTransport(reward_model)
        time.sleep(0.06)
        assert http.get("/v1/models/late").status_code == 200
        del transports["late"]
        time.sleep(0.06)
        assert http.get("/v1/models/late").json()["error"]["code"] == "unknown_model"


def test_request_ids_are_kept_or_made_and_logged_as_json(http, caplog, reward_model):
    caplog.set_level(logging.INFO, "vlm_rewards.http")
    assert http.get("/healthz", headers={"X-Request-ID": "run-7:step.3"}).headers["X-Request-ID"] == "run-7:step.3"
    made = http.get("/healthz", headers={"X-Request-ID": "no\tword"}).headers["X-Request-ID"]
    assert len(made) == 32
    body = {"model": "six", "images": ["AAAA"], "goals": ["app1"]}
    http.post("/v1/score", json=body, headers={"X-Request-ID": "bad-one"})
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.getMessage().startswith("{")]
    by_id = {line["client_request_id"]: line for line in lines}
    assert by_id["run-7:step.3"]["status"] == 200
    assert (by_id["bad-one"]["status"], by_id["bad-one"]["code"]) == (422, "invalid_frames")
    assert by_id["bad-one"]["seconds"] >= 0


class Scripted:
    """A transport that fails at each call as it is told."""

    def __init__(self, model, error):
        self.model, self.error = model, error

    def describe(self, timeout_s):
        return self.model.describe()

    def score_all(self, frames, goal_ids, timeout_s, *_):
        if isinstance(self.error, float):
            time.sleep(self.error)
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RewardOverloadedError("the queue is full; send fewer"), 503, "overloaded"),
        (RewardServiceUnavailableError("the replica died; send it again"), 503, "unavailable"),
        (1.0, 504, "timeout"),
        (ZeroDivisionError("a fault of ours"), 500, "internal"),
    ],
)
def test_failures_behind_the_gateway_are_typed(reward_model, frames, error, status, code):
    backend = TransportBackend(lambda: {"six": Scripted(reward_model, error)})
    body = {"model": "six", "images": [image_text(frames[0])], "goals": ["app1"]}
    with TestClient(create_app(backend), client=("127.0.0.1", 1), base_url="http://localhost") as http:
        answer = http.post("/v1/score", json=body, headers={"X-Timeout-S": "0.1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "ZeroDivision" not in answer.text


def test_a_reward_changed_during_the_request_is_never_given_the_wrong_threshold(reward_model, frames, task_set):
    """Scores of one reward, description of another: the answer is a retryable refusal."""
    other = RewardModel(RewardConfig(model="fake", tau=0.1, beta=0.9), task_set)

    class Mixed(InProcessTransport):
        def describe(self, timeout_s):
            return other.describe()

    backend = TransportBackend(lambda: {"six": Mixed(reward_model)})
    body = {"model": "six", "images": [image_text(frames[0])], "goals": ["app1"]}
    with TestClient(create_app(backend), client=("127.0.0.1", 1), base_url="http://localhost") as http:
        answer = http.post("/v1/score", json=body)
    assert answer.status_code == 503
    assert "changed" in answer.json()["error"]["message"]


def test_more_requests_than_the_limit_are_refused_at_once_and_room_comes_back(reward_model, frames):
    from concurrent.futures import ThreadPoolExecutor

    class Slow(InProcessTransport):
        def score_all(self, frames, goal_ids, timeout_s, *rest):
            time.sleep(0.3)
            return super().score_all(frames, goal_ids, timeout_s, *rest)

    limits = LIMITS.model_copy(update={"max_requests": 2})
    app = create_app(TransportBackend(lambda: {"six": Slow(reward_model)}), limits)
    body = {"model": "six", "images": [image_text(frames[0])], "goals": ["app1"]}
    with TestClient(app, client=("127.0.0.1", 1), base_url="http://localhost") as http, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: http.post("/v1/score", json=body), range(6)))
        assert sorted({answer.status_code for answer in answers}) == [200, 503]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert all(answer.json()["error"]["code"] == "overloaded" for answer in refused)
        assert http.post("/v1/score", json=body).status_code == 200


def test_the_examples_of_the_document_are_good_requests(http):
    document = http.get("/openapi.json").json()
    for path in ("/v1/score", "/v1/embed"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert MEDIA_TYPE in content
        for example in content["application/json"]["examples"].values():
            value = {**example["value"], "model": "six"}
            value.update({key: ["app1"] * len(value[key]) for key in ("goals", "goal_per_image") if key in value})
            answer = http.post(path, json=value)
            assert answer.status_code == 200, answer.text


def test_the_page_of_the_document_runs_only_what_this_gateway_serves(http):
    """Tokens are typed into it."""
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(links) == 4
    for link in links:
        asset = http.get("/" + link)
        assert asset.status_code == 200, link
        assert len(asset.content) > 50
        assert asset.headers["X-Content-Type-Options"] == "nosniff"
    assert 'url: "openapi.json"' in http.get("/docs/start.js").text
    assert "<script>" not in page.text
    assert http.get("/redoc").status_code == 404


def test_head_works_where_get_does(http):
    for path in (
        "/v1/models",
        "/v1/models/six",
        "/healthz",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/nowhere",
        "/v1/score",
    ):
        get, head = http.get(path), http.head(path)
        assert head.status_code == get.status_code
        assert not head.content
        assert {
            name: head.headers.get(name) for name in ("content-length", "content-type", "x-reward-fingerprint")
        } == {name: get.headers.get(name) for name in ("content-length", "content-type", "x-reward-fingerprint")}
