"""The gateway's application over the real reward model, in this process."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.vlm_rewards.service.http.requests_for_tests import image_text
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import HttpLimits, TransportBackend, create_app

LIMITS = HttpLimits(
    max_body_bytes=2 * 2**20, max_images=64, max_pixels=2**18, max_pixels_per_image=2**17, max_goals=50, max_scores=500
)


@pytest.fixture(scope="module")
def app(reward_model):
    transports = {"six": InProcessTransport(reward_model)}
    return create_app(TransportBackend(lambda: transports), LIMITS)


@pytest.fixture(scope="module")
def http(app):
    """A client on this machine, as the application sees it. Exceptions of the application are the test's."""
    with TestClient(app, client=("127.0.0.1", 5000), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(3).integers(0, 256, (5, 32, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def still_serves(http, reward_model, frames):
    """Returns a check that the next caller gets the right answer."""

    def check():
        body = {"model": "six", "images": [image_text(frames[0])], "goals": ["app1"]}
        answer = http.post("/v1/score", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["scores"] == reward_model.score_all(frames[:1], ["app1"]).tolist()

    return check
