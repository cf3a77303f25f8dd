"""What the OpenAPI document promises, tried out by Schemathesis: every answer is one that it describes.

VLM_REWARDS_FUZZ makes it more cases, and VLM_REWARDS_FUZZ_MODEL scores by a real model, such as pocket-xs.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.vlm_rewards.service.http.conftest import LIMITS
from tests.vlm_rewards.service.http.requests_for_tests import FUZZ
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import BearerTokens, TransportBackend, create_app
from vlm_rewards.service.http.messages import EXAMPLE_IMAGE
from vlm_rewards.service.http.wire import MEDIA_TYPE

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

TOKEN = "a-token-for-the-schema-tests"
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.allow_header_conformance,
    checks.missing_required_header,
    checks.negative_data_rejection,
]
SETTINGS = settings(
    max_examples=60 * FUZZ,
    deadline=None,
    derandomize=FUZZ == 1,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer(MEDIA_TYPE)
def send_bytes(context, value):
    """Bodies of the binary form are sent as they are generated: bytes that are no tensors."""
    return value if isinstance(value, bytes) else str(value).encode()


def operations(path=""):
    """The document's operations whose path begins so."""
    goals = tuple(Goal(id=f"app{i}", subject=f"App {i}", instruction=f"open App {i}") for i in range(6))
    name = os.environ.get("VLM_REWARDS_FUZZ_MODEL", "fake")
    model = RewardModel(RewardConfig(model=name, tau=0.1, beta=0.5), TaskSet(name="six", version=1, goals=goals))
    backend = TransportBackend(lambda: {"six": InProcessTransport(model)})
    document = schemathesis.openapi.from_asgi("/openapi.json", create_app(backend, LIMITS, BearerTokens([TOKEN])))
    found = [result.ok() for result in document.get_all_operations()]
    return [pytest.param(each, id=each.label) for each in found if each.path.startswith(path)]


def is_positive(text):
    """Whether a header is one that the gateway takes."""
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def try_out(operation, run_settings, headers, changed=lambda case: case, mode="positive"):
    """Sends requests that fit the document, or that do not, and checks each answer; returns the statuses that came."""
    statuses = set()
    mode = schemathesis.GenerationMode(mode)

    @run_settings
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        case = changed(case)
        if "X-Timeout-S" in (case.headers or {}) and is_positive(case.headers["X-Timeout-S"]):
            case.headers["X-Timeout-S"] = "20"  # who asks for an answer in a microsecond rightly gets a 504
        response = case.call(headers=headers)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS, headers=headers)
        statuses.add(response.status_code)

    run()
    return statuses


@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_one_that_the_document_describes(operation):
    try_out(operation, SETTINGS, {"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize("operation", [*operations("/v1/score"), *operations("/v1/embed")])
def test_requests_that_the_document_forbids_are_refused_as_it_says(operation):
    statuses = try_out(operation, SETTINGS, {"Authorization": f"Bearer {TOKEN}"}, mode="negative")
    assert 200 not in statuses
    assert len(statuses) > 1


@pytest.mark.parametrize("operation", operations("/v1"))
def test_without_a_token_every_answer_is_401(operation):
    assert try_out(operation, settings(SETTINGS, max_examples=10), {}) == {401}


@pytest.mark.parametrize("operation", [*operations("/v1/score"), *operations("/v1/embed")])
def test_requests_that_are_nearly_right_get_described_answers_too(operation):
    """Generated texts are hardly ever images or models: here they are, and the rest varies."""

    def repaired(case):
        if isinstance(case.body, dict):
            case.body["model"] = "six"
            images = case.body.get("images")
            if isinstance(images, list):
                images = case.body["images"] = [EXAMPLE_IMAGE] * max(1, min(len(images), 5))
            for key in ("goals", "goal_per_image"):
                if isinstance(case.body.get(key), list) and len(case.body[key]) % 2:
                    case.body[key] = ["app1"] * len(images or ())
        return case

    assert {200, 422} <= try_out(operation, SETTINGS, {"Authorization": f"Bearer {TOKEN}"}, repaired)
