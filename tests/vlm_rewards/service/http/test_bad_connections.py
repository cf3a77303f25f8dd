"""Bodies that never come, never end, or come all at once."""

import json
import logging
import socket
import time

import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient

from tests.vlm_rewards.service.http.conftest import LIMITS
from tests.vlm_rewards.service.http.requests_for_tests import GOOD, QUERY, raw, refused, score
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import LocalServer, TransportBackend, create_app
from vlm_rewards.service.http.wire import pack


def test_bodies_are_refused_together_when_they_would_fill_the_memory(reward_model, still_serves):
    limits = LIMITS.model_copy(update={"max_bytes": 1_200_000})
    app = create_app(TransportBackend(lambda: {"six": InProcessTransport(reward_model)}), limits)
    with TestClient(app, client=("127.0.0.1", 1), base_url="http://localhost") as http:
        for _ in range(3):  # what a refused request held is given back
            refused(raw(http, b"x" * 1_300_000, "application/json"), 503, "overloaded")
            refused(raw(http, pack({"frames": np.zeros((60, 64, 64, 3), np.uint8)}, QUERY)), 503, "overloaded")
            assert score(http).status_code == 200


@pytest.fixture
def server(app):
    """The same over a real socket, by uvicorn."""
    with LocalServer(app) as server:
        yield server


def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
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


def test_a_server_leaves_the_logs_of_its_process_alone(app, tmp_path):
    kept = logging.FileHandler(tmp_path / "log", mode="w")
    logging.getLogger("kept").addHandler(kept)
    try:
        with LocalServer(app):
            logging.getLogger("kept").warning("while it serves")
    finally:
        logging.getLogger("kept").removeHandler(kept)
        kept.close()
    assert "while it serves" in (tmp_path / "log").read_text()
