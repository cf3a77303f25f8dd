"""The seam between the reward client and whatever carries its requests."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.schema import EmbedResult, ScoreResult


class Transport(Protocol):
    """Carries one request to a reward service and its answer back, once.

    A transport neither retries nor checks answers: `RewardClient` does. It turns whatever goes wrong on its way into
    this library's errors, whose `retryable` says what may be sent again. It can be pickled before and after use, and
    used from several threads. `tests/vlm_rewards/service/test_transport_conformance.py` holds what each must do.
    """

    def connect(self, timeout_s: float) -> None:
        """Finds the service; called before the first request, and harmless afterwards.

        Raises:
            RewardServiceUnavailableError: there is no such service.
            RewardTimeoutError: it could not be asked in time.
        """
        ...

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Scores frames.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: N ids.
            timeout_s: seconds to wait for the answer.

        Returns:
            The service's answer as it came.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal, or not one goal a frame.
            NonFiniteRewardError: a score is not finite.
            RewardServiceUnavailableError: the service, or the replica that held the request, is gone.
            RewardTimeoutError: no answer in time.
            RewardOverloadedError: the service refused for lack of room.
            RewardServiceError: the service failed at this request.
        """
        ...

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Scores each frame against each goal; the frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: G ids.
            timeout_s: seconds to wait for the answer.

        Returns:
            The service's answer as it came, scores (N, G).

        Raises:
            RewardServiceError: as for `score`, and the other errors named there.
        """
        ...

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embeds frames.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            timeout_s: seconds to wait for the answer.

        Returns:
            The service's answer as it came.

        Raises:
            RewardServiceError: as for `score`, and the other errors named there.
        """
        ...

    def describe(self, timeout_s: float) -> RewardDescription:
        """Returns what the service computes.

        Raises:
            RewardServiceError: as for `score`.
        """
        ...
