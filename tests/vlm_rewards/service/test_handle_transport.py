"""What a Serve handle's transport does when the service is slow, full, gone or dying."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
from ray import serve
from ray.serve._private.handle_options import DynamicHandleOptions
from ray.serve.handle import DeploymentHandle

from vlm_rewards.errors import (
    RewardOverloadedError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
)
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import RewardAppArgs
from vlm_rewards.service.transports import handle
from vlm_rewards.service.transports.controller import Pace, Shared


@pytest.fixture(scope="module")
def small_app(ray_session, reward_config, task_set):
    """An application with room for two running and two waiting requests."""
    args = RewardAppArgs(
        reward=reward_config, task_set=task_set, num_cpus=0.1, max_batch_frames=1, max_queued_requests=2
    )
    deploy(args, "small")
    return HandleTransport("small")


@pytest.fixture
def stopped_replica(small_app):
    """The only replica hangs until the returned function is called."""
    pid = small_app.replica_info(timeout_s=10).pid
    os.kill(pid, signal.SIGSTOP)
    yield lambda: os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)
    RewardClient(small_app).describe()


def test_an_unknown_application_is_one_line_with_a_fix_at_once(ray_session, reward_app, make_request):
    start = time.monotonic()
    with pytest.raises(RewardServiceUnavailableError, match=r"'nowhere' is not running.*serve deploy") as raised:
        RewardClient(HandleTransport("nowhere")).score(*make_request(1))
    assert time.monotonic() - start < 2
    assert "\n" not in str(raised.value)


def test_without_ray_it_says_so_and_starts_none():
    code = """
import ray
from vlm_rewards.service import HandleTransport, RewardClient
try:
    RewardClient(HandleTransport()).describe()
except Exception as error:
    print(type(error).__name__, error, ray.is_initialized())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("RewardServiceUnavailableError Ray is not running in this process; call ray.init()")
    assert done.stdout.strip().endswith("False")


def test_large_requests_go_by_reference_though_serve_be_told_to_send_all_by_grpc(monkeypatch):
    """As RAY_SERVE_THROUGHPUT_OPTIMIZED does: its port takes 4 MiB, and its router no caller without an event loop."""
    by_grpc = DynamicHandleOptions(_by_reference=False)
    asked = []
    monkeypatch.setattr(
        "ray.serve.handle.create_init_handle_options", lambda **options: asked.append(options) or Mock()
    )
    serves = DeploymentHandle("RewardDeployment", "fast", handle_options=by_grpc, _create_router=Mock())
    methods = handle.methods_of(serves)
    for (name, by_reference), method in methods.items():
        assert (method.handle_options.method_name, method.handle_options._by_reference) == (name, by_reference)
    assert asked == [{"_run_router_in_separate_loop": True}]
    assert len({id(method._router) for method in methods.values()}) == 1


def test_a_client_works_in_another_process(ray_session, reward_app, reward_model, make_request):
    frames, goal_ids = make_request(4)

    @ray_session.remote(num_cpus=0.1)
    def score(client):
        return client.score(frames, goal_ids)

    result = ray_session.get(score.remote(RewardClient(HandleTransport(reward_app))), timeout=60)
    np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))


def test_a_hanging_replica_times_out_within_the_deadline(small_app, stopped_replica, make_request):
    start = time.monotonic()
    with pytest.raises(RewardTimeoutError, match=r"no answer from reward application 'small' in 0\.\d+ s"):
        RewardClient(small_app, timeout_s=0.5, deadline_s=2.0).score(*make_request(1))
    assert time.monotonic() - start < 4.5  # the deadline, and the controller's word on what is wrong


def test_a_replica_that_comes_back_answers_the_retry(small_app, stopped_replica, reward_model, make_request):
    frames, goal_ids = make_request(1)
    threading.Timer(1.5, stopped_replica).start()
    client = RewardClient(small_app, timeout_s=0.5, deadline_s=20)
    np.testing.assert_array_equal(client.score(frames, goal_ids).scores, reward_model.score(frames, goal_ids))
    assert client.stats.retries >= 1


def test_a_full_queue_is_refused_and_a_patient_client_gets_through(small_app, stopped_replica, make_request):
    request = make_request(1)

    def impatient(_):
        with pytest.raises((RewardOverloadedError, RewardTimeoutError)) as raised:
            RewardClient(small_app, timeout_s=1.0, max_retries=0).score(*request)
        return type(raised.value)

    with ThreadPoolExecutor(12) as pool:
        errors = list(pool.map(impatient, range(12)))
        assert errors.count(RewardOverloadedError) >= 4
        threading.Timer(0.5, stopped_replica).start()
        answers = list(pool.map(lambda _: RewardClient(small_app).score(*request), range(12)))
    assert len({answer.scores.tobytes() for answer in answers}) == 1


def test_a_deleted_application_is_reported_and_its_successor_is_found(
    ray_session, reward_config, task_set, make_request, monkeypatch
):
    # The outages of other tests have made this process ask the controller less often.
    monkeypatch.setattr(handle, "_STATUS", Shared(serve.status, Pace()))
    args = RewardAppArgs(reward=reward_config, task_set=task_set, num_cpus=0.1)
    deploy(args, "short-lived")
    client = RewardClient(HandleTransport("short-lived"), deadline_s=2.0)
    before = client.score(*make_request(4)).scores
    serve.delete("short-lived")
    start = time.monotonic()
    with pytest.raises(RewardServiceUnavailableError, match="'short-lived' is not running"):
        client.score(*make_request(4))
    assert time.monotonic() - start < 4.5  # the deadline, and the controller's word on what is wrong
    deploy(args, "short-lived")
    np.testing.assert_array_equal(client.score(*make_request(4)).scores, before)
    serve.delete("short-lived", _blocking=False)
