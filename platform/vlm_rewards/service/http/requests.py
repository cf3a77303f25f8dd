"""From a body, in either form, to arrays that a model takes, and back to the order of the request."""

import asyncio
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import RewardServiceUnavailableError
from vlm_rewards.service.http.admission import Share
from vlm_rewards.service.http.backend import TransportBackend
from vlm_rewards.service.http.body import count_keys, read_json
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.images import decode_images
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.service.http.messages import EmbedParameters, EmbedRequest, ScoreParameters, ScoreRequest, TextsRequest
from vlm_rewards.service.http.wire import unpack
from vlm_rewards.service.schema import ScoreResult, check_request_frames, count_frames

Group = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Work:
    """A request that has passed all checks which need no model.

    Attributes:
        parameters: What to do.
        groups: Frames uint8 (n, H, W, 3) of one size each, with their places in the request; at least one group, or
            none for a request of texts alone.
        count: Images of the request.
    """

    parameters: Any
    groups: list[Group]
    count: int

    def joined(self, parts: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Put the groups' answers, finite float32 (n, ...) each, into the order of the request."""
        answer = np.empty((self.count, *parts[0].shape[1:]), np.float32)
        for (places, _), part in zip(self.groups, parts, strict=True):
            answer[places] = part
        return answer

    def one_fingerprint(self, fingerprints: Iterable[str]) -> str:
        """Return the fingerprint of all groups' answers.

        Raises:
            RewardServiceUnavailableError: The reward changed between two of them.
        """
        distinct = set(fingerprints)
        if len(distinct) > 1:
            raise RewardServiceUnavailableError("the reward was changed during the request; send it again")
        return distinct.pop()


Reading = Generator[None, None, Work]


def score_work(is_json: bool, body: bytearray, limits: HttpLimits, share: Share) -> Reading:
    """Read a request to score, whose bytes `share` holds.

    Raises:
        AbandonedError: The request has ended.
        HttpError: It is of another kind, not what the path takes, or beyond a limit.
    """
    return _work(is_json, body, limits, share, ScoreRequest, ScoreParameters)


def embed_work(is_json: bool, body: bytearray, limits: HttpLimits, share: Share) -> Reading:
    """Read a request to embed, whose bytes `share` holds.

    Raises:
        AbandonedError: The request has ended.
        HttpError: It is of another kind, not what the path takes, or beyond a limit.
    """
    return _work(is_json, body, limits, share, EmbedRequest, EmbedParameters)


def texts_work(is_json: bool, body: bytearray, limits: HttpLimits, share: Share) -> Reading:
    """Read a request to embed texts, whose bytes `share` holds.

    Raises:
        AbandonedError: The request has ended.
        HttpError: It is no JSON, not what the path takes, or beyond a limit.
    """
    if not is_json:
        raise HttpError("unsupported_media_type", "texts come as JSON", "use the content type application/json")
    values = read_json(body, limits, share)
    body.clear()
    yield
    request = TextsRequest.parsed(values)
    request.check(0, limits)
    return Work(request, [], 0)


async def scored(backend: TransportBackend, work: Work, share: Share, timeout_s: float) -> ScoreResult:
    """Score the groups side by side.

    Returns:
        Scores (N, G) where the request names goals for all, (N,) where each image has its own.

    Raises:
        HttpError: Unknown model.
        VLMRewardsError: As the transport's.
    """
    parameters = work.parameters
    if parameters.goals is not None:
        calls = [
            backend.score_all(parameters.model, frames, parameters.goals, timeout_s, share) for _, frames in work.groups
        ]
    else:
        calls = [
            backend.score(parameters.model, frames, [parameters.goal_per_image[i] for i in places], timeout_s, share)
            for places, frames in work.groups
        ]
    parts = await asyncio.gather(*calls)
    fingerprint = work.one_fingerprint(part.fingerprint for part in parts)
    return ScoreResult(work.joined([part.scores for part in parts]), fingerprint)


def _work(
    is_json: bool,
    body: bytearray,
    limits: HttpLimits,
    share: Share,
    message: type[ScoreRequest] | type[EmbedRequest],
    parameters: type[EmbedParameters],
) -> Reading:
    """Read a body, whose bytes `share` holds, in steps between which the reader can be left.

    Raises:
        AbandonedError: The request has ended.
        HttpError: It is not what its content type says, or beyond a limit.
    """
    if is_json:
        values = read_json(body, limits, share)
        keys = count_keys(body)
        # From here on it is the texts that the share holds.
        body.clear()
        yield
        request = message.parsed(values)
        # No value of a good request is an object, so that all keys are its own.
        if keys != len(values):
            raise HttpError("invalid_request", "a key is there twice", "send each key once")
        del values
        request.check(len(request.images), limits)
        groups = yield from decode_images(request.images, limits, share)
        return Work(request, groups, sum(len(places) for places, _ in groups))
    size = len(body)
    share.hold(size)
    packed = unpack(body, ("frames",))
    body.clear()
    share.give_back(size)
    yield
    frames = packed.arrays["frames"]
    check_request_frames(frames)
    count = count_frames(frames)
    if count > limits.max_images:
        raise HttpError("too_large", f"{count} frames; one request may hold {limits.max_images}")
    limits.check_sizes([(frames.shape[-3], frames.shape[-2])] * count)
    query = parameters.parsed(packed.values)
    query.check(len(frames), limits)
    return Work(query, [(np.arange(len(frames)), frames)], len(frames))
