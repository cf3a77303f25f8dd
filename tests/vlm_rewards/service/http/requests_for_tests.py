"""Requests that tests send to the gateway, and the one form of its refusals."""

import base64
import io
import json
import os
import struct
import zlib

import numpy as np
from PIL import Image

from vlm_rewards.service.http.wire import MEDIA_TYPE

# How many times the usual number of cases generated requests have, all of them new then.
FUZZ = int(os.environ.get("VLM_REWARDS_FUZZ", "1"))


def image_text(frame, form="PNG"):
    """A frame as base64 of a file."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, form)
    return base64.b64encode(file.getvalue()).decode()


FRAME = np.full((16, 16, 3), 90, np.uint8)
GOOD = image_text(FRAME)


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


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, data=b""):
    """A PNG that claims to be of some size, and holds what it is told."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    ).decode()


def truncated(form):
    whole = base64.b64decode(image_text(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), form))
    return base64.b64encode(whole[: len(whole) // 2]).decode()


def safetensors(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


FRAMES = np.zeros((2, 16, 16, 3), np.uint8)
QUERY = {"model": "six", "goals": ["app1"]}
META = {"model": '"six"', "goals": '["app1"]'}
