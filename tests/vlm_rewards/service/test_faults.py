"""Killed replicas, too much load, and requests that no service should get: short forms of the benchmark's scenarios."""

import time

import numpy as np
import pytest
from ray import serve

from benchmarks.apps import emulated_args, request, running_replicas
from benchmarks.faults import kill_replicas, overload, redeployment
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.schema import MAX_REQUEST_BYTES, MAX_REQUEST_GOALS
from vlm_rewards.service.serving import ReplicaLimits

FRAME = np.zeros((1, 8, 8, 3), np.uint8)
HUGE = np.zeros((MAX_REQUEST_BYTES // 3_000_000 + 1, 1000, 1000, 3), np.uint8)


@pytest.fixture(scope="module")
def accelerators(ray_session):
    """Two emulated accelerators of 160 frames a second each; returns their application's name and arguments."""
    args = emulated_args(max_batch_frames=16, max_wait_s=1.0, replicas=ReplicaLimits(minimum=2, maximum=2))
    deploy(args, "faults", encoder=FakeEncoder(seconds_per_batch=0.1))
    yield "faults", args
    serve.delete("faults", _blocking=False)


def test_a_callers_frames_all_meet_one_replica(accelerators):
    transport = HandleTransport(accelerators[0])

    def scored():
        found = {}
        while len(found) < 2:  # one that is asked about itself is any
            info = transport.replica_info(timeout_s=10)
            found[info.pid] = info.frames
        return found

    before = scored()
    client = RewardClient(transport)
    for seed in range(6):
        client.score(*request(2, seed=seed))
    after = scored()
    assert sorted(after[pid] - before[pid] for pid in after) == [0, 12]


def test_killed_replicas_and_a_redeployment_lose_nothing_and_answer_nothing_wrong(accelerators):
    name, args = accelerators
    redeploy = redeployment(name, args.model_copy(update={"batch_wait_s": 0.001}), FakeEncoder(seconds_per_batch=0.1))
    found = kill_replicas(HandleTransport(name), seconds=6, every_s=2, callers=3, redeploy=redeploy)
    assert found.kills >= 2
    assert found.answered > 20
    assert (found.lost, found.wrong) == (0, 0), found.errors


def test_ten_times_the_load_is_answered_or_refused_by_name_and_ends_with_its_callers(ray_session):
    args = emulated_args(max_batch_frames=16, max_wait_s=1.0, max_waiting_mb=16)
    deploy(args, "overloaded", encoder=FakeEncoder(seconds_per_batch=0.1))
    found = overload(HandleTransport("overloaded"), frames_per_second=1600, seconds=3)
    serve.delete("overloaded", _blocking=False)
    assert found.untyped == 0
    assert set(found.refused) == {"RewardOverloadedError"}
    assert found.answered > 10
    assert found.answered + sum(found.refused.values()) == found.sent
    assert found.grown_mb < 300
    assert found.recovery_s < 20


@pytest.mark.parametrize(
    ("method", "arguments", "error", "says"),
    [
        (
            "score_all",
            (FRAME, ["g0"] * 10_000),
            ConfigError,
            f"limit is {MAX_REQUEST_GOALS}",
        ),
        ("score_all", (FRAME, [f"x{i}" for i in range(100)]), ConfigError, "unknown goal"),
        ("score_all", (FRAME, ["g0", ""]), ConfigError, "unknown goal ''"),
        ("score", (FRAME, ["g" * 1_000_000]), ConfigError, "1000000 characters"),
        ("score", (np.full((1, 8, 8, 3), np.nan, np.float32), ["g0"]), InvalidFrameError, "uint8"),
        ("score", (FRAME, [None]), ConfigError, "list of strings"),
        ("score", (None, ["g0"]), InvalidFrameError, "NoneType"),
        ("embed", (np.zeros((1, 0, 8, 3), np.uint8),), InvalidFrameError, "shape"),
        ("embed", (np.array([[None]]),), InvalidFrameError, "object"),
        (
            "embed",
            (HUGE,),
            InvalidFrameError,
            "limit",
        ),
    ],
    ids=["many goals", "unknown", "empty", "1 MB goal", "nan", "no goal", "no frames", "no rows", "objects", "huge"],
)
def test_what_no_service_should_get_is_refused_and_the_next_caller_served(accelerators, method, arguments, error, says):
    """Past the client and its checks, straight at the replica."""
    name, _ = accelerators
    transport = HandleTransport(name)
    with pytest.raises(error, match=says) as raised:
        getattr(transport, method)(*arguments, timeout_s=60)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000
    assert RewardClient(transport).score(*request(2)).scores.shape == (2,)


@pytest.mark.parametrize("shape", [(1, 1), (20_000, 1), (1, 20_000)])
def test_frames_of_an_odd_shape_are_scored(accelerators, shape):
    frames = np.zeros((2, *shape, 3), np.uint8)
    assert RewardClient(HandleTransport(accelerators[0])).score(frames, ["g0", "g1"]).scores.shape == (2,)


def test_more_frames_waiting_bring_more_replicas(ray_session):
    args = emulated_args(
        max_batch_frames=16, max_wait_s=60, replicas=ReplicaLimits(minimum=1, maximum=2, downscale_delay_s=600)
    )
    deploy(args, "growing", encoder=FakeEncoder(seconds_per_batch=0.2))
    client = RewardClient(HandleTransport("growing"), timeout_s=60, deadline_s=120)
    assert running_replicas("growing") == 1
    deadline = time.monotonic() + 60
    while running_replicas("growing") < 2 and time.monotonic() < deadline:
        client.score(*request(160))  # one request: counted by requests, there would be no reason to grow
    assert running_replicas("growing") == 2
    serve.delete("growing", _blocking=False)
