"""What one body of 32 MiB can cost the gateway: memory, and time in which it answers nobody else."""

import asyncio
import base64
import io
import json
import multiprocessing
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.apps import FAKE, TASK_SET
from benchmarks.row import MISSING, Row, benchmark
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import TransportBackend, create_app
from vlm_rewards.service.http.wire import MEDIA_TYPE, pack

_ROOM = 32 * 2**20 - 4096
_MEMORY_MIB = 256
_BLOCKED_S = 0.25


@benchmark("hostile-memory", "hostile-blocked")
def hostile_bodies(quick: bool) -> list[Row]:
    """Measure the dearest of the bodies below, each sent to a gateway in a process of its own."""
    costs: dict[str, tuple[float, float, int]] = {}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name in BODIES:
            costs[name] = pool.apply(cost, (name,))
    memory, blocked = (max((cost[i], name) for name, cost in costs.items())[1] for i in (0, 1))
    table = ", ".join(f"{name}: {mib:.0f} MiB {s * 1e3:.0f} ms {status}" for name, (mib, s, status) in costs.items())
    has_peak = costs[memory][0] > 0
    return [
        Row("hostile-memory", f"most MiB that a 32 MiB body costs the gateway ({memory})",
            costs[memory][0] if has_peak else MISSING, _MEMORY_MIB, "<=", "", table),
        Row("hostile-blocked", f"longest pause of the gateway's event loop at such a body ({blocked})",
            costs[blocked][1], _BLOCKED_S, "<=", "s"),
    ]  # fmt: skip


def cost(name: str) -> tuple[float, float, int]:
    """Send a body to a new gateway in this process.

    Returns:
        Peak of the process's memory above what it had, in MiB (0 where the system does not tell); the longest time in
        seconds in which the event loop did nothing else; the answer's status.
    """
    content, media_type = BODIES[name]()
    model = RewardModel(FAKE, TASK_SET)
    app = create_app(TransportBackend(lambda: {"fake": InProcessTransport(model)}))
    small = json.dumps({"model": "fake", "images": [_image_text((8, 8))], "goals": [TASK_SET.all_goals[0].id]})

    async def run() -> tuple[float, float, int]:
        await _post(app, small.encode(), "application/json")
        before = psutil.Process().memory_info().rss
        _reset_peak()
        longest = 0.0
        task = asyncio.create_task(_post(app, content, media_type))
        last = time.perf_counter()
        while not task.done():
            await asyncio.sleep(0.002)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
        return max(0.0, _peak() - before) / 2**20, longest, await task

    return asyncio.run(run())


async def _post(app: Any, content: bytes, media_type: str) -> int:
    pieces = [content[start : start + 2**16] for start in range(0, len(content), 2**16)]
    status = 0

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"content-type", media_type.encode()), (b"host", b"127.0.0.1")]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/score", "raw_path": b"/v1/score", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http",
        "http_version": "1.1", "asgi": {"version": "3.0"}, "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return status


def _reset_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def _peak() -> float:
    try:
        with open("/proc/self/status") as file:
            return 1024.0 * next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0.0


def _request(**changes: Any) -> tuple[bytes, str]:
    body = {"model": "fake", "images": [_image_text((8, 8))], "goals": [TASK_SET.all_goals[0].id], **changes}
    return json.dumps(body).encode(), "application/json"


def _file(size: tuple[int, int], form: str, mode: str = "RGB", **options: Any) -> bytes:
    """Return a picture of (height, width) noise, as large as it gets."""
    frame = np.random.default_rng(0).integers(0, 256, (*size, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(frame, "RGBA").convert(mode).save(file, form, **options)
    return file.getvalue()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _image_text(size: tuple[int, int]) -> str:
    return _text(_file(size, "PNG"))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunks(*chunks: bytes) -> str:
    whole = _file((8, 8), "PNG")
    return _text(whole[:33] + b"".join(chunks) + whole[33:])


def _filled(texts: Callable[[], list[str]]) -> tuple[bytes, str]:
    return _request(images=texts())


def _texts_that_unpack() -> list[str]:
    """Return compressed texts of a megabyte each, below the decoder's limit for one of them, many to an image."""
    chunk = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))
    text = _with_chunks(*[chunk] * 60)
    return [text] * min(1024, _ROOM // len(text))


def _progressive(size: tuple[int, int], scans: int) -> bytes:
    """Return a progressive JPEG with its last scan repeated."""
    data = _file(size, "JPEG", "L", progressive=True, quality=1)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def _large_pair(form: str, mode: str, size: tuple[int, int], **options: Any) -> list[str]:
    """Return as many pixels as a request may have, each picture as large as one may be, smooth enough for the body."""
    file = io.BytesIO()
    height, width = size
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(file, form, **options)
    return [_text(file.getvalue())] * max(1, 2**25 // (height * width))


BODIES: dict[str, Callable[[], tuple[bytes, str]]] = {
    "PNG texts": lambda: _filled(_texts_that_unpack),
    "one PNG of texts": lambda: _filled(lambda: [_with_chunks(*[_chunk(b"tEXt", bytes(2**16))] * 350)]),
    "a million empty chunks": lambda: _filled(lambda: [_with_chunks(*[_chunk(b"IDAT", b"")] * 1_900_000)]),
    "numbers for goals": lambda: (b'{"model":"fake","goals":[' + b"1," * (_ROOM // 2) + b"1]}", "application/json"),
    "fewer numbers for goals": lambda: _request(goals=[1] * 260_000),
    "unknown keys": lambda: (
        b"{" + b",".join(b'"%d":1' % i for i in range(260_000)) + b'}', "application/json"),
    "one wide character": lambda: (
        b'{"model":"fake","images":["' + b"A" * _ROOM + "\U0001f600".encode() + b'"]}', "application/json"),
    "escapes": lambda: (b'{"images":["' + b"\\n" * (_ROOM // 2) + b'"]}', "application/json"),
    "nesting": lambda: (b"[" * _ROOM, "application/json"),
    "one large image": lambda: _filled(lambda: [_text(_file((2870, 2870), "PNG", "RGB", compress_level=0))]),
    "two baseline JPEGs": lambda: _filled(lambda: _large_pair("JPEG", "RGB", (4096, 4096))),
    "eight progressive JPEGs": lambda: _filled(
        lambda: _large_pair("JPEG", "RGB", (2048, 2048), progressive=True, subsampling=0)),
    "two PNGs with alpha": lambda: _filled(lambda: _large_pair("PNG", "RGBA", (4096, 4096))),
    "a thousand scans": lambda: _filled(lambda: [_text(_progressive((1024, 1024), 1000))]),
    "sixty scans, many times": lambda: _filled(lambda: [_text(_progressive((1024, 1024), 50))] * 32),
    "arrays": lambda: (
        pack({"frames": np.zeros((160, 256, 256, 3), np.uint8)}, {"model": "fake", "goals": ["no goal"]}), MEDIA_TYPE),
    "a header of keys": lambda: (
        (lambda text: len(text).to_bytes(8, "little") + text)(
            json.dumps({"__metadata__": {"goals": "[" + "1," * 400_000 + "1]"}, "frames": {
                "dtype": "U8", "shape": [1, 8, 8, 3], "data_offsets": [0, 192]}}).encode()) + bytes(192), MEDIA_TYPE),
}  # fmt: skip
