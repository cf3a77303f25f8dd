"""Bodies, bounded while they come in and by what they can become when they are parsed.

What a Content-Length says is believed only where it asks for too much.
"""

import asyncio
import re
from typing import Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import Request
    from starlette.requests import ClientDisconnect

from pydantic_core import from_json

from vlm_rewards.service.http.admission import Share
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.service.http.wire import JSON, MEDIA_TYPE

# Bytes looked at in one call, during which no other thread of the gateway runs.
_WINDOW = 2**20

_KEY_END = re.compile(rb'"[ \t\n\r]*+:')
_BACKSLASH = ord("\\")


def media_type(request: Request) -> str:
    """Return the body's form, JSON or `wire.MEDIA_TYPE`, before any of it is read.

    Raises:
        HttpError: 415, another form, or a compressed body.
    """
    given = request.headers.get("content-type", "")
    essence = given.partition(";")[0].strip().lower()
    if essence not in (JSON, MEDIA_TYPE):
        raise HttpError("unsupported_media_type", f"the content type is {given!r}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise HttpError(
            "unsupported_media_type", f"the content encoding is {encoding!r}", "send the body without compression"
        )
    return essence


async def read_body(request: Request, limits: HttpLimits, share: Share, timeout_s: float | None) -> bytearray:
    """Read the body; never holds more of it than a request may have.

    Args:
        request: Whose body nobody has read.
        limits: Limits of bytes and seconds.
        share: Takes the bytes as they come.
        timeout_s: The caller's patience in seconds, if shorter than the limit; None is none of its own.

    Raises:
        HttpError: 413 too large, 408 too slow, 400 cut off, 503 no room beside the other requests' bodies.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.max_body_bytes:
        raise _too_large(limits)
    # One array that grows: a list of chunks of a byte each would take forty times the body.
    body = bytearray()
    seconds = min(limits.body_timeout_s, timeout_s or limits.body_timeout_s)
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limits.max_body_bytes:
                    raise _too_large(limits)
                share.hold(len(chunk))
                body += chunk
    except TimeoutError as error:
        raise HttpError("body_too_slow", f"the body did not come in within {seconds:g} s") from error
    except ClientDisconnect as error:
        raise HttpError("invalid_body", "the connection closed in the middle of the body") from error
    return body


def read_json(body: bytearray, limits: HttpLimits, share: Share) -> Any:
    """Parse a body whose bytes `share` holds.

    Raises:
        AbandonedError: The request has ended.
        HttpError: 400 no JSON, 413 more values than any good request has, 503 no room for what it becomes.
    """
    values = _count(body, b",[{", limits.max_json_values)
    if values > limits.max_json_values:
        raise HttpError(
            "too_large",
            f"a body of more than {limits.max_json_values} JSON values",
            "send fewer goals or images at a time, or arrays as application/x-safetensors",
        )
    # Some encoders write "/" as "\\/", and base64 has one in 64 characters.
    most_escapes = limits.max_json_values + len(body) // 32
    if _count(body, b"\\", most_escapes) > most_escapes:
        raise HttpError("too_large", f"a body of more than {most_escapes} escapes", "send the texts as UTF-8")
    # Python keeps a text with one wide character in four bytes a character.
    widest = 1 if body.isascii() and b"\\u" not in body else 4
    with share.held(widest * len(body)):
        try:
            return from_json(body, allow_inf_nan=False, cache_strings="none")
        except ValueError as error:
            raise HttpError("invalid_body", f"the body is no JSON: {error}") from error


def count_keys(body: bytearray) -> int:
    """Count the keys of all objects in a body that is JSON, each as often as it is there.

    The parser keeps the last of two equal keys, and whatever looked at the request before may have taken the first.
    """
    keys = 0
    for end in _KEY_END.finditer(body):
        # A quote within a text has an odd number of backslashes before it, and ends nothing.
        first = end.start()
        while first > 0 and body[first - 1] == _BACKSLASH:
            first -= 1
        keys += (end.start() - first) % 2 == 0
    return keys


def _count(body: bytearray, marks: bytes, most: int) -> int:
    """Count bytes that are one of `marks`, no further than it takes to see that they are more than `most`."""
    found = 0
    for start in range(0, len(body), _WINDOW):
        found += sum(body.count(mark, start, start + _WINDOW) for mark in marks)
        if found > most:
            break
    return found


def _too_large(limits: HttpLimits) -> HttpError:
    return HttpError("too_large", f"the body is larger than {limits.max_body_bytes} bytes")
