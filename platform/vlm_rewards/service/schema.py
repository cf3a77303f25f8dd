"""What crosses the wire between a reward client and a reward service."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders import check_frames
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig


@dataclass(frozen=True)
class ScoreResult:
    """The answer to one request.

    Attributes:
        scores: float32 (N,), p(goal) of each frame in the order sent, in [0, 1].
        fingerprint: of the reward that computed them: weights, preprocessing, prompts, negatives, tau and beta.
    """

    scores: npt.NDArray[np.float32]
    fingerprint: str


@dataclass(frozen=True)
class ReplicaInfo:
    """One replica, for operators and fault tests.

    Attributes:
        pid: process id on its node.
        requests: answered or refused since the replica started.
        frames: scored since the replica started.
        batches: encoder calls since the replica started; frames / batches is the batch fill.
    """

    pid: int
    requests: int
    frames: int
    batches: int


class RewardUserConfig(StrictConfig):
    """The part of a reward that a running service can change: text and thresholds, never weights.

    Serve hands it to every replica as `user_config`, without a restart. What is left out stays as deployed.

    Attributes:
        template: the paper's prompt "A" to "D", or a sentence with [TASK].
        negatives: the other members of the set L of equation 1.
        tau: temperature of equation 1, above 0.
        beta: threshold of equation 2, in [0, 1].
    """

    template: str | None = None
    negatives: NegativesSpec | None = None
    tau: float | None = None
    beta: float | None = None

    def applied_to(self, config: RewardConfig) -> RewardConfig:
        """Returns `config` with these changes.

        Raises:
            ConfigError: a value is not usable.
        """
        changes = {name: getattr(self, name) for name in self.model_fields_set if getattr(self, name) is not None}
        return RewardConfig(**{**{name: getattr(config, name) for name in type(config).model_fields}, **changes})


def check_request(frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> None:
    """Refuses a request that no reward model could answer.

    Args:
        frames: uint8 (N, H, W, 3).
        goal_ids: N ids.

    Raises:
        InvalidFrameError: frames of another dtype or shape.
        ConfigError: not one goal a frame, or a goal id that is no string.
    """
    check_frames(frames)
    if isinstance(goal_ids, str) or not all(isinstance(goal_id, str) for goal_id in goal_ids):
        raise ConfigError(f"goal_ids must be a list of strings, one a frame, not {goal_ids!r:.80}")
    if len(goal_ids) != len(frames):
        raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")
