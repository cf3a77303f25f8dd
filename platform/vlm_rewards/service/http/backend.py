"""From the event loop of the gateway to reward models, by the same transports that everybody uses."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import RewardServiceUnavailableError, RewardTimeoutError
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.http.admission import Share
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.schema import EmbedResult, ScoreResult, TextResult
from vlm_rewards.service.transports.transport import Transport
from vlm_rewards.strict_config import near_matches

T = TypeVar("T")

# Answers with which a caller's patience and a transport's own timeout may differ, in seconds.
_GRACE_S = 0.5

# Descriptions asked for again while a reward is being changed under a request.
_DESCRIPTIONS = 3


class TransportBackend:
    """Models by name, each behind a `Transport`, called on threads so that the event loop stays free.

    A transport's errors are those of `vlm_rewards.errors`; what crosses HTTP is made of them in `errors.KINDS`.
    """

    def __init__(self, find: Callable[[], Mapping[str, Transport]], threads: int = 64, refresh_s: float = 1.0) -> None:
        """Make a backend; nothing is looked up yet.

        Args:
            find: Returns the models that run now. Called on a thread, at most every `refresh_s`; it should return the
                same transports again, since they hold connections.
            threads: Requests at work at the same time; more wait.
            refresh_s: Seconds for which an answer of `find` is good.
        """
        self._find = find
        self._refresh_s = refresh_s
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="reward-gateway")
        # Of its own, so that finding models, and so readiness, never waits behind scoring.
        self._finder = ThreadPoolExecutor(1, thread_name_prefix="reward-gateway-find")
        self._models: Mapping[str, Transport] = {}
        self._found_at = -float("inf")
        self._finding: asyncio.Task[Mapping[str, Transport]] | None = None
        self._descriptions: dict[str, RewardDescription] = {}

    async def models(self, timeout_s: float) -> list[str]:
        """Return the names of the models that run.

        Raises:
            RewardTimeoutError: They could not be asked for in time.
            RewardServiceError: Or not at all.
        """
        return sorted(await self._found(timeout_s))

    async def describe(self, model: str, timeout_s: float) -> RewardDescription:
        """Return what a model computes now.

        Raises:
            HttpError: Unknown model.
            RewardServiceError: It does not answer.
        """
        transport = await self._transport(model, timeout_s)
        description = await self._call(timeout_s, lambda: transport.describe(timeout_s))
        self._descriptions[model] = description
        return description

    async def description_of(self, model: str, fingerprint: str, timeout_s: float) -> RewardDescription:
        """Return the description of the very reward that gave an answer.

        Raises:
            RewardServiceUnavailableError: The reward has been changed since.
        """
        description = self._descriptions.get(model)
        for _ in range(_DESCRIPTIONS):
            if description is not None and description.fingerprint == fingerprint:
                return description
            description = await self.describe(model, timeout_s)
        raise RewardServiceUnavailableError(f"model {model!r} was changed during the request; send it again")

    async def score(
        self, model: str, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float, share: Share
    ) -> ScoreResult:
        """Score each frame against its own goal; see `Transport.score`. `share` is that of the request.

        Raises:
            HttpError: Unknown model.
            VLMRewardsError: As the transport's.
        """
        transport = await self._transport(model, timeout_s)
        return await self._call(timeout_s, lambda: transport.score(frames, goal_ids, timeout_s), share)

    async def score_all(
        self, model: str, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float, share: Share
    ) -> ScoreResult:
        """Score each frame against each goal; see `Transport.score_all`.

        Raises:
            HttpError: Unknown model.
            VLMRewardsError: As the transport's.
        """
        transport = await self._transport(model, timeout_s)
        return await self._call(timeout_s, lambda: transport.score_all(frames, goal_ids, timeout_s), share)

    async def embed(self, model: str, frames: npt.NDArray[np.uint8], timeout_s: float, share: Share) -> EmbedResult:
        """Embed frames; see `Transport.embed`.

        Raises:
            HttpError: Unknown model.
            VLMRewardsError: As the transport's.
        """
        transport = await self._transport(model, timeout_s)
        return await self._call(timeout_s, lambda: transport.embed(frames, timeout_s), share)

    async def embed_texts(self, model: str, texts: Sequence[str], timeout_s: float, share: Share) -> TextResult:
        """Embed texts; see `Transport.embed_texts`.

        Raises:
            HttpError: Unknown model.
            VLMRewardsError: As the transport's.
        """
        transport = await self._transport(model, timeout_s)
        return await self._call(timeout_s, lambda: transport.embed_texts(texts, timeout_s), share)

    async def _transport(self, model: str, timeout_s: float) -> Transport:
        models = await self._found(timeout_s)
        if model not in models:
            hint = near_matches(model[:100], models)
            raise HttpError("unknown_model", f"no model {model[:100]!r} runs here", f"{hint}; see GET /v1/models")
        return models[model]

    async def _found(self, timeout_s: float) -> Mapping[str, Transport]:
        if time.monotonic() - self._found_at < self._refresh_s:
            return self._models
        if self._finding is None:
            self._finding = asyncio.create_task(self._refresh())
        try:
            # Shielded: one caller's patience must not end the search that others wait for.
            return await asyncio.wait_for(asyncio.shield(self._finding), timeout_s)
        except TimeoutError as error:
            raise RewardTimeoutError(
                f"the running models could not be listed in {timeout_s:.3g} s; send the request again"
            ) from error

    async def _refresh(self) -> Mapping[str, Transport]:
        try:
            self._models = await asyncio.get_running_loop().run_in_executor(self._finder, self._find)
            self._found_at = time.monotonic()
            return self._models
        finally:
            self._finding = None

    async def _call(self, timeout_s: float, work: Callable[[], T], share: Share | None = None) -> T:
        def counted() -> T:
            # A thread goes on when its caller has left; until it ends, the frames are in memory and count.
            with share.working() if share else nullcontext():
                return work()

        # The context goes along: in Serve it holds the request's id, which so reaches the replica's log.
        context = contextvars.copy_context()
        answer = asyncio.get_running_loop().run_in_executor(self._executor, context.run, counted)
        try:
            return await asyncio.wait_for(answer, timeout_s + _GRACE_S)
        except TimeoutError as error:
            raise RewardTimeoutError(
                f"no answer in {timeout_s:.3g} s; send fewer frames in one request, or raise the timeout"
            ) from error
