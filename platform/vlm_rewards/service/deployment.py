"""The reward model as a Ray Serve deployment."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from ray import serve

from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import RewardServiceError, VLMRewardsError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel
from vlm_rewards.service.schema import ReplicaInfo, RewardUserConfig, ScoreResult, check_request

logger = logging.getLogger("ray.serve")
T = TypeVar("T")

# Unexpected failures in a row after which a replica calls itself unhealthy: a lost accelerator fails every call.
_MAX_FAILURES = 3


class _Request(NamedTuple):
    """Frames uint8 (N, H, W, 3) and their N goal ids, checked."""

    frames: npt.NDArray[np.uint8]
    goal_ids: Sequence[str]


def _count_frames(requests: list[_Request]) -> int:
    return sum(len(request.frames) for request in requests)


class RewardDeployment:
    """One replica: a frozen reward model that scores arrays of frames in batches.

    Requests that arrive while a batch is being encoded wait at the door and form the next batch together, so batches
    grow with the load, and a lone caller never waits for company. All model work happens on one thread of its own:
    the replica still answers health checks during a long forward, and two forwards never fight over the same cores.

    Wrap it with `serve.deployment`; `serve_deployments.reward.build_app` does so with fitting options.
    """

    def __init__(
        self,
        reward: RewardConfig,
        task_set: TaskSet,
        max_batch_frames: int = 128,
        batch_wait_s: float = 0.0,
        torch_threads: int = 1,
        stuck_after_s: float = 120.0,
        encoder: Encoder | None = None,
    ) -> None:
        """Loads the model, which checks itself, and scores one blank frame to warm it up.

        Args:
            reward: what to compute.
            task_set: the goals.
            max_batch_frames: most frames in one encoder call; a longer request is split.
            batch_wait_s: time in seconds that a batch waits for more frames after its first request.
            torch_threads: threads of one forward.
            stuck_after_s: seconds in one encoder call after which the replica is unhealthy.
            encoder: used instead of loading `reward.model`, as to emulate an accelerator. Must be picklable.

        Raises:
            ConfigError: settings or goals that cannot be used.
            CheckpointError: the model is no usable dual encoder.
            SelfCheckError: the model's weights are not the recorded ones.
            NonFiniteRewardError: its embeddings are not finite.
        """
        self._reward = reward
        self._task_set = task_set
        self._max_batch_frames = max_batch_frames
        self._stuck_after_s = stuck_after_s
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward-model")
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy_since: float | None = None
        self._failures = 0
        self._requests = self._frames = self._batches = 0
        self._score_batch.set_max_batch_size(max_batch_frames)  # type: ignore[attr-defined]
        self._score_batch.set_batch_wait_timeout_s(batch_wait_s)  # type: ignore[attr-defined]
        self._model = self._executor.submit(_load, reward, task_set, encoder, torch_threads).result()

    async def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Scores each frame against the goal beside it, equation 1.

        Args:
            frames: uint8 (N, H, W, 3).
            goal_ids: N ids.

        Returns:
            float32 (N,) probabilities in the order sent, and the reward's fingerprint.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal, or not one goal a frame.
            NonFiniteRewardError: a score is not finite.
            RewardServiceError: the model failed in a way that is not the request's fault.
        """
        self._requests += 1
        # Refused here, a bad request never reaches the batch that its neighbours are in.
        check_request(frames, goal_ids)
        for goal_id in set(goal_ids):
            self._model.prompts(goal_id)
        while not self._idle.is_set():
            await self._idle.wait()
        size = self._max_batch_frames
        pieces = [
            _Request(frames[start : start + size], goal_ids[start : start + size])
            for start in range(0, max(len(frames), 1), size)
        ]
        answers = await asyncio.gather(*(self._score_batch(piece) for piece in pieces))
        results: list[ScoreResult] = []
        for answer in answers:
            if isinstance(answer, VLMRewardsError):
                raise answer
            results.append(answer)
        fingerprints = {result.fingerprint for result in results}
        if len(fingerprints) > 1:  # reconfigured between two pieces: one answer must be of one reward
            return await self.score(frames, goal_ids)
        return ScoreResult(np.concatenate([result.scores for result in results]), fingerprints.pop())

    @serve.batch(max_batch_size=1, batch_wait_timeout_s=0.0, max_concurrent_batches=1, batch_size_fn=_count_frames)
    async def _score_batch(self, requests: list[_Request]) -> list[ScoreResult | VLMRewardsError]:
        self._idle.clear()
        self._busy_since = time.monotonic()
        try:
            return await self._in_model_thread(lambda: self._score_requests(requests))
        finally:
            self._busy_since = None
            self._idle.set()

    def _score_requests(self, requests: list[_Request]) -> list[ScoreResult | VLMRewardsError]:
        """Answers each request, one encoder call for all those of one frame size."""
        answers: list[ScoreResult | VLMRewardsError] = [RewardServiceError("not answered")] * len(requests)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, request in enumerate(requests):
            by_size.setdefault(request.frames.shape[1:], []).append(index)
        for indices in by_size.values():
            group = [requests[index] for index in indices]
            try:
                scored: Sequence[ScoreResult | VLMRewardsError] = self._score_group(group)
            except Exception as error:
                # Alone, each gets its own answer or its own error.
                scored = [self._score_alone(request) for request in group] if len(group) > 1 else [self._noted(error)]
            for index, answer in zip(indices, scored, strict=True):
                answers[index] = answer
        return answers

    def _score_group(self, group: list[_Request]) -> list[ScoreResult]:
        frames = np.concatenate([request.frames for request in group])
        goal_ids = [goal_id for request in group for goal_id in request.goal_ids]
        probabilities = self._model.score(frames, goal_ids)
        self._batches += 1
        self._frames += len(frames)
        self._failures = 0
        ends = np.cumsum([len(request.frames) for request in group])
        return [ScoreResult(part.copy(), self._model.fingerprint) for part in np.split(probabilities, ends[:-1])]

    def _score_alone(self, request: _Request) -> ScoreResult | VLMRewardsError:
        try:
            return self._score_group([request])[0]
        except Exception as error:
            return self._noted(error)

    def _noted(self, error: Exception) -> VLMRewardsError:
        """Only this library's errors cross the wire: the caller may lack the class of any other."""
        if isinstance(error, VLMRewardsError):
            return error
        self._failures += 1
        logger.error("the reward model failed", exc_info=error)
        return RewardServiceError(
            f"the reward model failed in its replica ({_one_line(error)}); its log has the traceback"
        )

    async def describe(self) -> RewardDescription:
        """Returns what a client needs to know of the reward being served."""
        return self._model.describe()

    async def replica_info(self) -> ReplicaInfo:
        """Returns the counters and the process id of the replica that answers."""
        return ReplicaInfo(os.getpid(), self._requests, self._frames, self._batches)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Changes prompts and thresholds between two batches; the encoder and its weights stay.

        Serve calls it with the deployment's `user_config`, at start and whenever that changes.

        Args:
            user_config: fields of `RewardUserConfig`.

        Raises:
            ConfigError: unknown keys or unusable values; the reward stays as it was.
        """
        config = RewardUserConfig(**user_config).applied_to(self._reward)
        if config == self._model.config:
            return

        def rebuild() -> None:
            self._model = RewardModel(config, self._task_set, encoder=self._model.encoder)

        await self._in_model_thread(rebuild)

    async def check_health(self) -> None:
        """Tells Serve to replace a replica whose model hangs or fails at everything.

        Raises:
            RuntimeError: the replica should be replaced.
        """
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > self._stuck_after_s:
            raise RuntimeError(f"the reward model has not returned from one batch in {self._stuck_after_s:g} s")
        if self._failures >= _MAX_FAILURES:
            raise RuntimeError(f"the reward model failed {self._failures} times in a row")

    async def _in_model_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _load(reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None, torch_threads: int) -> RewardModel:
    """Runs on the thread that will do all forwards, where torch's thread count must be set."""
    os.environ["OMP_NUM_THREADS"] = str(torch_threads)
    model = RewardModel(reward, task_set, encoder)
    torch = sys.modules.get("torch")  # the fake encoder does without
    if torch is not None:
        torch.set_num_threads(torch_threads)
    height, width = model.encoder.image_size
    model.score(np.zeros((1, height, width, 3), np.uint8), [task_set.goals[0].id])
    return model
