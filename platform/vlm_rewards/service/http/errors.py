"""One table between this library's errors and what HTTP callers see of them."""

import re
from typing import NamedTuple

from vlm_rewards.errors import (
    ConfigError,
    InvalidFrameError,
    NonFiniteRewardError,
    RewardOverloadedError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
    VLMRewardsError,
)

# Seconds that a refused caller should stay away.
RETRY_AFTER_S = 1

# Longest message and fix in characters: an error must not carry a megabyte of the request back.
_MOST_TEXT = 500


class _Kind(NamedTuple):
    """An error's HTTP status, the class it has in Python, and what to do where the error itself does not say."""

    status: int
    error: type[VLMRewardsError]
    fix: str


# The codes are part of the API. Where a class occurs twice, errors that come from a reward model get the first code.
KINDS = {
    "service_error": _Kind(500, RewardServiceError, "read the log of the reward application"),
    "non_finite_reward": _Kind(500, NonFiniteRewardError, "check the served model's weights and precision"),
    "internal": _Kind(500, RewardServiceError, "read the gateway's log at this request's X-Request-ID"),
    "unavailable": _Kind(503, RewardServiceUnavailableError, "send the request again"),
    "overloaded": _Kind(
        503, RewardOverloadedError, "wait a moment and send the request again, or send fewer at a time"
    ),
    "timeout": _Kind(504, RewardTimeoutError, "send fewer frames in one request, or raise the timeout"),
    "invalid_frames": _Kind(422, InvalidFrameError, "send uint8 frames of shape (N, H, W, 3), or PNG or JPEG images"),
    "invalid_argument": _Kind(422, ConfigError, "compare the request with the examples at /docs"),
    "invalid_request": _Kind(422, ConfigError, "compare the request with the examples at /docs"),
    "invalid_body": _Kind(400, ConfigError, "compare the body with the examples at /docs"),
    "unauthorized": _Kind(401, ConfigError, "send the header 'Authorization: Bearer TOKEN'"),
    "not_found": _Kind(404, RewardServiceError, "see /docs for the paths there are"),
    "unknown_model": _Kind(404, RewardServiceUnavailableError, "see GET /v1/models for the models there are"),
    "method_not_allowed": _Kind(405, RewardServiceError, "see /docs for each path's method"),
    "body_too_slow": _Kind(408, RewardTimeoutError, "send the body at once, over a faster connection"),
    "too_large": _Kind(413, ConfigError, "send fewer or smaller images in one request"),
    "headers_too_large": _Kind(431, ConfigError, "send fewer and shorter headers"),
    "unsupported_media_type": _Kind(
        415, RewardServiceError, "use the content type application/json or application/x-safetensors"
    ),
}

# For answers that are not the gateway's own, such as a reverse proxy's.
_BY_STATUS: dict[int, type[VLMRewardsError]] = {
    401: ConfigError,
    403: ConfigError,
    404: RewardServiceUnavailableError,
    408: RewardTimeoutError,
    407: ConfigError,
    413: ConfigError,
    429: RewardOverloadedError,
    # Ray Serve's own where a replica dies with a request; who has never reached a reward is told at once even so.
    500: RewardServiceUnavailableError,
    502: RewardServiceUnavailableError,
    503: RewardServiceUnavailableError,
    504: RewardTimeoutError,
}


class HttpError(Exception):
    """An answer other than 200.

    Attributes:
        status: HTTP status.
        code: One of `KINDS`.
        message: A sentence that says what is wrong.
        fix: One that says what to do.
        headers: To send beside it.
    """

    def __init__(self, code: str, message: str, fix: str = "", headers: dict[str, str] | None = None) -> None:
        """Make the answer.

        Args:
            code: One of `KINDS`, which has the status.
            message: What is wrong.
            fix: What to do; that of the code if empty.
            headers: To send beside it.
        """
        super().__init__(message)
        kind = KINDS[code]
        self.status = kind.status
        self.code = code
        self.message = _short(message)
        self.fix = _short(fix or kind.fix)
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The JSON body."""
        return {"error": {"code": self.code, "message": self.message, "fix": self.fix}}


def http_error(error: VLMRewardsError) -> HttpError:
    """Return the answer to a request that ended with an error of this library.

    Their messages are one line, `what is wrong; what to do`.
    """
    code = next((code for code, kind in KINDS.items() if type(error) is kind.error), "service_error")
    message, _, fix = str(error).rpartition("; ")
    return HttpError(code, message or fix, fix if message else "")


def library_error(status: int, body: object, on_the_way: str = "") -> VLMRewardsError:
    """Return the error that an HTTP answer stands for: the reverse of `http_error`.

    Args:
        status: 300 or above.
        body: Decoded JSON, whatever it is; None if it was none.
        on_the_way: What stands between, where that is known, for answers that are not a gateway's.
    """
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        kind = _BY_STATUS.get(status, RewardServiceError)
        return kind(
            f"HTTP {status} from something that is no reward gateway; "
            + (on_the_way or "check the address and what stands between")
        )
    code, message, fix = (_short(str(error.get(name, ""))) for name in ("code", "message", "fix"))
    known = KINDS.get(code)
    return (known.error if known else _BY_STATUS.get(status, RewardServiceError))(f"{message}; {fix}")


def _short(text: str) -> str:
    """Return printable text on one line, cut where it is too long."""
    text = text[: 4 * _MOST_TEXT]
    line = re.sub(r"\s+", " ", "".join(char if char.isprintable() else " " for char in text)).strip()
    return line if len(line) <= _MOST_TEXT else line[: _MOST_TEXT - 3] + "..."
