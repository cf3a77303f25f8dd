"""The reward model as a Ray Serve deployment."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vlm_rewards.embedding_cache import CacheStats, EmbeddingCache
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import RewardOverloadedError, VLMRewardsError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel
from vlm_rewards.service import autoscaling
from vlm_rewards.service.batch import Answer, Kind, Request, answer_batch
from vlm_rewards.service.load import LoadMeter
from vlm_rewards.service.micro_batcher import MicroBatcher
from vlm_rewards.service.observability import ReplicaMetrics, log_request
from vlm_rewards.service.schema import (
    EmbedResult,
    ReplicaInfo,
    RewardUserConfig,
    ScoreResult,
    TextResult,
    check_all_goals_request,
    check_request,
    check_request_frames,
)
from vlm_rewards.service.texts import TextReader

logger = logging.getLogger("ray.serve")
T = TypeVar("T")

# Unexpected failures in a row after which a replica calls itself unhealthy: a lost accelerator fails every call.
_MAX_FAILURES = 3


class RewardDeployment:
    """One replica: a frozen reward model that scores and embeds arrays of frames in batches.

    Requests that arrive while a batch is being encoded form the next batch together, whatever they ask; see
    `MicroBatcher`. All model work happens on one thread of its own: the replica still answers health checks during a
    long forward, and two forwards never fight over the same cores. What would wait too long or take too much memory is
    refused at once, so that an overload ends when its callers do.

    Wrap it with `serve.deployment`; `vlm_rewards.service.application.build_app` does so with fitting options.
    """

    def __init__(
        self,
        reward: RewardConfig,
        task_set: TaskSet,
        max_batch_frames: int = 128,
        batch_wait_s: float = 0.0,
        torch_threads: int = 1,
        cache_mb: int = 0,
        max_wait_s: float = 3.0,
        max_waiting_mb: int = 512,
        stuck_after_s: float = 120.0,
        encoder: Encoder | None = None,
    ) -> None:
        """Load the model, which checks itself, and score one blank frame to warm it up.

        Args:
            reward: What to compute.
            task_set: The goals.
            max_batch_frames: Most frames in one encoder call; a longer request is split.
            batch_wait_s: Time in seconds that a batch waits for more frames after its first request.
            torch_threads: Threads of one forward.
            cache_mb: Memory in MiB for embeddings of frames seen before; 0 keeps none.
            max_wait_s: A request that would wait longer in seconds than this is refused. One that finds nothing
                waiting is always taken.
            max_waiting_mb: Memory in MiB that waiting frames may take before further requests are refused.
            stuck_after_s: Seconds in one encoder call after which the replica is unhealthy.
            encoder: Used instead of loading `reward.model`, as to emulate an accelerator. Must be picklable.

        Raises:
            ConfigError: Settings or goals that cannot be used.
            CheckpointError: The model is no usable dual encoder.
            SelfCheckError: The model's weights are not the recorded ones.
            NonFiniteRewardError: Its embeddings are not finite.
        """
        self._reward = reward
        self._task_set = task_set
        self._max_batch_frames = max_batch_frames
        self._max_wait_s = max_wait_s
        self._max_waiting_bytes = max_waiting_mb * 2**20
        self._stuck_after_s = stuck_after_s
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward-model")
        self._busy_since: float | None = None
        self._failures = 0
        self._configured = False
        self._refused = ""
        self._requests = self._frames = self._batches = 0
        self._meter = LoadMeter(max_batch_frames, time.monotonic)
        self._metrics = ReplicaMetrics(max_batch_frames)
        self._batcher: MicroBatcher[Request, Answer] = MicroBatcher(self._run_batch, max_batch_frames, batch_wait_s)
        # It belongs to the encoder, and so outlives every change of prompts.
        self._cache = EmbeddingCache(cache_mb * 2**20) if cache_mb else None
        self._model = self._executor.submit(_load, reward, task_set, encoder, self._cache, torch_threads).result()
        self._texts = TextReader(self._model.encoder, self._in_model_thread)

    async def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], request_id: str = "") -> ScoreResult:
        """Score each frame against the goal beside it, equation 1.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: N ids.
            request_id: The caller's name for this request, for the log.

        Returns:
            float32 (N,) scores in the order sent, and the reward's fingerprint.

        Raises:
            InvalidFrameError: Frames of another dtype or shape, or too many for one request.
            ConfigError: Unknown goal, or not one goal a frame.
            NonFiniteRewardError: A score is not finite.
            RewardOverloadedError: The replica has no room, or would answer too late.
            RewardServiceError: The model failed in a way that is not the request's fault.
        """
        result: ScoreResult = await self._served("score", frames, goal_ids, request_id)
        return result

    async def score_all(
        self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], request_id: str = ""
    ) -> ScoreResult:
        """Score each frame against each goal; the frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: G ids.
            request_id: The caller's name for this request, for the log.

        Returns:
            float32 (N, G) scores, and the reward's fingerprint.

        Raises:
            VLMRewardsError: As for `score`.
        """
        result: ScoreResult = await self._served("score_all", frames, goal_ids, request_id)
        return result

    async def embed(self, frames: npt.NDArray[np.uint8], request_id: str = "") -> EmbedResult:
        """Embed frames.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            request_id: The caller's name for this request, for the log.

        Returns:
            float32 (N, D) embeddings, and the encoder's fingerprint.

        Raises:
            VLMRewardsError: As for `score`.
        """
        result: EmbedResult = await self._served("embed", frames, (), request_id)
        return result

    async def embed_texts(self, texts: Sequence[str], request_id: str = "") -> TextResult:
        """Embed texts that need be no goals; frames go first, see `TextReader`.

        Args:
            texts: At most `MAX_REQUEST_TEXTS`, none of them blank.
            request_id: The caller's name for this request, for the log.

        Returns:
            float32 (M, D) embeddings, the encoder's fingerprint, and what its tokenizer knows of each text.

        Raises:
            VLMRewardsError: As for `score`.
        """
        result: TextResult = await self._noted("embed_texts", 0, request_id, self._texts.embed(texts))
        return result

    async def _served(self, kind: Kind, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], request_id: str) -> Any:
        start = time.monotonic()

        async def answer() -> ScoreResult | EmbedResult:
            # Refused here, a bad request never reaches the batch that its neighbours are in.
            self._check(kind, frames, goal_ids)
            return await self._admitted(Request(kind, frames, goal_ids, start))

        # What is no array is counted here and refused there.
        count = len(frames) if isinstance(frames, np.ndarray) and frames.ndim else 0
        return await self._noted(kind, count, request_id, answer())

    async def _noted(self, kind: str, frames: int, request_id: str, answer: Awaitable[T]) -> T:
        """Count and log a request, whatever becomes of it."""
        start = time.monotonic()
        self._requests += 1
        self._metrics.request()
        fields: dict[str, Any] = {"client_request_id": request_id, "kind": kind}
        try:
            result = await answer
        except VLMRewardsError as error:
            self._metrics.refused(error)
            log_request(logging.WARNING, str(error), **fields, error=type(error).__name__)
            raise
        if logger.isEnabledFor(logging.INFO):
            seconds = round(time.monotonic() - start, 6)
            log_request(logging.INFO, "answered", **fields, frames=frames, seconds=seconds)
        return result

    def _check(self, kind: Kind, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> None:
        if kind == "embed":
            check_request_frames(frames)
            return
        if kind == "score":
            check_request(frames, goal_ids)
        else:
            check_all_goals_request(frames, goal_ids)
        for goal_id in set(goal_ids):
            self._model.prompts(goal_id)

    async def _admitted(self, request: Request) -> ScoreResult | EmbedResult:
        """Take a request in, or refuse it for lack of room or time."""
        meter = self._meter
        size = request.frames.nbytes
        if meter.waiting_frames and meter.wait_s > self._max_wait_s:
            raise RewardOverloadedError(
                f"the replica refuses requests because {meter.waiting_frames} frames wait already, "
                f"{meter.wait_s:.1f} s of work; add replicas or send fewer at a time"
            )
        if meter.waiting_bytes and meter.waiting_bytes + size > self._max_waiting_bytes:
            raise RewardOverloadedError(
                f"the replica refuses requests because {meter.waiting_bytes / 2**20:.0f} MiB of frames wait already; "
                "add replicas or send fewer at a time"
            )
        meter.arrive(request.size, size)
        try:
            return await self._answered(request)
        finally:
            meter.leave(request.size, size)
            self._metrics.load(meter)

    async def _answered(self, request: Request) -> ScoreResult | EmbedResult:
        while True:
            # Where the caller gives up, so do its pieces: what is left of them is not encoded.
            pieces = request.pieces(self._max_batch_frames)
            answers = await asyncio.gather(*(self._batcher.ask(piece, piece.weight) for piece in pieces))
            results: list[ScoreResult | EmbedResult] = []
            for answer in answers:
                if isinstance(answer, VLMRewardsError):
                    raise answer
                results.append(answer)
            if len({result.fingerprint for result in results}) == 1:
                return _joined(results)
            # Reconfigured between two pieces: one answer must be of one reward.

    async def _run_batch(self, requests: list[Request]) -> list[Answer]:
        self._busy_since = start = time.monotonic()
        failures: list[Exception] = []
        try:
            answers = await self._in_model_thread(lambda: answer_batch(self._model, requests, failures.append))
        finally:
            self._busy_since = None
        for error in failures:
            logger.error("the reward model failed", exc_info=error)
        good = [index for index, answer in enumerate(answers) if not isinstance(answer, VLMRewardsError)]
        self._failures = 0 if good else self._failures + len(failures)
        if good:
            self._note_batch([requests[i] for i in good], [answers[i] for i in good], start)
        return answers

    def _note_batch(self, requests: list[Request], answers: list[Answer], start: float) -> None:
        seconds = time.monotonic() - start
        frames = [request.size for request in requests]
        self._batches += 1
        self._frames += sum(frames)
        if sum(frames):
            self._meter.batch(sum(frames), seconds)
        waits = [start - request.arrived for request in requests]
        self._metrics.batch(frames, waits, seconds, [a.scores for a in answers if isinstance(a, ScoreResult)])
        if self._cache is not None:
            self._metrics.cache(self._cache.stats)

    async def describe(self) -> RewardDescription:
        """Return what a client needs to know of the reward being served."""
        return self._model.describe()

    async def replica_info(self) -> ReplicaInfo:
        """Return the counters and the process id of the replica that answers."""
        cached = self._cache.stats if self._cache is not None else CacheStats(0, 0, 0, 0)
        counters = (self._requests, self._frames, self._batches, cached.hits, cached.misses)
        return ReplicaInfo(os.getpid(), *counters, self._refused)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Return this replica's load, for `FramesWaitingPolicy`; Serve asks a few times a second."""
        return {
            autoscaling.WAITING_FRAMES: float(self._meter.waiting_frames),
            autoscaling.BUSY_REPLICAS: self._meter.busy_replicas,
            autoscaling.FRAMES_PER_REQUEST: self._meter.frames_per_request,
            autoscaling.IDLE_S: self._meter.idle_s,
        }

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Change prompts and thresholds between two batches; the encoder and its weights stay.

        Serve calls it with the deployment's `user_config`, at start and whenever that changes.

        Args:
            user_config: Fields of `RewardUserConfig`.

        Raises:
            ConfigError: Unknown keys or unusable values, at the start. Later the reward stays as it was, and
                `replica_info` says what was refused: Serve would stop a replica that raises, the good reward with it.
        """

        def rebuild() -> None:
            config = RewardUserConfig(**user_config).applied_to(self._reward)
            if config != self._model.config:
                self._model = RewardModel(config, self._task_set, encoder=self._model.encoder, cache=self._cache)

        try:
            await self._in_model_thread(rebuild)
        except (VLMRewardsError, TypeError) as error:
            if not self._configured:
                raise
            self._refused = " ".join(str(error).split())
            logger.error("user_config is refused, and the reward stays as it was: %s", self._refused)
        else:
            self._configured, self._refused = True, ""

    async def check_health(self) -> None:
        """Tell Serve to replace a replica whose model hangs or fails at everything.

        Raises:
            RuntimeError: The replica should be replaced.
        """
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > self._stuck_after_s:
            raise RuntimeError(f"the reward model has not returned from one batch in {self._stuck_after_s:g} s")
        if self._failures >= _MAX_FAILURES:
            raise RuntimeError(f"the reward model failed {self._failures} times in a row")

    async def _in_model_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _joined(results: Sequence[ScoreResult | EmbedResult]) -> ScoreResult | EmbedResult:
    """Put the answers to the pieces of one request together."""
    first = results[0]
    if len(results) == 1:
        return first
    if isinstance(first, EmbedResult):
        parts = [result.embeddings for result in results if isinstance(result, EmbedResult)]
        return EmbedResult(np.concatenate(parts), first.fingerprint)
    scores = [result.scores for result in results if isinstance(result, ScoreResult)]
    return ScoreResult(np.concatenate(scores), first.fingerprint)


def _load(
    reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None, cache: EmbeddingCache | None, torch_threads: int
) -> RewardModel:
    """Run on the thread that will do all forwards, where torch's thread count must be set."""
    os.environ["OMP_NUM_THREADS"] = str(torch_threads)
    if encoder is None and reward.model != "fake":  # which do without torch
        import torch

        # Before loading: OpenVINO compiles for this number, and pass sizes are proven with it.
        torch.set_num_threads(torch_threads)
    model = RewardModel(reward, task_set, encoder, cache)
    height, width = model.encoder.image_size
    # Whole: of a cascade the large model shall be warm, too.
    model.score_embeddings(model.embed(np.zeros((1, height, width, 3), np.uint8)), [task_set.goals[0].id])
    return model
