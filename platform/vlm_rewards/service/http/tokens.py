"""Who may call."""

import hashlib
import hmac
import ipaddress
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vlm_rewards.errors import ConfigError
from vlm_rewards.service.http.errors import HttpError

logger = logging.getLogger("vlm_rewards.http")

TOKENS_VARIABLE = "VLM_REWARDS_TOKENS"
TOKEN_FILE_VARIABLE = "VLM_REWARDS_TOKEN_FILE"
_SHORTEST = 16
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class BearerTokens:
    """Checks bearer tokens; with none configured it lets callers on this machine in and nobody else."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        """Keep the tokens' hashes.

        Args:
            tokens: Any of which opens the door; each of at least 16 printable ASCII characters without spaces.

        Raises:
            ConfigError: A token that is too short, or that no header can carry.
        """
        tokens = tuple(tokens)
        for token in tokens:
            if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
                raise ConfigError(
                    f"a token has {len(token)} characters or some that no header carries; use {_SHORTEST} or more of "
                    "ASCII, such as `python -c 'import secrets; print(secrets.token_urlsafe())'` gives"
                )
        self._digests = [_digest(token) for token in tokens]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "BearerTokens":
        """Read VLM_REWARDS_TOKENS, separated by commas, or the file VLM_REWARDS_TOKEN_FILE, one a line.

        Raises:
            ConfigError: The file cannot be read, or a token is not usable.
        """
        environment = os.environ if environment is None else environment
        tokens = [token.strip() for token in environment.get(TOKENS_VARIABLE, "").split(",")]
        path = environment.get(TOKEN_FILE_VARIABLE)
        if path:
            try:
                tokens += [line.strip() for line in Path(path).read_text(encoding="ascii").splitlines()]
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"cannot read the tokens in {path} ({error}); correct {TOKEN_FILE_VARIABLE}"
                ) from error
        tokens = [token for token in tokens if token]
        if path and not tokens:
            raise ConfigError(f"{path} holds no token; write one a line, or unset {TOKEN_FILE_VARIABLE}")
        return cls(tokens)

    @property
    def configured(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._digests)

    def announce(self) -> None:
        """Say in the log who may call."""
        if self.configured:
            logger.info("the reward gateway asks for one of %d bearer tokens", len(self._digests))
        else:
            logger.warning(
                "the reward gateway asks for no token and so answers callers on this machine only; set %s or %s to "
                "open it to others",
                TOKENS_VARIABLE,
                TOKEN_FILE_VARIABLE,
            )

    def check(self, token: str | None, host: str | None, asked_for: Sequence[str] = ()) -> None:
        """Let a request pass.

        Args:
            token: As sent, without "Bearer"; None if none was.
            host: The caller's address; None if it is not known.
            asked_for: The request's `Host` headers. Without tokens they must name this machine: a page in a browser
                here can make its own name point here, and would else read and send what it likes.

        Raises:
            HttpError: 401.
        """
        if not self.configured:
            if not _is_loopback(host):
                raise HttpError(
                    "unauthorized",
                    "this gateway has no token configured and answers callers on its own machine only",
                    f"its operator should set {TOKENS_VARIABLE} or {TOKEN_FILE_VARIABLE}",
                    _CHALLENGE,
                )
            strange = next((name for name in asked_for if not _names_this_machine(name)), None)
            if strange is not None:
                raise HttpError(
                    "unauthorized",
                    f"this gateway has no token configured, and the request's Host is {strange[:100]!r}",
                    "call it as http://127.0.0.1:PORT or http://localhost:PORT, or have its operator set "
                    f"{TOKENS_VARIABLE}",
                    _CHALLENGE,
                )
            return
        if token is None:
            raise HttpError("unauthorized", "the request has no bearer token", headers=_CHALLENGE)
        given = _digest(token)
        known = False
        for digest in self._digests:  # all of them, so that the time taken does not tell which one it was
            known |= hmac.compare_digest(given, digest)
        if not known:
            raise HttpError(
                "unauthorized", "the bearer token is not valid", "ask the gateway's operator for one", _CHALLENGE
            )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _names_this_machine(host: str) -> bool:
    """Tell whether a `Host` header, with or without a port, is `localhost` or a loopback address."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(host: str | None) -> bool:
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
