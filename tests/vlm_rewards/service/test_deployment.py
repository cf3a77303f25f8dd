"""What a replica does with many callers, bad requests, changes and failures."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.vlm_rewards.service.encoders_for_tests import CRASH, NAN, SLEEP, CueEncoder
from vlm_rewards.errors import ConfigError, InvalidFrameError, NonFiniteRewardError, RewardServiceError
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import RewardAppArgs


@pytest.fixture(scope="module")
def slow_app(ray_session, reward_config, task_set):
    """An application whose every encoder call takes 50 ms; frames can be marked to make it fail."""
    args = RewardAppArgs(reward=reward_config, task_set=task_set, num_cpus=0.1, max_batch_frames=64)
    deploy(args, "slow", encoder=CueEncoder(seconds_per_batch=0.05))
    return HandleTransport("slow")


def calm(frames):
    """Makes sure that no frame is marked by accident."""
    frames[:, 0, 0, 0] = 0
    return frames


def test_requests_that_arrive_during_a_forward_share_the_next_one(slow_app, reward_model, make_request):
    before = slow_app.replica_info(timeout_s=10)

    def caller(seed):
        frames, goal_ids = make_request(4, seed=seed)
        for _ in range(5):
            result = RewardClient(slow_app).score(calm(frames), goal_ids)
            np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(caller, range(8)))
    after = slow_app.replica_info(timeout_s=10)
    assert after.frames - before.frames == 8 * 5 * 4
    # One after the other, 40 requests would be 40 batches.
    assert after.batches - before.batches <= 25


def test_a_batch_holds_no_more_frames_than_allowed(slow_app, make_request):
    before = slow_app.replica_info(timeout_s=10)
    frames, goal_ids = make_request(129)
    RewardClient(slow_app).score(calm(frames), goal_ids)
    assert slow_app.replica_info(timeout_s=10).batches - before.batches == 3


def test_bad_requests_fail_alone(slow_app, reward_model, make_request):
    """Wrong dtype, wrong goal, NaN and a crash arrive while good requests wait for the same batch."""

    def good(seed):
        frames, goal_ids = make_request(3, seed=seed)
        result = slow_app.score(calm(frames), goal_ids, timeout_s=20)
        return np.array_equal(result.scores, reward_model.score(frames, goal_ids))

    def bad(seed):
        frames, goal_ids = make_request(3, seed=seed)
        calm(frames)
        kind = seed % 4
        if kind == 0:
            frames = frames.astype(np.float32)
        elif kind == 1:
            goal_ids[1] = "nowhere"
        else:
            frames[1, 0, 0, 0] = NAN if kind == 2 else CRASH
        with pytest.raises((InvalidFrameError, ConfigError, NonFiniteRewardError, RewardServiceError)[kind]) as raised:
            slow_app.score(frames, goal_ids, timeout_s=20)
        assert "\n" not in str(raised.value)
        return True

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(bad if index % 2 else good, index // 2) for index in range(32)]
        assert all(future.result() for future in futures)


def test_it_answers_questions_during_a_long_forward(slow_app, make_request):
    """Health checks must not wait for a forward, or a slow model would be killed as unhealthy."""
    frames, goal_ids = make_request(1)
    frames[0, 0, 0, 0] = SLEEP
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(slow_app.score, frames, goal_ids, 30)
        time.sleep(0.3)
        slow_app.replica_info(timeout_s=10)
        assert not pending.done()
        assert pending.result().scores.shape == (1,)


def test_a_replica_that_fails_at_everything_is_replaced(ray_session, slow_app, make_request):
    frames, goal_ids = make_request(1)
    pid = slow_app.replica_info(timeout_s=10).pid
    frames[0, 0, 0, 0] = CRASH
    for _ in range(3):
        with pytest.raises(RewardServiceError, match="device-side assert"):
            slow_app.score(frames, goal_ids, timeout_s=10)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        client = RewardClient(slow_app)
        client.describe()
        if slow_app.replica_info(timeout_s=20).pid != pid:
            break
        time.sleep(0.2)
    assert slow_app.replica_info(timeout_s=20).pid != pid
    assert client.score(calm(frames), goal_ids).scores.shape == (1,)
