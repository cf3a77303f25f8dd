"""The playground's own paths, over a socket, and who may use them."""

import base64
import json
import signal
import urllib.error
import urllib.request

import pytest

from tests.vlm_rewards.playground.conftest import ENV_ID
from vlm_rewards.errors import ConfigError
from vlm_rewards.playground.models import sources
from vlm_rewards.playground.server import Playground, serve_until_stopped
from vlm_rewards.reward_preset import packaged_rewards


def call(url, body=None, **headers):
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_an_episode_is_opened_stepped_and_scored_by_the_gateways_own_api(served):
    status, listed = call(f"{served.url}/environments")
    assert status == 200
    assert [env["id"] for env in listed["environments"]] == [ENV_ID]
    _, opened = call(f"{served.url}/environments/open", {"environment": ENV_ID, "goal": "lit"})
    _, state = call(f"{served.url}/environments/step", {"session": opened["session"], "action": 2})
    assert base64.b64decode(state["frame"]).startswith(b"\x89PNG")
    body = {"model": "lamp-model", "images": [opened["frame"], state["frame"]], "goals": ["lit"]}
    _, scored = call(served.url.replace("/playground", "/v1/score"), body)
    assert scored["rewards"] == [[0], [1]]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("open", {"environment": "nowhere"}, {}, 422, "invalid_argument"),
        ("open", {"environment": "nowhere", "seed": 3}, {}, 422, "invalid_request"),
        ("open", b"{", {}, 400, "invalid_body"),
        ("open", b" " * 5000, {}, 413, "too_large"),
        ("step", {"session": "none", "action": "up"}, {}, 422, "invalid_request"),
        ("step", {"session": "none"}, {}, 422, "invalid_argument"),
        # What a page from elsewhere can send without asking, and what it can make a name of its own mean.
        ("step", {"session": "none"}, {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ("step", {"session": "none"}, {"Host": "elsewhere.example"}, 401, "unauthorized"),
    ],
)
def test_bad_requests_are_refused_as_the_gateway_does(served, path, body, headers, status, code):
    got, answer = call(f"{served.url}/environments/{path}", body, **headers)
    assert (got, answer["error"]["code"]) == (status, code)
    assert answer["error"]["fix"]


def test_it_ends_at_a_signal_and_gives_the_port_back(lamp_model):
    playground = Playground({"lamp-model": lamp_model}, [])
    told = []

    def ready(url):
        told.append(url)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    serve_until_stopped(playground, ready)
    assert told == [playground.url]
    assert signal.getsignal(signal.SIGINT) is before
    port = int(playground.url.split(":")[2].split("/")[0])
    Playground({"lamp-model": lamp_model}, [], port)._server.close()


def test_a_port_that_is_taken_is_said(served, lamp_model):
    port = int(served.url.split(":")[2].split("/")[0])
    with pytest.raises(ConfigError, match="choose another port"):
        Playground({"lamp-model": lamp_model}, [], port)


def test_all_packaged_rewards_are_served_unless_others_are_named():
    assert list(sources([], [])) == list(packaged_rewards())
    assert list(sources(["reward-pocket"], [])) == ["reward-pocket"]
    with pytest.raises(ConfigError, match="did you mean 'reward-pocket'"):
        sources(["reward-poket"], [])


def test_a_preset_is_served_under_its_files_name(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("task_set: open_common_apps\nreward: {model: fake, template: A, tau: 0.1, beta: 0.5}\n")
    (found,) = sources([], [path]).items()
    assert found[0] == "mine"
    assert found[1].reward.model == "fake"
    assert found[1].task_set.name == "open_common_apps"
