"""The seam between the reward client and whatever carries its requests."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.schema import EmbedResult, ScoreResult, TextResult


class Transport(Protocol):
    """Carries one request to a reward service and its answer back, once.

    A transport neither retries nor checks answers: `RewardClient` does. It turns whatever goes wrong on its way into
    this library's errors, whose `retryable` says what may be sent again. It can be pickled before and after use, and
    used from several threads. `tests/vlm_rewards/service/test_transport_conformance.py` holds what each must do.
    """

    def connect(self, timeout_s: float) -> None:
        """Find the service; called before the first request, and harmless afterwards.

        Raises:
            RewardServiceUnavailableError: There is no such service.
            RewardTimeoutError: It could not be asked in time.
        """
        ...

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: N ids.
            timeout_s: Seconds to wait for the answer.

        Returns:
            The service's answer as it came.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
            ConfigError: Unknown goal, or not one goal a frame.
            NonFiniteRewardError: A score is not finite.
            RewardServiceUnavailableError: The service, or the replica that held the request, is gone.
            RewardTimeoutError: No answer in time.
            RewardOverloadedError: The service refused for lack of room.
            RewardServiceError: The service failed at this request.
        """
        ...

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score each frame against each goal; the frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: G ids.
            timeout_s: Seconds to wait for the answer.

        Returns:
            The service's answer as it came, scores (N, G).

        Raises:
            RewardServiceError: As for `score`, and the other errors named there.
        """
        ...

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embed frames.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            timeout_s: Seconds to wait for the answer.

        Returns:
            The service's answer as it came.

        Raises:
            RewardServiceError: As for `score`, and the other errors named there.
        """
        ...

    def embed_texts(self, texts: Sequence[str], timeout_s: float) -> TextResult:
        """Embed texts that need be no goals of the service.

        Args:
            texts: At most `MAX_REQUEST_TEXTS`, none of them blank.
            timeout_s: Seconds to wait for the answer.

        Returns:
            The service's answer as it came.

        Raises:
            ConfigError: Too many texts, or one that is blank or too long.
            RewardServiceError: As for `score`, and the other errors named there.
        """
        ...

    def describe(self, timeout_s: float) -> RewardDescription:
        """Return what the service computes.

        Raises:
            RewardServiceError: As for `score`.
        """
        ...
