"""What every answer of the gateway has around it: a request id, a line in the log, and an error body if all fails.

Also what holds for every path: headers are bounded, and HEAD is GET without the body.
"""

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp


from vlm_rewards.service.http.errors import HttpError

logger = logging.getLogger("vlm_rewards.http")

Message = MutableMapping[str, Any]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Envelope:
    """ASGI middleware: request ids, the log, and no answer that is not ours.

    The id of a request is its `X-Request-ID`, or a new one if that is missing or no plain word; it is in
    `scope["state"]["request_id"]` and in the answer. One line of JSON a request goes to the logger
    `vlm_rewards.http`, with whatever the endpoint has put in `scope["state"]["log"]`; a JSON formatter finds the same
    in the record's attributes.
    """

    def __init__(self, app: ASGIApp, labels_answers: bool = True, max_header_bytes: int = 2**15) -> None:
        """Wrap an application.

        Args:
            app: The application.
            labels_answers: Whether to put `X-Request-ID` into answers; False behind a server that does so itself.
            max_header_bytes: Most bytes in all headers of one request, names included.
        """
        self._app = app
        self._labels_answers = labels_answers
        self._max_header_bytes = max_header_bytes

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"], state["log"] = request_id, {}
        status = 0
        is_head = scope["method"] == "HEAD"
        body_read = scope["method"] in ("GET", "HEAD", "OPTIONS")

        async def counted_receive() -> Message:
            nonlocal body_read
            message = await receive()
            body_read = body_read or not message.get("more_body", False)
            return message

        async def labelled_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                if self._labels_answers:
                    headers.append((b"x-request-id", request_id.encode()))
                if not body_read:
                    # The rest of the body is not wanted; a kept connection would have to read it all.
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            size = sum(len(name) + len(value) for name, value in scope["headers"])
            if size > self._max_header_bytes:
                error = HttpError("headers_too_large", f"the headers have {size} bytes")
                state["log"]["code"] = error.code
                await JSONResponse(error.body, error.status)(scope, counted_receive, labelled_send)
            else:
                # A copy, so that the server still sees the method that was sent.
                inner = {**scope, "method": "GET"} if is_head else scope
                await self._app(inner, counted_receive, labelled_send)
        except Exception:
            logger.exception("request %s failed", request_id)
            if status:
                raise  # half an answer is out: the server must cut the connection
            error = HttpError("internal", "the gateway failed at this request")
            await JSONResponse(error.body, error.status)(scope, receive, labelled_send)
        finally:
            fields = {
                "client_request_id": request_id,
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "seconds": round(time.monotonic() - start, 6),
                **state["log"],
            }
            logger.info("%s", json.dumps(fields), extra=fields)


def _request_id(scope: MutableMapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value.decode("latin-1")):
            result: str = value.decode("ascii")
            return result
    return uuid.uuid4().hex
