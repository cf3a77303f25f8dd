"""Files that are no picture: a 4xx that says what to do, and the next caller is served."""

import base64
import struct
import zlib

import pytest

from tests.vlm_rewards.service.http.requests_for_tests import FRAME, GOOD, image_text, png_of, refused, score, truncated

# A black square of 50,000 pixels a side is 7.5 GB, in 7 MB of PNG; its first bytes are enough to see that.
BOMB = png_of(50_000, 50_000, zlib.compress(bytes(10**6)))

IMAGES = {
    "truncated png": (truncated("PNG"), 422, "invalid_frames", "whole file"),
    "truncated jpeg": (truncated("JPEG"), 422, "invalid_frames", "whole file"),
    "only a header": (GOOD[:24], 422, "invalid_frames", "whole file"),
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
