"""A replica's own behaviour, without Serve around it."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from tests.vlm_rewards.service.encoders_for_tests import CRASH, CueEncoder
from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.service.deployment import RewardDeployment

BATCH = 64


def run(scenario, reward_config, task_set):
    async def main():
        await scenario(
            RewardDeployment(
                reward_config, task_set, max_batch_frames=BATCH, encoder=CueEncoder(seconds_per_batch=0.02)
            )
        )

    asyncio.run(asyncio.wait_for(main(), 30))


async def batches(replica):
    return (await replica.replica_info()).batches


def calm(frames):
    frames[:, 0, 0, 0] = 0
    return frames


def test_callers_side_by_side_share_every_batch(reward_config, reward_model, task_set, make_request):
    async def scenario(replica):
        async def caller(seed):
            frames, goal_ids = make_request(4, seed=seed)
            for _ in range(5):
                result = await replica.score(calm(frames), goal_ids)
                np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))

        await asyncio.gather(*(caller(seed) for seed in range(8)))
        info = await replica.replica_info()
        assert (info.requests, info.frames, info.batches) == (40, 160, 5)

    run(scenario, reward_config, task_set)


def test_a_long_request_is_cut_into_full_batches_and_answered_whole(
    reward_config, reward_model, task_set, make_request
):
    async def scenario(replica):
        frames, goal_ids = make_request(2 * BATCH + 1)
        result = await replica.score(calm(frames), goal_ids)
        np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))
        assert await batches(replica) == 3
        every = ["app2", "app0", "app2"]
        scores = (await replica.score_all(frames, every)).scores
        np.testing.assert_array_equal(scores, reward_model.score_all(frames, every))

    run(scenario, reward_config, task_set)


def test_what_is_left_of_a_request_is_not_encoded_when_its_caller_gives_up(reward_config, task_set, make_request):
    async def scenario(replica):
        frames, goal_ids = make_request(4 * BATCH)
        task = asyncio.create_task(replica.score(calm(frames), goal_ids))
        while replica._busy_since is None:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await replica.score(frames[:1], goal_ids[:1])
        assert await batches(replica) == 2
        assert (await replica.record_autoscaling_stats())["waiting_frames"] == 0

    run(scenario, reward_config, task_set)


def test_a_request_that_fails_spoils_none_that_shares_its_batch(reward_config, reward_model, task_set, make_request):
    async def scenario(replica):
        good, goal_ids = make_request(2)
        calm(good)
        bad = good.copy()
        bad[0, 0, 0, 0] = CRASH
        results = await asyncio.gather(
            replica.score(good, goal_ids),
            replica.score(bad, goal_ids),
            replica.score(good, ["app0", "nowhere"]),
            replica.score(good, goal_ids),
            return_exceptions=True,
        )
        assert [type(result) for result in results[1:3]] == [RewardServiceError, ConfigError]
        for result in (results[0], results[3]):
            np.testing.assert_array_equal(result.scores, reward_model.score(good, goal_ids))

    run(scenario, reward_config, task_set)


def test_texts_are_answered_beside_frames_and_count_as_none(reward_config, reward_model, task_set, make_request):
    async def scenario(replica):
        frames, goal_ids = make_request(BATCH)
        texts = [f"a caption that is no goal, {index}" for index in range(40)]
        result, scored = await asyncio.gather(replica.embed_texts(texts), replica.score(calm(frames), goal_ids))
        np.testing.assert_array_equal(result.embeddings, reward_model.encoder.embed_texts(texts))
        np.testing.assert_array_equal(scored.scores, reward_model.score(frames, goal_ids))
        info = await replica.replica_info()
        assert (info.requests, info.frames, info.batches) == (2, BATCH, 1)
        assert (await replica.record_autoscaling_stats())["frames_per_request"] == pytest.approx(BATCH)
        with pytest.raises(ConfigError, match="text 0 is empty"):
            await replica.embed_texts([""])
        await replica.check_health()

    run(scenario, reward_config, task_set)


def test_what_a_replica_imports_has_no_http_client_and_no_hub():
    """They would be half of what its start costs beside Ray and the model."""
    code = (
        "import sys, vlm_rewards.service.batch, vlm_rewards.service.micro_batcher, vlm_rewards.service.texts\n"
        "print(*sorted({'httpx2', 'huggingface_hub', 'ray', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
