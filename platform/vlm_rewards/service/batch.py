"""Answering a batch of requests of all kinds with one encoder call."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import NonFiniteRewardError, RewardServiceError, VLMRewardsError
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service.schema import EmbedResult, ScoreResult, count_frames

Kind = Literal["score", "score_all", "embed"]
Answer = ScoreResult | EmbedResult | VLMRewardsError


@dataclass
class Request:
    """A checked request, or a piece of one.

    Attributes:
        kind: What is asked: one score a frame, all goals' scores for each frame, or embeddings.
        frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
        goal_ids: N for "score", G for "score_all", none for "embed".
        arrived: When it came, in seconds of `time.monotonic`.
        weight: Frames that count against the limit of a batch.
    """

    kind: Kind
    frames: npt.NDArray[np.uint8]
    goal_ids: Sequence[str]
    arrived: float = field(default_factory=time.monotonic)
    weight: int = 0

    @property
    def size(self) -> int:
        """Frames in it, by which batches are counted."""
        return count_frames(self.frames)

    @property
    def wanted(self) -> list[Sequence[str] | None]:
        """For each row the goals that it is to be scored for; None where the embedding itself is wanted."""
        if self.kind == "score":
            return [(goal_id,) for goal_id in self.goal_ids]
        return [self.goal_ids if self.kind == "score_all" else None] * len(self.frames)

    def pieces(self, most_frames: int) -> "list[Request]":
        """Cut it along its first axis into requests of at most so many frames, or of one row if that holds more."""
        rows = len(self.frames)
        step = max(1, most_frames * rows // max(self.size, 1)) if rows else 1
        return [
            Request(
                self.kind,
                self.frames[start : start + step],
                self.goal_ids[start : start + step] if self.kind == "score" else self.goal_ids,
                self.arrived,
                # One clip longer than a batch still is one: it cannot be cut.
                weight=min(most_frames, max(1, self.size // max(rows, 1)) * min(step, rows - start)),
            )
            for start in range(0, max(rows, 1), step)
        ]


def answer_batch(model: RewardModel, requests: Sequence[Request], failed: Callable[[Exception], None]) -> list[Answer]:
    """Answer each request; embedding is the work that they share: one call for all of one shape.

    What one request does wrong never spoils another: where the shared call fails, each is embedded alone.

    Args:
        model: Answers them.
        requests: Requests of any kinds and frame sizes.
        failed: Told of each error that is not of this library's, which is no fault of a request.

    Returns:
        For each request its answer, or the error to raise: one of this library's, since the caller may lack others.
    """
    answers: dict[int, Answer] = {}
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, request in enumerate(requests):
        by_shape.setdefault(request.frames.shape[1:], []).append(index)
    for indices in by_shape.values():
        group = [requests[index] for index in indices]
        try:
            parts: list[npt.NDArray[np.float32] | Exception] = list(_embed(model, group))
        except Exception:
            parts = [_embedded_alone(model, request) for request in group]
        for index, part in zip(indices, parts, strict=True):
            try:
                if isinstance(part, Exception):
                    raise part
                answers[index] = _answer(model, requests[index], part)
            except VLMRewardsError as error:
                answers[index] = error
            except Exception as error:
                failed(error)
                answers[index] = RewardServiceError(
                    f"the reward model failed in its replica ({_one_line(error)}); its log has the traceback"
                )
    return [answers[index] for index in range(len(requests))]


def _embed(model: RewardModel, group: Sequence[Request]) -> list[npt.NDArray[np.float32]]:
    frames = group[0].frames if len(group) == 1 else np.concatenate([request.frames for request in group])
    wanted = [goal_ids for request in group for goal_ids in request.wanted]
    ends = np.cumsum([len(request.frames) for request in group])
    return np.split(model.embed_for(frames, wanted), ends[:-1])


def _embedded_alone(model: RewardModel, request: Request) -> npt.NDArray[np.float32] | Exception:
    try:
        return _embed(model, [request])[0]
    except Exception as error:
        return error


def _answer(model: RewardModel, request: Request, embeddings: npt.NDArray[np.float32]) -> ScoreResult | EmbedResult:
    if request.kind == "embed":
        if not np.isfinite(embeddings).all():
            raise NonFiniteRewardError(
                f"{int((~np.isfinite(embeddings)).any(axis=1).sum())} of {len(embeddings)} embeddings are not finite; "
                "check the served model's weights and precision"
            )
        # A copy, for a view would keep the whole batch in memory until the answer is sent.
        return EmbedResult(embeddings.copy(), model.encoder.fingerprint)
    if request.kind == "score":
        return ScoreResult(model.score_embeddings(embeddings, request.goal_ids), model.fingerprint)
    return ScoreResult(model.score_all_embeddings(embeddings, request.goal_ids), model.fingerprint)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
