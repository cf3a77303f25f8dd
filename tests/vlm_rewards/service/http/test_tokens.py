"""Who gets in."""

import logging

import pytest
from fastapi.testclient import TestClient

from tests.vlm_rewards.service.http.conftest import LIMITS
from tests.vlm_rewards.service.http.requests_for_tests import refused
from vlm_rewards.errors import ConfigError
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import BearerTokens, TransportBackend, create_app

TOKEN = "a-token-that-is-long-enough"


def test_with_tokens_only_their_bearers_get_in(reward_model, caplog):
    app = create_app(
        TransportBackend(lambda: {"six": InProcessTransport(reward_model)}),
        LIMITS,
        BearerTokens([TOKEN, "another-token-of-good-length"]),
    )
    with TestClient(app, client=("203.0.113.9", 1)) as http:
        for header in (None, "", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
            headers = {} if header is None else {"Authorization": header}
            for answer in (
                http.get("/v1/models", headers=headers),
                http.get("/v1/models/six", headers=headers),
                http.post("/v1/score", headers=headers, content=b"x"),
                http.post("/v1/embed", headers=headers, content=b"x"),
                # What there is not is not for them to know, either.
                http.get("/v1/models/a%0Ab", headers=headers),
                http.get("/v1/nothing", headers=headers),
                http.get("/v1/score", headers=headers),
            ):
                refused(answer, 401, "unauthorized")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in answer.text
        for token in (TOKEN, "another-token-of-good-length"):
            good = {"Authorization": f"Bearer {token}"}
            assert http.get("/v1/models", headers=good).status_code == 200
            assert http.get("/v1/models/a%0Ab", headers=good).status_code == 404
        assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("203.0.113.9", 401), ("", 401), ("name", 401)],
)
def test_without_tokens_only_this_machine_gets_in_and_the_log_says_so(app, host, status, caplog):
    caplog.set_level(logging.WARNING)
    with TestClient(app, client=(host, 1), base_url="http://127.0.0.1") as http:
        assert http.get("/v1/models").status_code == status
    assert "answers callers on this machine only" in caplog.text


HOSTS = {
    "127.0.0.1": 200,
    "127.0.0.1:8765": 200,
    "LOCALHOST:1": 200,
    "localhost.": 200,
    "gateway.localhost": 200,
    "[::1]": 200,
    "[::1]:8765": 200,
    "evil.example": 401,
    "evil.example:8765": 401,
    "127.0.0.1.evil.example": 401,
    "localhost.evil.example": 401,
    "0.0.0.0:8765": 401,
    "203.0.113.9": 401,
    "[2001:db8::1]": 401,
    "": 401,
}


@pytest.mark.parametrize("host", HOSTS)
def test_without_tokens_a_page_that_calls_itself_by_another_name_gets_nothing(app, host):
    """DNS rebinding: a page in a browser here, whose own name its server has made point here."""
    with TestClient(app, client=("127.0.0.1", 1)) as http:
        for path in ("/v1/models", "/v1/models/six"):
            answer = http.get(path, headers={"Host": host})
            assert answer.status_code == HOSTS[host]
            if HOSTS[host] != 200:
                refused(answer, 401, "unauthorized", "127.0.0.1")


def test_with_tokens_any_name_will_do(reward_model):
    app = create_app(TransportBackend(lambda: {"six": InProcessTransport(reward_model)}), LIMITS, BearerTokens([TOKEN]))
    headers = {"Host": "rewards.example", "Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, client=("203.0.113.9", 1)) as http:
        assert http.get("/v1/models", headers=headers).status_code == 200


def test_tokens_come_from_the_environment_or_a_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\nsecond-token-of-good-length\n")
    tokens = BearerTokens.from_environment({"VLM_REWARDS_TOKEN_FILE": str(path), "VLM_REWARDS_TOKENS": "t" * 20})
    for token in (TOKEN, "second-token-of-good-length", "t" * 20):
        tokens.check(token, "203.0.113.9")
    assert not BearerTokens.from_environment({}).configured
    path.write_text("\n")
    for wrong in (
        {"VLM_REWARDS_TOKENS": "short"},
        {"VLM_REWARDS_TOKENS": "twenty letters and blanks"},
        {"VLM_REWARDS_TOKEN_FILE": str(tmp_path / "none")},
        {"VLM_REWARDS_TOKEN_FILE": str(path)},
    ):
        with pytest.raises(ConfigError) as raised:
            BearerTokens.from_environment(wrong)
        assert "short" not in str(raised.value)
