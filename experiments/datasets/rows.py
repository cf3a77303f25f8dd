"""The rows of a collected dataset, whatever the domain."""

import io
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from PIL import Image

#: Columns of the dataset. `image` is the reward frame as PNG bytes, drawn after the action (step 0: after the reset).
SCHEMA = pa.schema(
    [
        ("trajectory", pa.int32()),
        ("step", pa.int32()),
        ("family", pa.string()),
        ("goal_id", pa.string()),
        ("instruction", pa.string()),
        ("subject", pa.string()),
        ("policy", pa.string()),
        ("home_seed", pa.int32()),  # of the home; on the phone, of what the screens show
        ("action", pa.int8()),  # that led here; -1 at step 0
        ("reward", pa.float32()),  # ground truth: 1 where the goal first holds
        ("goal_achieved", pa.bool_()),  # the goal holds in this state
        ("is_success", pa.bool_()),  # it has held by now
        ("image", pa.binary()),
    ]
)


class DrawsRewardFrames(Protocol):
    """What rows need of an environment."""

    def reward_frame(self) -> np.ndarray:
        """Draw the present state for the reward model, uint8 (h, w, 3)."""
        ...


def check_shares(shares: Mapping[str, float], known: Iterable[str]) -> None:
    """Refuse shares of policies that do not exist, or that do not sum to 1.

    Raises:
        ValueError: As pydantic's validators raise it.
    """
    known = tuple(known)
    if set(shares) - set(known) or abs(sum(shares.values()) - 1.0) > 1e-6:
        raise ValueError(f"policies must be shares of {', '.join(known)} that sum to 1")


def draw_policy(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    """Return a policy's name, drawn by the shares."""
    names = list(shares)
    return names[int(rng.choice(len(names), p=[shares[name] for name in names]))]


def state_row(
    env: DrawsRewardFrames, fixed: dict[str, Any], step: int, action: int, reward: float, info: dict[str, Any]
) -> dict[str, Any]:
    """Return the row of an environment's present state.

    Args:
        env: Drawn as it is.
        fixed: The columns that stay the same in a trajectory.
        step: Number of the state, 0 after the reset.
        action: That led here; -1 at step 0.
        reward: Ground truth of that action.
        info: Info of the environment's last step or reset.
    """
    return {
        **fixed,
        "step": step,
        "action": action,
        "reward": reward,
        "goal_achieved": info["goal_achieved"],
        "is_success": info["is_success"],
        "image": png(env.reward_frame()),
    }


def png(frame: np.ndarray) -> bytes:
    """Return a frame uint8 (h, w, 3) as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=6)
    return buffer.getvalue()
