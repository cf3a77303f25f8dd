"""The one way for a training run to ask for rewards."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import (
    NonFiniteRewardError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
    VLMRewardsError,
)
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.schema import (
    EmbedResult,
    ScoreResult,
    TextResult,
    check_all_goals_request,
    check_request,
    check_request_frames,
    check_texts_request,
    count_frames,
)
from vlm_rewards.service.transports.transport import Transport

T = TypeVar("T")

# Seconds before the second attempt, and the most between two; each pause is drawn from its upper half.
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

# Seconds that a request may need more than one attempt before a line says so.
_PATIENCE_S = 5.0

_LOG = logging.getLogger(__name__)


class _Outage:
    """Whether the clients of this process wait for answers: a line when that begins, and one when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on = False

    def begins(self) -> bool:
        with self._lock:
            new, self._on = not self._on, True
        return new

    def ends(self) -> bool:
        if not self._on:
            return False
        with self._lock:
            was, self._on = self._on, False
        return was


_OUTAGE = _Outage()


@dataclass
class ClientStats:
    """What a client did since its statistics were last drained.

    Attributes:
        requests: `score`, `score_all` and `embed` calls, answered or not.
        frames: How many frames the answered ones had.
        retries: Attempts beyond the first of each call.
        failures: Calls that raised.
        latencies_s: Seconds from call to answer, retries and pauses included; one entry an answered call.
    """

    requests: int = 0
    frames: int = 0
    retries: int = 0
    failures: int = 0
    latencies_s: list[float] = field(default_factory=list)


class RewardClient:
    """Scores frames through a transport, and comes back with good rewards or a clear error.

    What may succeed on another try (a dead replica, a timeout, a full queue) is sent again, the same arrays, until
    `deadline_s`; what cannot is raised at once. No score out of the range of the reward's form gets
    through, and neither does a change of reward under a run. It can be pickled, without its statistics, and shared by
    threads, of which `max_in_flight` at a time have a request on its way.
    """

    def __init__(
        self,
        transport: Transport,
        timeout_s: float = 20.0,
        max_retries: int | None = None,
        deadline_s: float = 50.0,
        expected_fingerprint: str | None = None,
        max_in_flight: int = 16,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            transport: Carries the requests.
            timeout_s: Longest wait in seconds for one attempt.
            max_retries: Most attempts beyond the first; None makes as many as the deadline allows.
            deadline_s: Longest time in seconds for a call with all its retries. RLlib's `sample_timeout_s` (60) should
                be longer, or a lost replica costs a fragment.
            expected_fingerprint: Fingerprint of the reward to train on; None takes that of the first answer.
            max_in_flight: Most requests of this client that are unanswered at a time; further calls wait, as far as
                their deadline allows. It bounds what a fast caller can pile up, and the memory that takes.

        Raises:
            ValueError: A time that is not positive, a negative number of retries, or nothing allowed in flight.
        """
        if timeout_s <= 0 or deadline_s <= 0 or (max_retries or 0) < 0 or max_in_flight < 1:
            raise ValueError(
                "timeout_s and deadline_s must be above 0, max_retries at least 0 and max_in_flight at least 1"
            )
        self._transport = transport
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._deadline_s = deadline_s
        self._expected_fingerprint = expected_fingerprint
        self._score_range = (0.0, 1.0)
        self._max_in_flight = max_in_flight
        self._in_flight = threading.BoundedSemaphore(max_in_flight)
        self._connected = False
        self._lock = threading.Lock()
        self._stats = ClientStats()
        # Not the global generator: a retry must not change what a seeded run draws from it.
        self._jitter = random.Random()

    def pinned_to(self, fingerprint: str) -> "RewardClient":
        """Return a client like this one that takes answers of the reward with this fingerprint only."""
        return RewardClient(**{**self.__getstate__(), "expected_fingerprint": fingerprint})

    def shared_by(self, callers: int) -> "RewardClient":
        """Return a client like this one of which so many processes have a copy, and share what all of them ask.

        Args:
            callers: Processes, at least 1.
        """
        state = self.__getstate__()
        shared = getattr(self._transport, "shared_by", None)
        return RewardClient(**{**state, "transport": self._transport if shared is None else shared(callers)})

    @property
    def stats(self) -> ClientStats:
        """A copy of the statistics since they were last drained."""
        with self._lock:
            return ClientStats(**{**vars(self._stats), "latencies_s": list(self._stats.latencies_s)})

    def pop_stats(self) -> ClientStats:
        """Return the statistics and start new ones."""
        with self._lock:
            stats, self._stats = self._stats, ClientStats()
        return stats

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Score each frame against the goal beside it, equation 1.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3). Kept as they are until answered: do not write to
                them from another thread.
            goal_ids: N ids.

        Returns:
            Scores float32 (N,), finite and in the range of the reward's form, and the fingerprint of the reward.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
            ConfigError: Unknown goal, or not one goal a frame.
            NonFiniteRewardError: The reward came out as NaN or infinite.
            RewardServiceUnavailableError: No such service, or it stayed away for all retries.
            RewardTimeoutError: No answer before the deadline.
            RewardOverloadedError: The service refused for lack of room until the retries ran out.
            RewardServiceError: An answer that is none, or from another reward than this run's.
        """
        check_request(frames, goal_ids)

        def attempt(timeout_s: float) -> ScoreResult:
            return self._transport.score(frames, goal_ids, timeout_s)

        return self._counted(attempt, frames, lambda result: self._check_scores(result, (len(frames),)))

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Score each frame against each goal; frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3) or clips, as for `score`.
            goal_ids: G ids.

        Returns:
            Scores float32 (N, G), column g for `goal_ids[g]`, checked as those of `score` are.

        Raises:
            VLMRewardsError: As for `score`.
        """
        check_all_goals_request(frames, goal_ids)

        def attempt(timeout_s: float) -> ScoreResult:
            return self._transport.score_all(frames, goal_ids, timeout_s)

        shape = len(frames), len(goal_ids)
        return self._counted(attempt, frames, lambda result: self._check_scores(result, shape))

    def embed(self, frames: npt.NDArray[np.uint8]) -> EmbedResult:
        """Embed frames.

        Args:
            frames: uint8 (N, H, W, 3) or clips, as for `score`.

        Returns:
            Embeddings float32 (N, D), finite, and the fingerprint of the encoder: not the reward's, which decides
            nothing here.

        Raises:
            VLMRewardsError: As for `score`.
        """
        check_request_frames(frames)
        return self._counted(
            lambda timeout_s: self._transport.embed(frames, timeout_s),
            frames,
            lambda result: _check_array(result.embeddings, (len(frames), result.embeddings.shape[-1])),
        )

    def embed_texts(self, texts: Sequence[str]) -> TextResult:
        """Embed texts, which need be no goals of the service.

        Args:
            texts: M texts.

        Returns:
            Embeddings float32 (M, D), finite, and the fingerprint of the encoder.

        Raises:
            ConfigError: Too many texts, or one that is blank or too long.
            RewardServiceError: As for `score`, and the other errors named there.
        """
        check_texts_request(texts)
        result = self._call(lambda timeout_s: self._transport.embed_texts(texts, timeout_s))
        _check_array(result.embeddings, (len(texts), result.embeddings.shape[-1]))
        return result

    def describe(self) -> RewardDescription:
        """Return what the service computes: fingerprint, threshold, image size, goals.

        Raises:
            RewardServiceError: As for `score`.
        """
        return self._call(lambda timeout_s: self._transport.describe(timeout_s))

    def _counted(self, attempt: Callable[[float], T], frames: npt.NDArray[np.uint8], check: Callable[[T], None]) -> T:
        """Send one request, check its answer and keep the statistics."""
        start = time.monotonic()
        try:
            result = self._call(attempt)
            check(result)
        except BaseException:
            with self._lock:
                self._stats.requests += 1
                self._stats.failures += 1
            raise
        with self._lock:
            self._stats.requests += 1
            self._stats.frames += count_frames(frames)
            self._stats.latencies_s.append(time.monotonic() - start)
        return result

    def _call(self, attempt: Callable[[float], T]) -> T:
        start = time.monotonic()
        if not self._in_flight.acquire(timeout=self._deadline_s):
            raise RewardTimeoutError(
                f"{self._max_in_flight} requests of this client stayed unanswered for {self._deadline_s:g} s; "
                "raise max_in_flight, or add replicas"
            )
        try:
            return self._attempts(attempt, start)
        finally:
            self._in_flight.release()

    def _attempts(self, attempt: Callable[[float], T], start: float) -> T:
        for retries in itertools.count():
            left = max(0.001, self._deadline_s - (time.monotonic() - start))
            try:
                if not self._connected:
                    self._transport.connect(min(self._timeout_s, left))
                    self._connected = True
                answer = attempt(min(self._timeout_s, left))
                self._say_over(start)
                return answer
            except VLMRewardsError as error:
                # A service that was never there is a mistake to report, not a failure to wait out.
                absent = not self._connected and isinstance(error, RewardServiceUnavailableError)
                if absent or not error.retryable:
                    raise
                last_error = error
            self._say_once(start, last_error)
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(retries, 20)) * self._jitter.uniform(0.5, 1.0)
            waited = time.monotonic() - start
            if retries == self._max_retries or waited + pause >= self._deadline_s:
                break
            with self._lock:
                self._stats.retries += 1
            time.sleep(pause)
        waited = time.monotonic() - start
        raise type(last_error)(f"{last_error}; gave up after {retries + 1} attempts in {waited:.1f} s") from last_error

    def _say_once(self, start: float, error: VLMRewardsError) -> None:
        """Log that requests are sent again and again; once an outage of the process."""
        if time.monotonic() - start < _PATIENCE_S:
            return
        if _OUTAGE.begins():
            _LOG.warning("reward requests are sent again since %.0f s (%s)", time.monotonic() - start, error)

    def _say_over(self, start: float) -> None:
        if _OUTAGE.ends():
            _LOG.warning("reward requests are answered again, this one after %.0f s", time.monotonic() - start)

    def _check_scores(self, result: ScoreResult, shape: tuple[int, ...]) -> None:
        scores = result.scores
        _check_array(scores, shape)
        if scores.size and not self._in_range(scores):
            raise RewardServiceError(
                f"the reward service answered with values in [{scores.min():.4g}, {scores.max():.4g}], "
                "outside its score range [{:g}, {:g}]; redeploy the service".format(*self._score_range)
            )
        with self._lock:
            expected = self._expected_fingerprint = self._expected_fingerprint or result.fingerprint
        if result.fingerprint != expected:
            raise RewardServiceError(
                f"the reward changed under this run: expected fingerprint {expected[:12]}, the service answered with "
                f"{result.fingerprint[:12]}; restore its model, prompts, tau, beta and precision ('auto' may choose "
                "another one on another machine), or start a new run"
            )

    def _in_range(self, scores: npt.NDArray[np.float32]) -> bool:
        if scores.min() < self._score_range[0] or scores.max() > self._score_range[1]:
            # No probabilities, then. What else they may be, the service says.
            self._score_range = self.describe().score_range
        return bool(scores.min() >= self._score_range[0] and scores.max() <= self._score_range[1])

    def __getstate__(self) -> dict[str, Any]:
        return {
            "transport": self._transport,
            "timeout_s": self._timeout_s,
            "max_retries": self._max_retries,
            "deadline_s": self._deadline_s,
            "expected_fingerprint": self._expected_fingerprint,
            "max_in_flight": self._max_in_flight,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        RewardClient.__init__(self, **state)


def _check_array(values: npt.NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.float32:
        raise RewardServiceError(
            f"the reward service answered {shape[0]} frames with {values.dtype} {values.shape} instead of float32 "
            f"{shape}; client and service are of different versions, redeploy the service"
        )
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise NonFiniteRewardError(
            f"{bad} of {values.size} rewards are not finite; check the served model's weights and precision"
        )
