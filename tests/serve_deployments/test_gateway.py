"""The gateway on a real Serve: its proxy, its replica, and reward applications that come and go behind it."""

import base64
import importlib
import io
import json
import socket
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
import yaml
from PIL import Image
from ray import serve
from ray.serve.schema import ServeDeploySchema

from serve_deployments import gateway
from serve_deployments.gateway import GatewayArgs
from vlm_rewards.errors import ConfigError, RewardServiceUnavailableError, RewardTimeoutError
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HandleTransport, HttpTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.http.messages import EXAMPLE_IMAGE
from vlm_rewards.service.http.wire import MEDIA_TYPE
from vlm_rewards.service.serving import RewardAppArgs

DEPLOYMENTS = Path(__file__).resolve().parents[2] / "serve_deployments"
GATEWAY_YAML, POCKET_YAML = DEPLOYMENTS / "gateway.yaml", DEPLOYMENTS / "pocket.yaml"
TASK_SET = TaskSet(
    name="four", version=1, goals=tuple(Goal(id=f"g{i}", subject=f"S{i}", instruction=f"go {i}") for i in range(4))
)
REWARD = RewardConfig(model="fake", tau=0.1, beta=0.5)
FRAMES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
GOALS = ["g0", "g1", "g2", "g3"]


@pytest.fixture(scope="module")
def url(ray_session):
    args = yaml.safe_load(GATEWAY_YAML.read_text())["applications"][0]["args"]
    yield gateway.deploy(GatewayArgs(**args, refresh_s=0.2))
    serve.delete("gateway", _blocking=False)


@pytest.fixture(scope="module")
def app(url):
    deploy(RewardAppArgs(reward=REWARD, task_set=TASK_SET, num_cpus=0.1), "behind-http")
    yield "behind-http"
    serve.delete("behind-http", _blocking=False)


def test_a_client_over_http_gets_what_one_on_the_cluster_gets(url, app):
    over_http, by_handle = RewardClient(HttpTransport(url, app)), RewardClient(HandleTransport(app))
    for call in (
        lambda client: client.score(FRAMES, GOALS).scores,
        lambda client: client.score_all(FRAMES, GOALS[:2]).scores,
        lambda client: client.embed(FRAMES).embeddings,
    ):
        np.testing.assert_array_equal(call(over_http), call(by_handle))
    assert over_http.describe() == by_handle.describe()
    texts = [transport.embed_texts(["a red ball"], 20) for transport in (HttpTransport(url, app), HandleTransport(app))]
    np.testing.assert_array_equal(texts[0].embeddings, texts[1].embeddings)
    large = np.random.default_rng(1).integers(0, 256, (64, 224, 224, 3), dtype=np.uint8)  # 9.6 MB
    np.testing.assert_array_equal(
        over_http.score(large, ["g1"] * 64).scores, RewardModel(REWARD, TASK_SET).score(large, ["g1"] * 64)
    )


def test_the_pages_that_a_ray_services_probes_ask_for_answer(url, app):
    """KubeRay counts a node in when `/-/healthz` of Serve's proxy says success; all else is the gateway's own."""
    health = httpx2.get(f"{url}/-/healthz", timeout=20)
    assert (health.status_code, health.text) == (200, "success")
    assert httpx2.get(f"{url}/-/routes", timeout=20).json()["/"] == "gateway"
    assert httpx2.get(f"{url}/healthz", timeout=20).json() == {"status": "ok"}
    assert httpx2.get(f"{url}/readyz", timeout=20).status_code == 200
    page = httpx2.get(f"{url}/playground", timeout=20)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_anything_that_speaks_http_and_json_gets_rewards(url, app):
    file = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(file, "PNG")
    body = {"model": app, "images": [base64.b64encode(file.getvalue()).decode()], "goals": GOALS}
    answer = httpx2.post(f"{url}/v1/score", json=body, headers={"X-Request-ID": "my-request"}, timeout=20)
    assert answer.status_code == 200, answer.text
    model = RewardModel(REWARD, TASK_SET)
    np.testing.assert_array_equal(np.float32(answer.json()["scores"]), model.score_all(FRAMES[:1], GOALS))
    assert answer.headers["X-Reward-Fingerprint"] == answer.json()["fingerprint"] == model.fingerprint
    assert answer.headers.get_list("X-Request-ID") == ["my-request"]
    listed = {info["name"]: info for info in httpx2.get(f"{url}/v1/models", timeout=20).json()["models"]}
    assert listed[app]["fingerprint"] == model.fingerprint
    assert listed[app]["goal_ids"] == GOALS
    assert tuple(listed[app]["image_size"]) == model.encoder.image_size
    assert httpx2.get(f"{url}/docs", timeout=20).status_code == 200


def test_only_reward_applications_are_reachable(url, app):
    for name in ("gateway", "no-such-app"):
        with pytest.raises(RewardServiceUnavailableError, match="no model"):
            RewardClient(HttpTransport(url, name)).score(FRAMES, GOALS)
    assert "gateway" not in gateway.running_rewards()
    assert app in gateway.running_rewards()


def test_models_that_are_deployed_or_deleted_appear_and_go(url, app):
    def names():
        return [info["name"] for info in httpx2.get(f"{url}/v1/models", timeout=20).json()["models"]]

    def wait_until(condition):
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert condition()

    deploy(RewardAppArgs(reward=REWARD, task_set=TASK_SET, num_cpus=0.1), "late")
    wait_until(lambda: "late" in names())
    client = RewardClient(HttpTransport(url, "late"), deadline_s=1.5)
    assert client.score(FRAMES, GOALS)
    serve.delete("late")
    wait_until(lambda: "late" not in names())
    # What a client has reached once may be back in a moment: it tries, and then says so. Its last attempt has what is
    # left of the deadline, which may be too short for any answer.
    with pytest.raises((RewardServiceUnavailableError, RewardTimeoutError), match="gave up"):
        client.score(FRAMES, GOALS)


def test_a_killed_replica_costs_a_client_over_http_nothing_but_time(url, app):
    import os
    import signal

    client = RewardClient(HttpTransport(url, app))
    before = client.score(FRAMES, GOALS)
    os.kill(HandleTransport(app).replica_info(timeout_s=10).pid, signal.SIGKILL)
    after = client.score(FRAMES, GOALS)
    np.testing.assert_array_equal(after.scores, before.scores)
    assert after.fingerprint == before.fingerprint


def test_bad_requests_through_serves_proxy_are_typed_and_harmless(url, app):
    client = RewardClient(HttpTransport(url, app))
    for content, media_type, status in (
        (b"{", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"\xff" * 100, MEDIA_TYPE, 400),
        (json.dumps({"model": "none", "images": ["AAAA"], "goals": ["g0"]}).encode(), "application/json", 422),
    ):
        answer = httpx2.post(f"{url}/v1/score", content=content, headers={"Content-Type": media_type}, timeout=20)
        assert answer.status_code == status, answer.text
        assert set(answer.json()["error"]) == {"code", "message", "fix"}
    with pytest.raises(ConfigError, match="unknown goal"):
        client.score(FRAMES, ["g9"] * 4)
    assert client.score(FRAMES, GOALS)


def test_a_requests_id_is_in_the_logs_of_gateway_and_replica(url, app, ray_session):
    body = {"model": app, "images": [EXAMPLE_IMAGE], "goals": ["g9"]}
    answer = httpx2.post(f"{url}/v1/score", json=body, headers={"X-Request-ID": "find-me-7"}, timeout=20)
    assert answer.status_code == 422
    logs = Path(ray_session._private.worker._global_node.get_session_dir_path()) / "logs" / "serve"

    def found(pattern, what):
        lines = [line for path in logs.glob(pattern) for line in path.read_text().splitlines()]
        return any('"request_id": "find-me-7"' in line and what in line for line in lines)

    deadline = time.monotonic() + 20
    for pattern, what in (("replica_gateway*", '"code": "invalid_argument"'), (f"replica_{app}*", "unknown goal 'g9'")):
        while not found(pattern, what) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found(pattern, what)


def test_a_gigabyte_through_serves_proxy_is_refused_on_the_way(url, app):
    host, port = url.removeprefix("http://").split(":")
    piece = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    sent = 0
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 2**30:
                connection.sendall(piece)
                sent += 2**16
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 2**30
    assert RewardClient(HttpTransport(url, app)).score(FRAMES, GOALS)


def test_tokens_of_the_replicas_environment_are_asked_for(ray_session, app):
    """As on a cluster whose nodes have the variable set."""
    token = "a-token-for-this-test-only"
    application = gateway.build_app(GatewayArgs(num_cpus=0.1))
    deployment = application._bound_deployment
    options = {"num_cpus": 0.1, "runtime_env": {"env_vars": {"VLM_REWARDS_TOKENS": token}}}
    guarded = deployment.options(ray_actor_options=options).bind(GatewayArgs(num_cpus=0.1))
    serve.run(guarded, name="guarded", route_prefix="/guarded")
    url = gateway.proxy_address() + "/guarded"
    assert RewardClient(HttpTransport(url, app, token)).score(FRAMES, GOALS)
    for wrong in (None, "another-token-of-good-length"):
        with pytest.raises(ConfigError, match="token"):
            RewardClient(HttpTransport(url, app, wrong)).score(FRAMES, GOALS)
    serve.delete("guarded", _blocking=False)


def test_without_ray_deploying_says_so(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=r"ray\.init"):
        gateway.deploy(GatewayArgs())


def test_the_yaml_listens_on_this_machine_alone_and_serves_the_pocket_model():
    """Its gateway is the one of these tests; its reward is that of pocket.yaml, whose test deploys it."""
    schema = ServeDeploySchema.model_validate(yaml.safe_load(GATEWAY_YAML.read_text()))
    assert schema.http_options.host == "127.0.0.1"
    assert not 10002 <= schema.http_options.port <= 19999
    assert schema.proxy_location == "HeadOnly"
    front, model = schema.applications
    module, _, name = front.import_path.partition(":")
    assert getattr(importlib.import_module(module), name) is gateway.app_builder
    assert front.route_prefix == "/"
    pocket = ServeDeploySchema.model_validate(yaml.safe_load(POCKET_YAML.read_text())).applications[0]
    assert (model.name, model.import_path) == (pocket.name, pocket.import_path)
    ours, theirs = RewardAppArgs(**model.args), RewardAppArgs(**pocket.args)
    assert (ours.reward, ours.loaded_task_set()) == (theirs.reward, theirs.loaded_task_set())
