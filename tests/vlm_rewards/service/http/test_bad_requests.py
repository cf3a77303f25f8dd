"""JSON, paths and headers that fit nothing: a 4xx that says what to do, and the next caller is served."""

import json

import numpy as np
import pytest

from tests.vlm_rewards.service.http.requests_for_tests import GOOD, image_text, raw, refused, score

JSON_REQUESTS = {
    "10,000 goals": ({"goals": ["app1"] * 10_000}, 413, "too_large", "at most 50"),
    "more scores than allowed": ({"images": [GOOD] * 20, "goals": ["app1"] * 40}, 413, "too_large", "500 scores"),
    "too many images": ({"images": [GOOD] * 65}, 413, "too_large", "64"),
    "too many pixels": ({"images": [image_text(np.zeros((256, 256, 3), np.uint8))] * 5}, 413, "too_large", "262144"),
    "no images": ({"images": []}, 422, "invalid_request", "images"),
    "an empty goal": ({"goals": [""]}, 422, "invalid_request", "goal is empty"),
    "a blank goal": ({"goals": ["app1", " \n"]}, 422, "invalid_request", "goal is empty"),
    "an empty model": ({"model": ""}, 422, "invalid_request", "model is empty"),
    "a 1 MB prompt": ({"goals": ["open " * 200_000]}, 422, "invalid_request", "at most 500"),
    "a 1 MB model": ({"model": "m" * 2**20}, 422, "invalid_request", "at most 500"),
    "an unknown goal": ({"goals": ["app11"]}, 422, "invalid_argument", "did you mean"),
    "an unknown model": ({"model": "sixx"}, 404, "unknown_model", "'six'"),
    "a model that is a path": ({"model": "../../etc/passwd"}, 404, "unknown_model", "/v1/models"),
    "both kinds of goals": ({"goal_per_image": ["app1"]}, 422, "invalid_request", "either"),
    "no kind of goals": ({"goals": None}, 422, "invalid_request", "either"),
    "goals that are no list": ({"goals": "app1"}, 422, "invalid_request", "goals"),
    "goals that are numbers": ({"goals": [1]}, 422, "invalid_request", "goals"),
    "too few goals": ({"goals": None, "goal_per_image": []}, 422, "invalid_request", "one goal an image"),
    "a misspelt key": ({"goal": ["app1"]}, 422, "invalid_request", "goal"),
    "control characters": ({"goals": ["\x00\x1b[31m\u202e"]}, 422, "invalid_argument", "unknown goal"),
}


@pytest.mark.parametrize("name", JSON_REQUESTS)
def test_bad_requests(http, still_serves, name):
    changes, status, code, says = JSON_REQUESTS[name]
    refused(score(http, **changes), status, code, says)
    still_serves()


TWICE = b'{"model": "six", "images": ["' + GOOD.encode() + b'"], "goals": ["app1"]'
BODIES = {
    "a model twice": (TWICE + b', "model": "six"}', 422, "invalid_request"),
    "goals twice, by an escape": (TWICE + b', "go\\u0061ls" \n : ["app2"]}', 422, "invalid_request"),
    "goals twice, one of them none": (TWICE + b', "goals": null}', 422, "invalid_request"),
    "an unknown key with quotes in it": (TWICE + b', "a\\\\\\":": 1}', 422, "invalid_request"),
    "nothing": (b"", 400, "invalid_body"),
    "no json": (b"{'model': 'six'}", 400, "invalid_body"),
    "cut json": (b'{"model": "six", "images": ["', 400, "invalid_body"),
    "not utf-8": (b'{"model": "\xff\xfe"}', 400, "invalid_body"),
    "a lone surrogate": (b'{"model": "\\ud800", "images": ["AAAA"], "goals": ["a"]}', 400, "invalid_body"),
    "deep nesting": (b"[" * 200_000, 400, "invalid_body"),
    "a list": (b"[1, 2]", 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "not a number": (b'{"model": NaN}', 400, "invalid_body"),
    "a number of 5,000 digits": (b'{"model": ' + b"1" * 5000 + b"}", 400, "invalid_body"),
    "a number that overflows": (b'{"model": 1e999}', 422, "invalid_request"),
    "deep objects": (b'{"model":' * 10_000, 400, "invalid_body"),
    "100,000 unknown keys": (json.dumps(dict.fromkeys(map(str, range(100_000)))).encode(), 422, "invalid_request"),
    "200,000 numbers for goals": (json.dumps({"goals": [1] * 200_000}).encode(), 422, "invalid_request"),
    "200,000 numbers for images": (json.dumps({"images": [[]] * 100_000}).encode(), 422, "invalid_request"),
    "a million values": (b"[" + b"1," * 900_000 + b"1]", 413, "too_large"),
    "a million escapes": (b'["' + b"\\n" * 900_000 + b'"]', 413, "too_large"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_request(http, still_serves, name):
    body, status, code = BODIES[name]
    refused(raw(http, body, "application/json"), status, code)
    still_serves()


@pytest.mark.parametrize("goal", ['app\\": 1', "app\\\\", '\\": {\\"a\\": ', "app: ", '\\\\\\": '])
def test_texts_that_look_like_keys_are_texts(http, goal):
    body = TWICE.replace(b'["app1"]', b'["' + goal.encode() + b'"]') + b"}"
    refused(raw(http, body, "application/json"), 422, "invalid_argument", "unknown goal")


@pytest.mark.parametrize(
    ("media_type", "encoding"),
    [
        ("text/plain", None),
        ("", None),
        ("application/x-npy", None),
        ("application/python-pickle", None),
        ("multipart/form-data; boundary=x", None),
        ("application/json", "gzip"),
    ],
)
def test_other_forms_of_body_are_refused_unread(http, still_serves, media_type, encoding):
    headers = {"Content-Type": media_type, **({"Content-Encoding": encoding} if encoding else {})}
    refused(http.post("/v1/score", content=b"x" * 1000, headers=headers), 415, "unsupported_media_type")
    still_serves()


def test_paths_methods_and_headers_that_do_not_exist(http, still_serves):
    refused(http.get("/v1/nothing"), 404, "not_found", "/docs")
    refused(http.get("/v1/score"), 405, "method_not_allowed")
    assert http.get("/v1/score").headers["Allow"] == "POST"
    for value in ("soon", "-1", "0", "nan", "inf"):
        refused(http.get("/v1/models/six", headers={"X-Timeout-S": value}), 422, "invalid_request", "X-Timeout-S")
    refused(http.get("/v1/models/" + "m" * 5000), 422, "invalid_request", "500")
    refused(http.get("/v1/models/%00%0a"), 404, "unknown_model")
    still_serves()


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/nowhere"])
def test_headers_are_bounded(http, still_serves, path):
    for headers in ({"X-Long": "x" * 40_000}, {f"X-{i}": "x" * 30 for i in range(1000)}):
        refused(http.get(path, headers=headers), 431, "headers_too_large", "shorter")
    still_serves()
