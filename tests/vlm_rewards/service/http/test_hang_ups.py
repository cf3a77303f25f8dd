"""Callers who leave, at every stage of a request: their work is dropped, and nothing of what they held stays."""

import asyncio
import json
import random
import threading
import time

import numpy as np
import pytest

from tests.vlm_rewards.service.http.conftest import LIMITS
from tests.vlm_rewards.service.http.requests_for_tests import image_text
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import TransportBackend, create_app
from vlm_rewards.service.http.images import decode
from vlm_rewards.service.http.wire import MEDIA_TYPE, pack

FRAME = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
JSON_BODY = json.dumps({"model": "six", "images": [image_text(FRAME)] * 20, "goals": ["app1"]}).encode()
BINARY_BODY = pack({"frames": np.stack([FRAME] * 20)}, {"model": "six", "goals": ["app1"]})


class Gate:
    """Holds threads up until it is opened."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self):
        self.reached.set()
        assert self.open.wait(20)


class Caller:
    """One request to the application, as a server would pass it on."""

    def __init__(self, app, body, media_type="application/json", pieces=4, **headers):
        self.status = None
        self.size = -(-len(body) // pieces)
        self.pieces = [body[i : i + self.size] for i in range(0, len(body), self.size)]
        self.left = asyncio.Event()
        headers = {"content-type": media_type, "host": "127.0.0.1", **headers}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/score",
            "raw_path": b"/v1/score",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.task = asyncio.create_task(app(scope, self.receive, self.send))
        self.stop_after = None

    async def receive(self):
        if self.stop_after is not None and not self.stop_after:
            await self.left.wait()
        if not self.pieces:
            await self.left.wait()
        if self.left.is_set():
            return {"type": "http.disconnect"}
        if self.stop_after:
            self.stop_after -= 1
        return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}

    async def send(self, message):
        self.status = message.get("status", self.status)

    async def leave(self, how):
        """Uvicorn says that the connection is closed; Serve cancels the request."""
        if how == "cancelled":
            self.task.cancel()
        else:
            self.left.set()
        await asyncio.wait_for(asyncio.gather(self.task, return_exceptions=True), 5)


async def reached(event):
    assert await asyncio.to_thread(event.wait, 10)


async def all_is_free(app):
    admission = app.state.admission
    deadline = time.monotonic() + 10
    while admission.requests or admission.bytes:
        assert time.monotonic() < deadline, (admission.requests, admission.bytes)
        await asyncio.sleep(0.005)


@pytest.fixture(params=["cancelled", "disconnected"])
def how(request):
    return request.param


@pytest.fixture
def make_app(reward_model):
    def make(gate=None, **limits):
        class Held(InProcessTransport):
            def score_all(self, *arguments, **options):
                if gate:
                    gate()
                return super().score_all(*arguments, **options)

        transport = Held(reward_model)
        return create_app(TransportBackend(lambda: {"six": transport}), LIMITS.model_copy(update=limits))

    return make


def test_in_the_middle_of_the_body(make_app, how):
    async def run():
        app = make_app()
        caller = Caller(app, JSON_BODY)
        caller.stop_after = 2
        await asyncio.sleep(0.05)
        assert app.state.admission.bytes == 2 * caller.size
        await caller.leave(how)
        await all_is_free(app)

    asyncio.run(run())


@pytest.mark.parametrize("stage", ["opened", "decoded"])
def test_while_images_are_read_the_rest_of_them_is_dropped(make_app, how, monkeypatch, stage):
    name = {"opened": "_scanned", "decoded": "_decode"}[stage]
    gate, calls, real = Gate(), [], getattr(decode, name)

    def slow(*arguments):
        calls.append(arguments)
        gate()
        return real(*arguments)

    monkeypatch.setattr(decode, name, slow)

    async def run():
        app = make_app()
        caller = Caller(app, JSON_BODY)
        await reached(gate.reached)
        await caller.leave(how)
        # The thread cannot be stopped in the middle of a step: until it ends, what it uses counts.
        assert app.state.admission.requests == 1
        assert app.state.admission.bytes > 0
        gate.open.set()
        await all_is_free(app)
        assert len(calls) == 1
        assert caller.status in (None, 499)

    asyncio.run(run())


def test_before_its_turn_a_request_is_not_read_at_all(make_app, how, monkeypatch):
    gate, opened, real = Gate(), [], decode._scanned

    def slow(*arguments):
        opened.append(arguments)
        gate()
        return real(*arguments)

    monkeypatch.setattr(decode, "_scanned", slow)

    async def run():
        app = make_app()
        callers = [Caller(app, JSON_BODY) for _ in range(8)]
        await reached(gate.reached)
        await asyncio.sleep(0.1)  # the others stand in line behind the two threads
        for caller in callers:
            await caller.leave(how)
        gate.open.set()
        await all_is_free(app)
        assert len(opened) <= 2

    asyncio.run(run())


@pytest.mark.parametrize("body", [JSON_BODY, BINARY_BODY], ids=["json", "binary"])
def test_while_it_is_scored(make_app, how, body):
    gate = Gate()

    async def run():
        app = make_app(gate)
        caller = Caller(app, body, "application/json" if body is JSON_BODY else MEDIA_TYPE)
        await reached(gate.reached)
        await caller.leave(how)
        assert app.state.admission.requests == 1
        gate.open.set()
        await all_is_free(app)

    asyncio.run(run())


def test_many_who_leave_at_any_moment_cost_nobody_a_place(make_app):
    """Ten times as many bytes as there is room for, all given back: the next caller is served."""
    draw = random.Random(3)

    async def run():
        app = make_app(max_bytes=6_000_000, max_requests=8)

        async def one(index):
            body, media_type = draw.choice([(JSON_BODY, "application/json"), (BINARY_BODY, MEDIA_TYPE)])
            caller = Caller(app, body, media_type, pieces=draw.choice([1, 3, 50]))
            caller.stop_after = draw.choice([None, None, 1])
            await asyncio.sleep(draw.choice([0, 0.001, 0.01, 0.05]))
            await caller.leave(draw.choice(["cancelled", "disconnected"]))

        for _ in range(10):
            await asyncio.gather(*(one(index) for index in range(20)))
        await all_is_free(app)
        last = Caller(app, JSON_BODY)
        await asyncio.wait_for(last.task, 20)
        assert last.status == 200

    asyncio.run(run())


def test_a_callers_deadline_ends_the_reading_of_images(make_app, monkeypatch):
    read, real = [], decode._decode

    def slow(*arguments):
        read.append(arguments)
        time.sleep(0.1)
        return real(*arguments)

    monkeypatch.setattr(decode, "_decode", slow)

    async def run():
        app = make_app()
        caller = Caller(app, JSON_BODY, x_timeout_s="0.4")
        start = time.monotonic()
        await asyncio.wait_for(caller.task, 10)
        assert caller.status == 504
        assert time.monotonic() - start < 1.5  # of the two seconds that all twenty would take
        await all_is_free(app)
        assert len(read) < 15

    asyncio.run(run())


def test_a_deadline_that_passed_while_the_body_came_is_obeyed(make_app):
    async def run():
        app = make_app()
        caller = Caller(app, JSON_BODY, x_timeout_s="0.2")
        caller.stop_after = 2
        await asyncio.wait_for(caller.task, 5)
        assert caller.status == 408
        await all_is_free(app)

    asyncio.run(run())


def test_small_requests_take_their_turn_beside_large_ones(make_app, monkeypatch):
    real = decode._decode

    def slow(*arguments):
        time.sleep(0.06)
        return real(*arguments)

    monkeypatch.setattr(decode, "_decode", slow)
    small = json.dumps({"model": "six", "images": [image_text(FRAME)], "goals": ["app1"]}).encode()

    async def run():
        app = make_app()
        large = [Caller(app, JSON_BODY) for _ in range(4)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(Caller(app, small).task, 10)
        assert not any(caller.task.done() for caller in large)
        await asyncio.gather(*(caller.task for caller in large))
        assert [caller.status for caller in large] == [200] * 4

    asyncio.run(run())
