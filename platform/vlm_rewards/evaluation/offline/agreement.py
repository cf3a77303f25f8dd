"""Whether a faster arithmetic gives the rewards of fp32, frame by frame."""

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.proof.agreement import RewardAgreement
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.precision_recall import average_precision


def compare_scores(
    reward: str,
    key: str,
    dataset: str,
    fp32_scores: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    labels: npt.NDArray[np.bool_],
    beta: float,
) -> RewardAgreement:
    """Compare two scorings of the same frames.

    Args:
        reward: What it is called in the record.
        key: Its `RewardConfig.agreement_key`.
        dataset: Whose frames these are.
        fp32_scores: float32 (N,), p(goal) of equation 1 in fp32.
        scores: float32 (N,), the same in another precision.
        labels: bool (N,), whether the goal is reached.
        beta: Threshold of equation 2, in [0, 1].

    Raises:
        ConfigError: The scores are not of the same frames, or labels have no positive or no negative.
    """
    if not len(fp32_scores) == len(scores) == len(labels):
        raise ConfigError(f"{len(fp32_scores)}, {len(scores)} and {len(labels)} scores and labels; give one a frame")
    limit = np.float32(beta)
    expected = np.asarray(fp32_scores, np.float32) > limit
    return RewardAgreement(
        reward=reward,
        key=key,
        dataset=dataset,
        frames=len(labels),
        rewarded=int(expected.sum()),
        differing=int((expected != (np.asarray(scores, np.float32) > limit)).sum()),
        average_precision=round(float(average_precision(scores, labels)), 6),
        fp32_average_precision=round(float(average_precision(fp32_scores, labels)), 6),
    )
