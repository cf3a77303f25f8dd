"""Whatever strangers send: a 4xx that says what to do, and the next caller is served."""

import base64
import io
import json
import pickle
import socket
import struct
import time
import zlib

import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vlm_rewards.service.http.conftest import LIMITS, image_text
from vlm_rewards.errors import ConfigError
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import BearerTokens, LocalServer, TransportBackend, create_app
from vlm_rewards.service.http.wire import MEDIA_TYPE, pack

FRAME = np.full((16, 16, 3), 90, np.uint8)
GOOD = image_text(FRAME)
TOKEN = "a-token-that-is-long-enough"


def refused(answer, status, code, says=""):
    """Asserts the one form of all refusals."""
    assert answer.status_code == status, answer.text[:300]
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "fix"}
    assert error["code"] == code
    assert error["message"]
    assert error["fix"]
    assert says in f"{error['message']}; {error['fix']}"
    assert len(answer.content) < 2000
    assert answer.headers["X-Request-ID"]


def score(http, **changes):
    return http.post("/v1/score", json={"model": "six", "images": [GOOD], "goals": ["app1"], **changes})


def raw(http, content, media_type=MEDIA_TYPE, path="/v1/score"):
    return http.post(path, content=content, headers={"Content-Type": media_type})


def png_of(width, height, data=b""):
    """A PNG that claims to be of some size, and holds what it is told."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    ).decode()


def truncated(form):
    whole = base64.b64decode(image_text(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), form))
    return base64.b64encode(whole[: len(whole) // 2]).decode()


# A black square of 50,000 pixels a side is 7.5 GB, in 7 MB of PNG; its first bytes are enough to see that.
BOMB = png_of(50_000, 50_000, zlib.compress(bytes(10**6)))

IMAGES = {
    "truncated png": (truncated("PNG"), 422, "invalid_frames", "whole file"),
    "truncated jpeg": (truncated("JPEG"), 422, "invalid_frames", "whole file"),
    "only a header": (GOOD[:24], 422, "invalid_frames", "PNG or JPEG"),
    "a gif": (image_text(FRAME, "GIF"), 422, "invalid_frames", "PNG or JPEG"),
    "text": (base64.b64encode(b"hello, world").decode(), 422, "invalid_frames", "PNG or JPEG"),
    "no base64": ("not base64!", 422, "invalid_frames", "base64"),
    "not ascii": ("äöü€" * 4, 422, "invalid_frames", "base64"),
    "empty": ("", 422, "invalid_frames", "PNG or JPEG"),
    "mislabelled": ("data:image/jpeg;base64," + GOOD, 422, "invalid_frames", "label it"),
    "labelled as another format": ("data:image/webp;base64," + GOOD, 422, "invalid_frames", "image/png"),
    "a bomb": (BOMB, 413, "too_large", "8192"),
    "a bomb within each side": (png_of(8000, 8000), 413, "too_large", "131072 pixels"),
    "one pixel": (image_text(FRAME[:1, :1]), 422, "invalid_frames", "at least 4"),
    "a line": (png_of(20_000, 1), 422, "invalid_frames", "at least 4"),
    "a broad line": (png_of(20_000, 4), 413, "too_large", "8192"),
    "no pixels": (png_of(0, 0), 422, "invalid_frames", ""),
    "a text bomb": (
        base64.b64encode(
            base64.b64decode(GOOD)[:33]
            + struct.pack(">I", 2005)
            + b"zTXt"
            + b"a\0\0"
            + zlib.compress(bytes(2_000_000))[:2002]
        ).decode(),
        422,
        "invalid_frames",
        "",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_bad_images(http, still_serves, name):
    image, status, code, says = IMAGES[name]
    answer = score(http, images=[GOOD, image], goals=["app1"])
    refused(answer, status, code, says)
    assert name == "a text bomb" or "image 1" in answer.json()["error"]["message"]
    still_serves()


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


BODIES = {
    "nothing": (b"", 400, "invalid_body"),
    "no json": (b"{'model': 'six'}", 400, "invalid_body"),
    "cut json": (b'{"model": "six", "images": ["', 400, "invalid_body"),
    "not utf-8": (b'{"model": "\xff\xfe"}', 400, "invalid_body"),
    "a lone surrogate": (b'{"model": "\\ud800", "images": ["AAAA"], "goals": ["a"]}', 400, "invalid_body"),
    "deep nesting": (b"[" * 200_000, 400, "invalid_body"),
    "a list": (b"[1, 2]", 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "not a number": (b'{"model": NaN}', 422, "invalid_request"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_request(http, still_serves, name):
    body, status, code = BODIES[name]
    refused(raw(http, body, "application/json"), status, code)
    still_serves()


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


class Boom:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self):
        return (eval, ("__import__('os').environ.__setitem__('VLM_REWARDS_PWNED', '1')",))


def npy(array, allow_pickle):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def safetensors(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


FRAMES = np.zeros((2, 16, 16, 3), np.uint8)
QUERY = {"model": "six", "goals": ["app1"]}
META = {"model": '"six"', "goals": '["app1"]'}


def tensor(dtype="U8", shape=(2, 16, 16, 3), ends=(0, 1536), metadata=META):
    header = {"frames": {"dtype": dtype, "shape": list(shape), "data_offsets": list(ends)}}
    return header if metadata is None else {**header, "__metadata__": metadata}


BINARY = {
    "NaN frames": (pack({"frames": np.full((1, 8, 8, 3), np.nan, np.float32)}, QUERY), 422, "invalid_frames"),
    "float64 frames": (pack({"frames": FRAMES.astype(np.float64)}, QUERY), 422, "invalid_frames"),
    "signed frames": (pack({"frames": FRAMES.astype(np.int8)}, QUERY), 422, "invalid_frames"),
    "no batch axis": (pack({"frames": FRAMES[0]}, QUERY), 422, "invalid_frames"),
    "channels first": (pack({"frames": FRAMES.transpose(0, 3, 1, 2)}, QUERY), 422, "invalid_frames"),
    "four channels": (pack({"frames": np.zeros((1, 8, 8, 4), np.uint8)}, QUERY), 422, "invalid_frames"),
    "one pixel": (pack({"frames": FRAMES[:, :1, :1]}, QUERY), 422, "invalid_frames"),
    "a line": (pack({"frames": np.zeros((1, 20_000, 1, 3), np.uint8)}, QUERY), 422, "invalid_frames"),
    "a broad line": (pack({"frames": np.zeros((1, 20_000, 4, 3), np.uint8)}, QUERY), 413, "too_large"),
    "too many frames": (pack({"frames": np.zeros((65, 8, 8, 3), np.uint8)}, QUERY), 413, "too_large"),
    "no pixels": (pack({"frames": np.zeros((1, 0, 8, 3), np.uint8)}, QUERY), 422, "invalid_frames"),
    "another tensor": (pack({"images": FRAMES}, QUERY), 422, "invalid_frames"),
    "a second tensor": (pack({"frames": FRAMES, "more": FRAMES}, QUERY), 422, "invalid_frames"),
    "no tensor": (pack({}, QUERY), 422, "invalid_frames"),
    "no goals": (pack({"frames": FRAMES}, {"model": "six"}), 422, "invalid_request"),
    "no metadata": (safetensors(tensor(metadata=None), bytes(1536)), 422, "invalid_request"),
    "metadata that is no json": (safetensors(tensor(metadata={"model": "six"}), bytes(1536)), 400, "invalid_body"),
    "metadata of numbers": (safetensors(tensor(metadata={"model": 6}), bytes(1536)), 400, "invalid_body"),
    "metadata that is a list": (safetensors(tensor(metadata=["six"]), bytes(1536)), 400, "invalid_body"),
    "too little data": (safetensors(tensor(), bytes(1535)), 400, "invalid_body"),
    "too much data": (safetensors(tensor(), bytes(1537)), 400, "invalid_body"),
    "a shape that lies": (safetensors(tensor(shape=(2, 16, 16, 4)), bytes(1536)), 400, "invalid_body"),
    "a shape that overflows": (safetensors(tensor(shape=(2**33, 2**33, 2, 3)), bytes(1536)), 400, "invalid_body"),
    "negative offsets": (safetensors(tensor(ends=(-1, 1535)), bytes(1536)), 400, "invalid_body"),
    "objects as dtype": (safetensors(tensor(dtype="O"), bytes(1536)), 400, "invalid_body"),
    "brain floats": (safetensors(tensor(dtype="BF16", ends=(0, 3072)), bytes(3072)), 400, "invalid_body"),
    "a header length of 2^64": (b"\xff" * 8 + b"{}", 400, "invalid_body"),
    "a long header": (safetensors(b" " * (2**20 + 1)), 413, "too_large"),
    "a header of nesting": (safetensors(b"[" * 100_000), 400, "invalid_body"),
    "a header that is no object": (safetensors(b"[1,2]", bytes(10)), 400, "invalid_body"),
    "nothing": (b"", 400, "invalid_body"),
    "an object array as npy": (npy(np.array([Boom()], object), True), 400, "invalid_body"),
    "a good npy": (npy(FRAMES, False), 400, "invalid_body"),
    "a pickle": (pickle.dumps(Boom()), 400, "invalid_body"),
    "10,000 goals": (pack({"frames": FRAMES}, {**QUERY, "goals": ["app1"] * 10_000}), 413, "too_large"),
    "an unknown goal": (pack({"frames": FRAMES}, {**QUERY, "goals": ["app9"]}), 422, "invalid_argument"),
}


@pytest.mark.parametrize("name", BINARY)
def test_bad_arrays(http, still_serves, name, monkeypatch):
    monkeypatch.delenv("VLM_REWARDS_PWNED", raising=False)
    body, status, code = BINARY[name]
    refused(raw(http, body), status, code)
    import os

    assert "VLM_REWARDS_PWNED" not in os.environ
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


def test_with_tokens_only_their_bearers_get_in(reward_model, caplog):
    app = create_app(
        TransportBackend(lambda: {"six": InProcessTransport(reward_model)}),
        LIMITS,
        BearerTokens([TOKEN, "another-token-of-good-length"]),
    )
    with TestClient(app, client=("203.0.113.9", 1)) as http:
        for header in (None, "", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
            headers = {} if header is None else {"Authorization": header}
            for answer in (
                http.get("/v1/models", headers=headers),
                http.get("/v1/models/six", headers=headers),
                http.post("/v1/score", headers=headers, content=b"x"),
                http.post("/v1/embed", headers=headers, content=b"x"),
            ):
                refused(answer, 401, "unauthorized")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in answer.text
        for token in (TOKEN, "another-token-of-good-length"):
            good = {"Authorization": f"Bearer {token}"}
            assert http.get("/v1/models", headers=good).status_code == 200
        assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("203.0.113.9", 401), ("", 401), ("name", 401)],
)
def test_without_tokens_only_this_machine_gets_in_and_the_log_says_so(app, host, status, caplog):
    with TestClient(app, client=(host, 1)) as http:
        assert http.get("/v1/models").status_code == status
    assert "answers callers on this machine only" in caplog.text


def test_tokens_come_from_the_environment_or_a_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\nsecond-token-of-good-length\n")
    tokens = BearerTokens.from_environment({"VLM_REWARDS_TOKEN_FILE": str(path), "VLM_REWARDS_TOKENS": "t" * 20})
    for token in (TOKEN, "second-token-of-good-length", "t" * 20):
        tokens.check(token, "203.0.113.9")
    assert not BearerTokens.from_environment({}).configured
    path.write_text("\n")
    for wrong in (
        {"VLM_REWARDS_TOKENS": "short"},
        {"VLM_REWARDS_TOKENS": "twenty letters and blanks"},
        {"VLM_REWARDS_TOKEN_FILE": str(tmp_path / "none")},
        {"VLM_REWARDS_TOKEN_FILE": str(path)},
    ):
        with pytest.raises(ConfigError) as raised:
            BearerTokens.from_environment(wrong)
        assert "short" not in str(raised.value)


def test_bodies_are_refused_together_when_they_would_fill_the_memory(reward_model, still_serves):
    limits = LIMITS.model_copy(update={"max_bytes": 100_000})
    app = create_app(TransportBackend(lambda: {"six": InProcessTransport(reward_model)}), limits)
    with TestClient(app, client=("127.0.0.1", 1)) as http:
        for _ in range(3):  # what a refused request held is given back
            refused(raw(http, b"x" * 150_000, "application/json"), 503, "overloaded")
            refused(raw(http, pack({"frames": np.zeros((8, 48, 48, 3), np.uint8)}, QUERY)), 503, "overloaded")
            assert score(http).status_code == 200


@pytest.fixture
def server(app):
    """The same over a real socket, by uvicorn."""
    with LocalServer(app) as server:
        yield server


def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    return connection


def answer_of(connection):
    text = b""
    while chunk := connection.recv(65536):
        text += chunk
    return text.decode()


@pytest.mark.parametrize("chunked", [True, False], ids=["streamed", "declared"])
def test_a_gigabyte_is_refused_early_and_never_held(server, chunked, still_serves):
    """Sent by a client that ignores the answer for as long as it can."""
    before = psutil.Process().memory_info().rss
    with connected(server) as connection:
        piece = b"x" * 2**16
        if chunked:
            connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            piece = b"10000\r\n" + piece + b"\r\n"
        else:
            connection.sendall(b"Content-Length: 1073741824\r\n\r\n")
        sent = 0
        try:
            while sent < 2**30:
                connection.sendall(piece)
                sent += 2**16
            raise AssertionError("a gigabyte was taken")
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 64 * 2**20
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    still_serves()


def test_a_body_too_large_gets_its_answer_and_the_connection_ends(server):
    with connected(server) as connection:
        connection.sendall(b"Content-Length: 3000000\r\n\r\n" + b"x" * 1000)
        text = answer_of(connection)
    assert text.startswith("HTTP/1.1 413")
    assert '"too_large"' in text
    assert "connection: close" in text.lower()


def test_a_body_that_never_comes_does_not_hold_its_place(reward_model):
    limits = LIMITS.model_copy(update={"body_timeout_s": 0.2, "max_requests": 1})
    app = create_app(TransportBackend(lambda: {"six": InProcessTransport(reward_model)}), limits)
    with LocalServer(app) as server, connected(server) as connection:
        connection.sendall(b"Content-Length: 1000\r\n\r\nabc")
        assert answer_of(connection).startswith("HTTP/1.1 408")
        with connected(server) as vanishing:
            vanishing.sendall(b"Content-Length: 1000\r\n\r\nabc")
        time.sleep(0.05)
        with connected(server) as good:
            body = json.dumps({"model": "six", "images": [GOOD], "goals": ["app1"]}).encode()
            good.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert answer_of(good).startswith("HTTP/1.1 200")


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = pack({"frames": FRAMES}, QUERY)


@FUZZ
@given(data=st.data())
def test_fuzzed_binary_bodies_never_fail_the_gateway(http, data):
    """A good body with some of its bytes changed, cut or repeated."""
    body = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 220) | st.integers(0, len(WHOLE)))
        cut = data.draw(st.integers(0, 9))
        body[at : at + cut] = data.draw(st.binary(max_size=9) | st.sampled_from([b"{}", b"-1", b"9e99", b'"', b"[["]))
    answer = raw(http, bytes(body))
    assert answer.status_code in (200, 400, 404, 413, 422), answer.text
    if answer.status_code != 200:
        refused(answer, answer.status_code, answer.json()["error"]["code"])


@FUZZ
@given(data=st.data())
def test_fuzzed_image_files_never_fail_the_gateway(http, data):
    whole = base64.b64decode(data.draw(st.sampled_from([GOOD, image_text(FRAME, "JPEG")])))
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    answer = score(http, images=[base64.b64encode(bytes(body)).decode()])
    assert answer.status_code in (200, 413, 422), answer.text
