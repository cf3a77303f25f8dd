"""Rewards without a service."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.reward_model import RewardDescription, RewardModel
from vlm_rewards.service.schema import EmbedResult, ScoreResult


class InProcessTransport:
    """Calls a reward model in this process: for notebooks, single-process runs and tests.

    A forward cannot be interrupted, so timeouts have no effect here.
    """

    def __init__(self, reward_model: RewardModel) -> None:
        """Wraps a loaded model.

        Args:
            reward_model: called by one thread at a time.
        """
        self._reward_model = reward_model
        self._lock = threading.Lock()

    def connect(self, timeout_s: float) -> None:
        """Does nothing: the model is here."""

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Scores frames; see `Transport.score`."""
        with self._lock:
            return ScoreResult(self._reward_model.score(frames, goal_ids), self._reward_model.fingerprint)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Scores each frame against each goal; see `Transport.score_all`."""
        with self._lock:
            return ScoreResult(self._reward_model.score_all(frames, goal_ids), self._reward_model.fingerprint)

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embeds frames; see `Transport.embed`."""
        with self._lock:
            return EmbedResult(self._reward_model.embed(frames), self._reward_model.encoder.fingerprint)

    def describe(self, timeout_s: float) -> RewardDescription:
        """Returns the model's description."""
        return self._reward_model.describe()

    def __getstate__(self) -> dict:
        return {"reward_model": self._reward_model}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]
