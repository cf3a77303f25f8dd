"""Killing the only replica costs seconds, not data."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from vlm_rewards.service import HandleTransport, RewardClient


@pytest.mark.ray
@pytest.mark.parametrize(
    ("app", "model", "size"),
    [("reward_app", "reward_model", 32), ("reward_app", "reward_model", 400), ("pocket_app", "pocket_model", 48)],
    ids=["by value", "by reference", "checkpoint"],
)
def test_every_call_is_answered_right_while_the_only_replica_is_killed(request, make_request, app, model, size):
    transport = HandleTransport(request.getfixturevalue(app))
    client = RewardClient(transport)
    stream = [make_request(8, seed=seed, size=size) for seed in range(4)]
    expected = [request.getfixturevalue(model).score(*frames_and_goals) for frames_and_goals in stream]
    client.score(*stream[0])
    pid = transport.replica_info(timeout_s=10).pid
    client.pop_stats()

    killer = threading.Timer(0.1, os.kill, (pid, signal.SIGKILL))
    killed_at = None
    for call in range(200):
        if call == 50:
            killer.start()
        if call == 100 and killed_at is None:
            killer.join()  # whatever the speed, the second half comes after the kill
            killed_at = time.monotonic()
        result = client.score(*stream[call % 4])
        # Also after the restart: the new replica's rewards are the old one's, bit for bit.
        np.testing.assert_array_equal(result.scores, expected[call % 4])

    stats = client.pop_stats()
    assert stats.requests == len(stats.latencies_s) == 200
    assert stats.failures == 0
    assert transport.replica_info(timeout_s=10).pid != pid
    stall = max(stats.latencies_s)
    print(f"stall {stall:.2f} s, {stats.retries} retries, median {np.median(stats.latencies_s) * 1e3:.1f} ms")
    assert stall > 0.2
