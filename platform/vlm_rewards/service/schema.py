"""What crosses the wire between a reward client and a reward service."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.encoder import check_clips
from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig

# The most that one request may hold. Callers send a rollout's frames in pieces long before that; what is larger would
# only crowd everybody else out of a replica's memory.
MAX_REQUEST_BYTES = 256 * 2**20
MAX_REQUEST_GOALS = 4096
MAX_GOAL_ID_LENGTH = 256

# Texts of one request: a text tower on a processor takes from a millisecond to a second for each.
MAX_REQUEST_TEXTS = 256
MAX_TEXT_CHARS = 2000


@dataclass(frozen=True)
class ScoreResult:
    """The answer to one request for scores.

    Attributes:
        scores: float32 (N,), each frame's score for the goal beside it, in the order sent; or (N, G), each frame's
            score for each goal. `RewardDescription` says their range and what reward they are.
        fingerprint: Which reward computed them: weights, preprocessing, prompts, negatives, tau and beta.
    """

    scores: npt.NDArray[np.float32]
    fingerprint: str


@dataclass(frozen=True)
class EmbedResult:
    """The answer to one request for embeddings.

    Attributes:
        embeddings: float32 (N, D), each row of length 1, in the order sent.
        fingerprint: Fingerprint of the encoder that computed them: weights and preprocessing.
    """

    embeddings: npt.NDArray[np.float32]
    fingerprint: str


@dataclass(frozen=True)
class TextResult:
    """The answer to one request to embed texts.

    Attributes:
        embeddings: float32 (M, D), each row of length 1, in the order sent. A row's last bits may depend on what it was
            embedded with; an image's never do.
        fingerprint: That of the encoder, as in `EmbedResult`: their dot products are the cosines of equation 1.
        words: How many tokens of each text are its own, M of them; None where the encoder does not say.
        unknown: How many of those stand for what the tokenizer does not know, M of them; None likewise.
    """

    embeddings: npt.NDArray[np.float32]
    fingerprint: str
    words: tuple[int, ...] | None = None
    unknown: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ReplicaInfo:
    """One replica, for operators and fault tests.

    Attributes:
        pid: Process id on its node.
        requests: Answered or refused since the replica started.
        frames: Scored or embedded since the replica started.
        batches: Batches since the replica started; frames / batches is the batch fill.
        cache_hits: Frames that were not encoded, as their embedding was known; 0 without a cache.
        cache_misses: Frames that had to be encoded, counted by the cache; 0 without one.
        refused: Why the last `user_config` was refused; empty where it holds.
    """

    pid: int
    requests: int
    frames: int
    batches: int
    cache_hits: int = 0
    cache_misses: int = 0
    refused: str = ""


class RewardUserConfig(StrictConfig):
    """The part of a reward that a running service can change: text and thresholds, never weights.

    Serve hands it to every replica as `user_config`, without a restart. What is left out stays as deployed.

    Attributes:
        template: The paper's prompt "A" to "D", or a sentence with [TASK].
        negatives: The other members of the set L of equation 1.
        tau: Temperature of equation 1, above 0.
        beta: Threshold of equation 2, in [0, 1].
    """

    template: str | None = None
    negatives: NegativesSpec | None = None
    tau: float | None = None
    beta: float | None = None

    def applied_to(self, config: RewardConfig) -> RewardConfig:
        """Return `config` with these changes.

        Raises:
            ConfigError: A value is not usable.
        """
        changes = {name: getattr(self, name) for name in self.model_fields_set if getattr(self, name) is not None}
        return RewardConfig(**{**{name: getattr(config, name) for name in type(config).model_fields}, **changes})


def count_frames(frames: npt.NDArray[np.uint8]) -> int:
    """Return how many images an array holds: N of (N, H, W, 3), or N x T of clips (N, T, H, W, 3)."""
    return math.prod(frames.shape[:-3])


def check_request_frames(frames: npt.NDArray[np.uint8]) -> None:
    """Refuse frames that no encoder could read, or that are too many for one request.

    Args:
        frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).

    Raises:
        InvalidFrameError: Another dtype or shape, or more than `MAX_REQUEST_BYTES`.
    """
    check_clips(frames)
    if frames.nbytes > MAX_REQUEST_BYTES:
        raise InvalidFrameError(
            f"a request of {frames.nbytes / 2**20:.0f} MiB is above the limit of {MAX_REQUEST_BYTES // 2**20} MiB; "
            "send the frames in several requests, or render them at the reward's image size"
        )


def check_request(frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> None:
    """Refuse a request for one score a frame that no reward model could answer.

    Args:
        frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
        goal_ids: N ids.

    Raises:
        InvalidFrameError: Frames of another dtype or shape, or too many.
        ConfigError: Not one goal a frame, or a goal id that is no string.
    """
    check_request_frames(frames)
    _check_goal_ids(goal_ids)
    if len(goal_ids) != len(frames):
        raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")


def check_all_goals_request(frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> None:
    """Refuse a request for every frame's score for every goal that no reward model could answer.

    Args:
        frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
        goal_ids: G ids.

    Raises:
        InvalidFrameError: Frames of another dtype or shape, or too many.
        ConfigError: A goal id that is no string, or more than `MAX_REQUEST_GOALS` of them.
    """
    check_request_frames(frames)
    _check_goal_ids(goal_ids)
    if len(goal_ids) > MAX_REQUEST_GOALS:
        raise ConfigError(
            f"a request for {len(goal_ids)} goals is too large, the limit is {MAX_REQUEST_GOALS}; send several requests"
        )


def check_texts_request(texts: Sequence[str]) -> None:
    """Refuse texts that no encoder should read.

    Args:
        texts: M texts.

    Raises:
        ConfigError: More than `MAX_REQUEST_TEXTS`, or one that is no text, blank, or of more than `MAX_TEXT_CHARS`.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"texts must be a list of strings, not {texts!r:.80}")
    if len(texts) > MAX_REQUEST_TEXTS:
        raise ConfigError(
            f"a request for {len(texts)} texts is too large, the limit is {MAX_REQUEST_TEXTS}; send several requests"
        )
    for index, text in enumerate(texts):
        if not text.strip():
            raise ConfigError(f"text {index} is empty; leave it out, or write what the picture should show")
        if len(text) > MAX_TEXT_CHARS:
            raise ConfigError(f"text {index} has {len(text)} characters; use at most {MAX_TEXT_CHARS}")


def _check_goal_ids(goal_ids: Sequence[str]) -> None:
    if isinstance(goal_ids, str) or not all(isinstance(goal_id, str) for goal_id in goal_ids):
        raise ConfigError(f"goal_ids must be a list of strings, not {goal_ids!r:.80}")
    longest = max((len(goal_id) for goal_id in goal_ids), default=0)
    if longest > MAX_GOAL_ID_LENGTH:
        raise ConfigError(
            f"a goal id has {longest} characters, the limit is {MAX_GOAL_ID_LENGTH}; `describe` lists them"
        )
