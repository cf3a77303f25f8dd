"""Goal-baseline regularisation: the dense reward form of Rocamonde et al. 2023 (VLM-RMs, arXiv 2310.12921)."""

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError

# Below this length the line through goal and baseline has no direction that could be trusted.
_SHORTEST = 1e-4


def check_alpha(alpha: float) -> float:
    """Return `alpha` if it can weigh the projection.

    Raises:
        ConfigError: Outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha must lie in [0, 1], not {alpha}; 0 is the plain cosine, 1 the projection alone")
    return float(alpha)


def goal_baseline(images: np.ndarray, goal: np.ndarray, baseline: np.ndarray, alpha: float) -> npt.NDArray[np.float32]:
    """Reward 1 - |alpha proj_L s + (1 - alpha) s - g|^2 / 2, definition 1 of the paper.

    L is the line through the goal g and the baseline b, a description of the scene without the goal: what of a frame s
    lies across it says nothing about the goal, and is damped. With alpha 0 this is the cosine of s and g.

    Computed in float64 and row by row in a fixed order, so a row's result does not depend on the other rows.

    Args:
        images: float (N, D) embeddings s, L2-normalised.
        goal: float (D,) embedding g, L2-normalised.
        baseline: float (D,) embedding b, L2-normalised.
        alpha: Strength of the regularisation, in [0, 1].

    Returns:
        float32 (N,), in [-1, 1]; 1 where s is g.

    Raises:
        ConfigError: Alpha lies outside [0, 1], or goal and baseline are the same.
    """
    check_alpha(alpha)
    target = np.asarray(goal, np.float64)
    direction = target - np.asarray(baseline, np.float64)
    length = float(np.sqrt(np.sum(direction**2)))
    if length < _SHORTEST:
        raise ConfigError("the goal and its baseline have the same embedding; describe the scene without the goal")
    direction /= length
    # g lies on L, so proj_L s - g is the projection of s - g on L's direction.
    offsets = np.asarray(images, np.float64) - target
    along = np.einsum("nd,d->n", offsets, direction, optimize=False)
    gaps = alpha * along[:, None] * direction + (1 - alpha) * offsets
    result: npt.NDArray[np.float32] = np.clip(1 - np.einsum("nd,nd->n", gaps, gaps, optimize=False) / 2, -1, 1).astype(
        np.float32
    )
    return result
