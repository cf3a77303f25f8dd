"""Good requests with some of them changed, and bad ones of every shape: never a failure of the gateway.

`VLM_REWARDS_FUZZ=20 python -m pytest tests/vlm_rewards/service/http -k "fuzz or openapi"` tries twenty times as many.
"""

import asyncio
import base64
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vlm_rewards.service.http.requests_for_tests import (
    FRAME,
    FRAMES,
    FUZZ,
    GOOD,
    QUERY,
    image_text,
    raw,
    refused,
    score,
)
from vlm_rewards.service.http.wire import MEDIA_TYPE, pack

SETTINGS = settings(
    max_examples=150 * FUZZ,
    derandomize=FUZZ == 1,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
WHOLE = pack({"frames": FRAMES}, QUERY)
JSON = "application/json"
KEYS = ["model", "images", "goals", "goal_per_image"]
WORDS = st.sampled_from(["six", "app1", "app5", GOOD, "data:image/png;base64," + GOOD, "", "\0", "\ud800", "é" * 300])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, 10**400, -(2**64), 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner),
    max_leaves=12,
)
LIKELY = {
    "model": st.just("six"),
    "images": st.lists(WORDS, max_size=3) | st.just([GOOD, GOOD]),
    "goals": st.lists(WORDS, max_size=3) | st.just(["app1"]),
    "goal_per_image": st.none() | st.lists(WORDS, max_size=3),
}


def answered(answer, also=()):
    """Asserts that an answer is the gateway's own, and no failure of it."""
    assert answer.status_code in (200, 400, 404, 413, 422, *also), answer.text
    if answer.status_code != 200:
        refused(answer, answer.status_code, answer.json()["error"]["code"])


def changed(data, whole, starts):
    """Some bytes changed, cut or repeated."""
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, starts) | st.integers(0, len(whole)))
        cut = data.draw(st.integers(0, 9))
        body[at : at + cut] = data.draw(st.binary(max_size=9) | st.sampled_from([b"{}", b"-1", b"9e99", b'"', b"[["]))
    return bytes(body)


@SETTINGS
@given(data=st.data())
def test_fuzzed_binary_bodies_never_fail_the_gateway(http, data):
    answered(raw(http, changed(data, WHOLE, 220)))


@SETTINGS
@given(data=st.data())
def test_fuzzed_image_files_never_fail_the_gateway(http, data):
    whole = base64.b64decode(data.draw(st.sampled_from([GOOD, image_text(FRAME, "JPEG")])))
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    answer = score(http, images=[base64.b64encode(bytes(body)).decode()])
    assert answer.status_code in (200, 413, 422), answer.text


@SETTINGS
@given(data=st.data())
def test_fuzzed_json_never_fails_the_gateway_and_is_scored_as_it_reads(http, data):
    """Objects with keys missing, repeated, unknown and of every kind, sometimes with bytes changed."""
    keys = data.draw(st.lists(st.sampled_from(KEYS), max_size=5) | st.just(KEYS[:3]))
    pairs = [(key, data.draw(LIKELY[key] | VALUES if data.draw(st.booleans()) else LIKELY[key])) for key in keys]
    # A standard writer could not repeat a key, and would not write a lone surrogate as itself.
    text = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs).join("{}")
    body = changed(data, text.encode(), len(text)) if data.draw(st.booleans()) else text.encode()
    answer = raw(http, body, JSON, data.draw(st.sampled_from(["/v1/score", "/v1/embed"])))
    answered(answer)
    if answer.status_code == 200:
        read = json.loads(body, object_pairs_hook=list)
        assert len(dict(read)) == len(read), "of a key that is there twice, one was taken"
        of = dict(read)
        rows = answer.json().get("scores", answer.json().get("embeddings"))
        assert len(rows) == len(of["images"])
        if "scores" in answer.json():
            assert answer.json()["goals"] == (of["goal_per_image"] if of.get("goals") is None else of["goals"])


HEADERS = [b"x-timeout-s", b"content-type", b"content-encoding", b"content-length", b"host", b"x-request-id"]
HEADERS += [b"authorization", b"expect", b"transfer-encoding", b"origin", b"cookie", b"accept"]
LIKELY_VALUES = [JSON.encode(), MEDIA_TYPE.encode(), b"20", b"0", b"-1", b"nan", b"1e400", b"gzip", b"identity"]
LIKELY_VALUES += [b"127.0.0.1", b"localhost:80", b"evil.example", b"Bearer x", b"\xff\xfe", b"", b"100-continue"]
HEADER = st.tuples(st.sampled_from(HEADERS), st.sampled_from(LIKELY_VALUES) | st.binary(max_size=12))


@SETTINGS
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "BREW"]),
    path=st.sampled_from(["/v1/score", "/v1/embed", "/v1/models", "/healthz", "/docs", "/openapi.json"])
    | st.text(max_size=12).map(lambda text: f"/v1/models/{text}"),
    headers=st.lists(HEADER, max_size=5),
    body=st.sampled_from([b"", b"{}", WHOLE, json.dumps({"model": "six", "images": [GOOD]}).encode()]),
)
def test_fuzzed_headers_never_fail_the_gateway(app, method, path, headers, body):
    """As a server hands them over, bytes that no client would send among them."""
    status, answer = asked(app, method, path, headers, body)
    assert 200 <= status < 500 or status in (503, 504), answer
    if status >= 400 and method != "HEAD":
        assert set(json.loads(answer)["error"]) == {"code", "message", "fix"}


def asked(app, method, path, headers, body):
    """Asks an ASGI application; returns status and body of the answer."""
    pieces, answer = [body[:7], body[7:]], {"status": 0, "body": b""}

    async def receive():
        if not pieces:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message):
        answer["status"] = message.get("status", answer["status"])
        answer["body"] += message.get("body", b"")

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    return answer["status"], answer["body"]
