"""Bodies, bounded while they come in: what a Content-Length says is believed only where it asks for too much."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits, Share
from vlm_rewards.service.http.wire import MEDIA_TYPE

JSON = "application/json"


def media_type(request: Request) -> str:
    """Returns the body's form, JSON or `wire.MEDIA_TYPE`, before any of it is read.

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


async def read_body(request: Request, limits: HttpLimits, share: Share) -> bytes:
    """Reads the body; never holds more of it than a request may have.

    Args:
        request: whose body nobody has read.
        limits: of bytes and seconds.
        share: takes the bytes as they come.

    Raises:
        HttpError: 413 too large, 408 too slow, 400 cut off, 503 no room beside the other requests' bodies.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.max_body_bytes:
        raise _too_large(limits)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.max_body_bytes:
                    raise _too_large(limits)
                share.hold(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise HttpError("body_too_slow", f"the body did not come in within {limits.body_timeout_s:g} s") from error
    except ClientDisconnect as error:
        raise HttpError("invalid_body", "the connection closed in the middle of the body") from error
    return b"".join(chunks)


def _too_large(limits: HttpLimits) -> HttpError:
    return HttpError("too_large", f"the body is larger than {limits.max_body_bytes} bytes")
