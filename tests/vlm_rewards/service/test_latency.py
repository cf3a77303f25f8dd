"""What a call to the service costs beside a call to a bare Ray actor that holds the same model."""

import time

import numpy as np
import pytest

from vlm_rewards.service import HandleTransport, RewardClient


@pytest.fixture
def raw_actor(ray_session, reward_model):
    @ray_session.remote(num_cpus=0.1)
    class RawActor:
        def __init__(self, model):
            self.model = model

        def score(self, frames, goal_ids):
            return self.model.score(frames, goal_ids)

    actor = RawActor.remote(reward_model)
    yield lambda *request: ray_session.get(actor.score.remote(*request))
    ray_session.kill(actor)


def test_a_call_costs_no_more_than_half_as_much_again_as_a_raw_actors(reward_app, raw_actor, make_request):
    client = RewardClient(HandleTransport(reward_app))
    medians = {}
    for frames in (8, 16):
        request = make_request(frames, size=64)
        times = {client.score: [], raw_actor: []}
        for _ in range(150):
            # In turns, so that whatever else the machine does burdens both.
            for call, seconds in times.items():
                start = time.perf_counter()
                call(*request)
                seconds.append(time.perf_counter() - start)
        medians[frames] = [float(np.median(seconds[20:])) for seconds in times.values()]
        print(f"{frames} x 64 x 64 x 3: service {medians[frames][0] * 1e3:.2f} ms, ", end="")
        print(f"raw actor {medians[frames][1] * 1e3:.2f} ms")
    assert medians[16][0] <= 1.5 * medians[16][1]
