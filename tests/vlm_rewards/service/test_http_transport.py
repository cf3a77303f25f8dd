"""What the HTTP transport makes of servers that are none, or are wrong, or are gone."""

import asyncio
import json
import pickle
import socket
import time

import numpy as np
import pytest

from vlm_rewards.errors import (
    ConfigError,
    RewardOverloadedError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
)
from vlm_rewards.service import HttpTransport, InProcessTransport, RewardClient
from vlm_rewards.service.http import BearerTokens, HttpLimits, LocalServer, TransportBackend, create_app
from vlm_rewards.service.http.wire import pack

FRAMES = np.zeros((2, 8, 8, 3), np.uint8)


class Scripted:
    """An ASGI application that answers everything as it is told, and keeps the headers it was sent."""

    def __init__(self, status, body, pause_s=0.0, pieces=1):
        self.status, self.body, self.pause_s, self.pieces = status, body, pause_s, pieces
        self.headers = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        self.headers.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        size = -(-len(self.body) // self.pieces) or 1
        for start in range(0, len(self.body), size):
            await asyncio.sleep(self.pause_s)
            await send({"type": "http.response.body", "body": self.body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def gateway_error(code):
    return json.dumps({"error": {"code": code, "message": "m", "fix": "f"}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, gateway_error("overloaded"), RewardOverloadedError),
        (503, gateway_error("unavailable"), RewardServiceUnavailableError),
        (504, gateway_error("timeout"), RewardTimeoutError),
        (404, gateway_error("unknown_model"), RewardServiceUnavailableError),
        (401, gateway_error("unauthorized"), ConfigError),
        (413, gateway_error("too_large"), ConfigError),
        (500, gateway_error("internal"), RewardServiceError),
        (503, gateway_error("of a later version"), RewardServiceUnavailableError),
        (500, b"Internal Server Error", RewardServiceUnavailableError),
        (500, b"[" * 100_000, RewardServiceUnavailableError),
        (500, b'{"error": {}}', RewardServiceUnavailableError),
        (502, b"<html>Bad Gateway</html>", RewardServiceUnavailableError),
        (503, b"", RewardServiceUnavailableError),
        (504, b"[]", RewardTimeoutError),
        (429, b'{"error": "slow down"}', RewardOverloadedError),
        (404, b"Path '/v1' not found", RewardServiceUnavailableError),
        (302, b"", RewardServiceError),
        (418, b"\xff\xfe", RewardServiceError),
        (200, b"<html>Please log in</html>", RewardServiceError),
        (200, pack({"frames": FRAMES}, {"fingerprint": "f"}), RewardServiceError),
        (200, pack({"scores": np.zeros(2, np.float32)}, {}), RewardServiceError),
        (200, b"", RewardServiceError),
    ],
)
def test_every_answer_is_a_typed_error_on_one_line(status, body, error):
    with LocalServer(Scripted(status, body)) as server, pytest.raises(error) as raised:
        HttpTransport(server.url, "m").score(FRAMES, ["a", "b"], timeout_s=5)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("pieces", [1, 100], ids=["late", "trickling"])
def test_an_answer_that_comes_too_late_is_a_timeout(pieces):
    with LocalServer(Scripted(200, b"x" * 100, pause_s=0.2 if pieces > 1 else 2.0, pieces=pieces)) as server:
        start = time.monotonic()
        with pytest.raises(RewardTimeoutError, match=r"in 0\.3 s"):
            HttpTransport(server.url, "m").score(FRAMES, ["a", "b"], timeout_s=0.3)
        assert time.monotonic() - start < 15  # and not the twenty seconds of the trickle


def test_an_answer_without_end_is_refused_early():
    """Seven hundred megabytes of zeros used to be read, and then refused."""

    async def disconnect(receive):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def endless(scope, receive, send):
        if scope["type"] == "http":
            gone = asyncio.ensure_future(disconnect(receive))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not gone.done():
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
                # Once the caller has gone, sending comes back at once, and the loop would hear nothing of it.
                await asyncio.sleep(0)

    with LocalServer(endless) as server:
        transport = HttpTransport(server.url, "m")
        for call in (
            lambda: transport.score(FRAMES, ["a", "b"], timeout_s=20),
            lambda: transport.score_all(FRAMES, ["a"], timeout_s=20),
            lambda: transport.embed(FRAMES, timeout_s=20),
            lambda: transport.describe(timeout_s=20),
        ):
            with pytest.raises(RewardServiceError, match=r"more than \d{7,8} bytes"):
                call()


def test_a_proxy_or_replica_that_fails_for_a_while_is_waited_out_once_a_reward_was_seen(reward_model, make_request):
    """Ray Serve answers 500 where a replica dies with a request, and a reverse proxy 502 where the gateway restarts."""
    inner = create_app(TransportBackend(lambda: {"m": InProcessTransport(reward_model)}))
    failures = []

    async def app(scope, receive, send):
        if scope["type"] == "http" and failures:
            await Scripted(failures.pop(), b"Internal Server Error")(scope, receive, send)
        else:
            await inner(scope, receive, send)

    frames, goal_ids = make_request(2)
    with LocalServer(app) as server:
        failures.append(500)
        client = RewardClient(HttpTransport(server.url, "m"))
        with pytest.raises(RewardServiceUnavailableError, match="no reward gateway"):
            client.score(frames, goal_ids)
        client.score(frames, goal_ids)
        failures += [500, 502, 503, 500]
        np.testing.assert_array_equal(client.score(frames, goal_ids).scores, reward_model.score(frames, goal_ids))
        assert client.stats.retries == 4


@pytest.fixture
def dead_proxy(monkeypatch):
    """The environment's proxy, which is not there."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{listening.getsockname()[1]}"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://user:secret@{url}")
    return url


def test_proxies_are_for_other_machines_only(reward_model, make_request, dead_proxy):
    app = create_app(TransportBackend(lambda: {"m": InProcessTransport(reward_model)}))
    with LocalServer(app) as server:
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            assert RewardClient(HttpTransport(url, "m")).score(*make_request(2)).scores.shape == (2,)


def test_a_proxy_that_fails_is_named_and_its_password_is_not(dead_proxy):
    with pytest.raises(
        RewardServiceUnavailableError, match=f"http_proxy sends it through http://{dead_proxy}"
    ) as raised:
        HttpTransport("http://rewards.example:8765", "m").describe(timeout_s=5)
    assert "no_proxy" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_not_there_or_hangs_up_is_unavailable():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(RewardServiceUnavailableError, match=r"gateway\.yaml"):
        RewardClient(HttpTransport(url, "m")).score(FRAMES, ["a", "b"])

    async def hang_up(scope, receive, send):
        if scope["type"] == "http":
            raise ConnectionError("gone")

    with LocalServer(hang_up) as server, pytest.raises(RewardServiceError):
        HttpTransport(server.url, "m").score(FRAMES, ["a", "b"], timeout_s=5)


def test_connections_that_the_server_has_closed_are_replaced(reward_model, make_request):
    """As when a gateway is restarted between two steps of a long run."""
    app = create_app(TransportBackend(lambda: {"m": InProcessTransport(reward_model)}))
    frames, goal_ids = make_request(3)
    with LocalServer(app) as first:
        client = RewardClient(HttpTransport(first.url, "m"))
        before = client.score(frames, goal_ids)
    app = create_app(TransportBackend(lambda: {"m": InProcessTransport(reward_model)}))
    with LocalServer(app, port=int(first.url.rpartition(":")[2])):
        np.testing.assert_array_equal(client.score(frames, goal_ids).scores, before.scores)


def test_the_callers_patience_and_token_are_sent(monkeypatch):
    app = Scripted(200, pack({"scores": np.zeros(2, np.float32)}, {"fingerprint": "f"}))
    with LocalServer(app) as server:
        HttpTransport(server.url, "m", "a-token-of-the-argument").score(FRAMES, ["a", "b"], timeout_s=7)
        monkeypatch.setenv("VLM_REWARDS_TOKEN", "a-token-of-the-environment")
        HttpTransport(server.url, "m").score(FRAMES, ["a", "b"], timeout_s=7)
    given, read = app.headers
    assert given[b"authorization"] == b"Bearer a-token-of-the-argument"
    assert read[b"authorization"] == b"Bearer a-token-of-the-environment"
    assert float(given[b"x-timeout-s"]) == 7


def test_a_request_beyond_the_gateways_limits_says_which_and_is_not_repeated(reward_model, make_request):
    limits = HttpLimits(max_body_bytes=10_000)
    app = create_app(TransportBackend(lambda: {"m": InProcessTransport(reward_model)}), limits)
    with LocalServer(app) as server:
        client = RewardClient(HttpTransport(server.url, "m"))
        with pytest.raises(ConfigError, match="10000 bytes"):
            client.score(*make_request(32))
        assert client.stats.retries == 0
        assert len(client.score(*make_request(2)).scores) == 2


def test_models_whose_names_need_quoting_are_reached(reward_model, make_request):
    name = "lab/ViT-B 32?größer"
    app = create_app(TransportBackend(lambda: {name: InProcessTransport(reward_model)}))
    with LocalServer(app) as server:
        client = RewardClient(HttpTransport(server.url, name))
        assert client.describe() == reward_model.describe()
        assert client.score(*make_request(2)).scores.shape == (2,)


@pytest.mark.parametrize("url", ["127.0.0.1:8765", "ftp://host", "http://", "http://:80", ""])
def test_addresses_that_are_none_are_refused(url):
    with pytest.raises(ConfigError, match="http://127"):
        HttpTransport(url, "m")


def test_a_token_travels_and_is_not_shown():
    transport = HttpTransport("http://127.0.0.1:1", "m", "a-secret-token-of-a-run")
    assert "secret" not in repr(transport)
    assert pickle.loads(pickle.dumps(transport))._token == "a-secret-token-of-a-run"
    assert BearerTokens(["a-secret-token-of-a-run"]).configured
