"""Rewards from a gateway, over HTTP: for programs that are on no Ray cluster."""

import ipaddress
import json
import os
import threading
import time
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import (
    ConfigError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
)
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.http.errors import HttpError, library_error
from vlm_rewards.service.http.wire import JSON, MEDIA_TYPE, pack, unpack
from vlm_rewards.service.schema import EmbedResult, ScoreResult, TextResult, check_texts_request, count_frames

# The caller's own token, where none is given.
TOKEN_VARIABLE = "VLM_REWARDS_TOKEN"

# Connections to one gateway; a thread that finds none free waits for one.
_CONNECTIONS = 64

# Seconds; what a caller means who waits without end.
_LONGEST_TIMEOUT_S = 86400.0

# Bytes of an answer without arrays: descriptions, errors, and the goals that come back.
_LONGEST_TEXT = 8 * 2**20

# Bytes of one number, of which an answer has two where there are scores: the score and its reward.
_NUMBER_BYTES = 4

# Characters of one number in JSON, with its comma.
_NUMBER_CHARS = 24

# Numbers of one embedding, and more than any model has.
_LONGEST_EMBEDDING = 2**16


class HttpTransport:
    """Calls one model of a reward gateway; frames and scores travel as safetensors.

    Connections are kept and shared by threads. They are made at the first call, in the process that calls.

    Attributes:
        base_url: URL of the gateway, without a slash at its end.
        model: As `GET /v1/models` lists it.
    """

    def __init__(
        self, base_url: str, model: str, token: str | None = None, token_variable: str = TOKEN_VARIABLE
    ) -> None:
        """Name the service.

        Args:
            base_url: URL of the gateway, such as `http://127.0.0.1:8765`.
            model: As `GET /v1/models` lists it.
            token: Bearer token; None takes that of the environment of whichever process calls.
            token_variable: The environment variable that may hold one.

        Raises:
            ConfigError: No http address.
        """
        try:
            url = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise ConfigError(f"{base_url!r} is no address ({error}); use one like http://127.0.0.1:8765") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(f"{base_url!r} is no http address; use one like http://127.0.0.1:8765")
        self.base_url = str(base_url).rstrip("/")
        self.model = model
        self._token = token
        self._token_variable = token_variable
        self._host = url.host
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def connect(self, timeout_s: float) -> None:
        """Ask for the model; see `Transport.connect`."""
        self.describe(timeout_s)

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames; see `Transport.score`."""
        return self._score(frames, {"goal_per_image": list(goal_ids)}, len(frames), timeout_s)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames against all goals; see `Transport.score_all`."""
        return self._score(frames, {"goals": list(goal_ids)}, len(frames) * len(goal_ids), timeout_s)

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embed frames; see `Transport.embed`."""
        body = self._post("/v1/embed", frames, {}, count_frames(frames) * _LONGEST_EMBEDDING, timeout_s)
        arrays, values = self._unpacked(body, "embeddings")
        return EmbedResult(arrays["embeddings"], values["fingerprint"])

    def embed_texts(self, texts: Sequence[str], timeout_s: float) -> TextResult:
        """Embed texts; see `Transport.embed_texts`."""
        check_texts_request(texts)
        content = json.dumps({"model": self.model, "texts": list(texts)}).encode()
        most_bytes = _LONGEST_TEXT + _NUMBER_CHARS * len(texts) * _LONGEST_EMBEDDING
        body = self._request("POST", "/v1/embed_texts", timeout_s, content, most_bytes, JSON)
        try:
            values = json.loads(body)
            embeddings = np.array(values["embeddings"], np.float32).reshape(len(texts), -1)
            words, unknown = (None if values[key] is None else tuple(values[key]) for key in ("words", "unknown"))
            return TextResult(embeddings, str(values["fingerprint"]), words, unknown)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._foreign(error) from error

    def describe(self, timeout_s: float) -> RewardDescription:
        """Ask for the model's description; see `Transport.describe`."""
        body = self._request("GET", "/v1/models/" + quote(self.model, safe=""), timeout_s)
        try:
            values = dict(json.loads(body))
            values.pop("name", None)
            return RewardDescription(**values)
        except (ValueError, TypeError, RecursionError) as error:  # ConfigError is a ValueError
            raise self._foreign(error) from error

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _score(
        self, frames: npt.NDArray[np.uint8], goals: dict[str, Any], scores: int, timeout_s: float
    ) -> ScoreResult:
        body = self._post("/v1/score", frames, goals, 2 * scores, timeout_s)
        arrays, values = self._unpacked(body, "scores")
        return ScoreResult(arrays["scores"], values["fingerprint"])

    def _post(
        self, path: str, frames: npt.NDArray[np.uint8], values: dict[str, Any], numbers: int, timeout_s: float
    ) -> bytes:
        content = pack({"frames": frames}, {"model": self.model, **values})
        return self._request("POST", path, timeout_s, content, _LONGEST_TEXT + _NUMBER_BYTES * numbers)

    def _unpacked(self, body: bytes, array: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        try:
            packed = unpack(body)
        except HttpError as error:
            raise self._foreign(error) from error
        if array not in packed.arrays or not isinstance(packed.values.get("fingerprint"), str):
            raise self._foreign(KeyError(array))
        return packed

    def _request(
        self,
        method: str,
        path: str,
        timeout_s: float,
        content: bytes | None = None,
        most_bytes: int = _LONGEST_TEXT,
        media_type: str = MEDIA_TYPE,
    ) -> bytes:
        deadline = time.monotonic() + timeout_s
        # Uncompressed: a compressed answer could become anything.
        headers = {
            "X-Timeout-S": f"{min(max(timeout_s, 0.001), _LONGEST_TIMEOUT_S):.3f}",
            "Accept-Encoding": "identity",
        }
        if content is not None:
            headers["Content-Type"] = media_type
        token = self._token or os.environ.get(self._token_variable)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            with self._connected().stream(
                method, self.base_url + path, content=content, headers=headers, timeout=timeout_s
            ) as response:
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > most_bytes:
                        raise self._foreign(ValueError(f"more than {most_bytes} bytes"))
                    # The library's timeout is one of silence: an answer that trickles in must end as well.
                    if time.monotonic() > deadline:
                        raise httpx2.ReadTimeout("the answer came too slowly")
        except httpx2.TimeoutException as error:
            raise RewardTimeoutError(
                f"no answer from {self.base_url} in {timeout_s:.3g} s ({type(error).__name__}); "
                "send fewer frames at a time, add replicas, or raise timeout_s"
            ) from error
        except httpx2.ConnectError as error:
            fix = self._on_the_way() or (
                "start it with `serve deploy serve_deployments/gateway.yaml`, or correct the address"
            )
            raise RewardServiceUnavailableError(
                f"no reward gateway answers at {self.base_url} ({_one_line(error)}); {fix}"
            ) from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise RewardServiceUnavailableError(
                f"the connection to {self.base_url} broke ({_one_line(error)}); "
                + (self._on_the_way() or "send the request again")
            ) from error
        if response.status_code == 200:
            return bytes(body)
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            values = None
        raise library_error(response.status_code, values, self._on_the_way())

    def _connected(self) -> httpx2.Client:
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
                    # No proxy leads to this machine, whatever the environment says of others.
                    self._client = httpx2.Client(limits=limits, trust_env=not _is_loopback(self._host))
                client = self._client
        return client

    def _on_the_way(self) -> str:
        """Name the proxy that the environment puts between, as the tail of an error message; empty without one."""
        if _is_loopback(self._host) or urllib.request.proxy_bypass(self._host):
            return ""
        proxies = urllib.request.getproxies()
        scheme = self.base_url.partition(":")[0]
        name = next((name for name in (scheme, "all") if proxies.get(name)), None)
        if name is None:
            return ""
        return (
            f"the environment's {name}_proxy sends it through {_without_password(proxies[name])}: unset that, or add "
            f"{self._host} to no_proxy, if the gateway is not behind it"
        )

    def _foreign(self, error: Exception) -> RewardServiceError:
        return RewardServiceError(
            f"{self.base_url} answered with something else than a reward ({_one_line(error)}); "
            "client and gateway are of different versions, update one of them"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "model": self.model,
            "token": self._token,
            "token_variable": self._token_variable,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        HttpTransport.__init__(self, **state)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
