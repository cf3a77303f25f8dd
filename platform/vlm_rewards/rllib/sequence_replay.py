"""A replay that gives stretches of episodes instead of single steps: for returns and models that look ahead."""

from typing import Any

import numpy as np
import numpy.typing as npt
from ray.rllib.core.columns import Columns

from vlm_rewards.rllib.eye import EYE_MASK, EYE_TARGETS
from vlm_rewards.rllib.replay import Batch, EpisodeReplay

ENDS = "ends"
"""Where an episode ends for good with the step, bool (B, T)."""

TAKEN = "taken"
"""Which steps there are: those that were taken, before the episode was over, bool (B, T)."""


class SequenceReplay(EpisodeReplay):
    """Draws windows of T steps: an episode, a step of it, and the T - 1 steps that follow.

    Attributes:
        window: Steps of a window, T.
        newest_share: Share of the windows that is drawn from the newest episodes, which are nearly on-policy: as many
            episodes as hold the steps of one batch. The others are drawn from all.
    """

    def __init__(self, *args: Any, window: int, newest_share: float, **kwargs: Any) -> None:
        """Allocate the memory, all of it.

        Args:
            args: Those of `EpisodeReplay`.
            window: Steps of a window, T.
            newest_share: Share of the windows drawn from the newest episodes, in [0, 1].
            kwargs: Those of `EpisodeReplay`.

        Raises:
            ConfigError: Hindsight without goals to relabel with.
        """
        super().__init__(*args, **kwargs)
        self.window, self.newest_share = window, newest_share

    def sample(self, size: int) -> Batch:
        """Draw windows.

        Args:
            size: Steps in all; max(1, size // T) windows are drawn, B.

        Returns:
            `obs` of T + 1 states a window, with `image` uint8 (B, T + 1, H, W, 3), `goal` int64 (B, T + 1,
            GOAL_LENGTH), and `past_actions` int64 (B, T + 1, K) where the agent is shown them; `actions` int64 (B, T);
            `rewards` float32 (B, T), of arriving at the next state; `action_logp` float32 (B, T), of the policy that
            took them; `TAKEN` and `ENDS`, bool (B, T). With captions also `EYE_TARGETS` float32 (B, T + 1, K) and
            `EYE_MASK` bool (B, T + 1). A window has one goal. What lies after its last step repeats the last state.
        """
        assert self._count, "nothing to draw from yet"
        rng, columns = self._rng, self._columns
        count = max(1, size // self.window)
        row = self._drawn_rows(count, size)
        start, length = self._starts[row], self._lengths[row]
        first = (rng.random(count) * length).astype(np.int64)
        # (B, T + 1), held at the episode's last state.
        step = np.minimum(first[:, None] + np.arange(self.window + 1), length[:, None])
        slot = start[:, None] + step
        goal, tokens = self._drawn_goals(slot[:, 0])
        inside = first[:, None] + np.arange(self.window) < length[:, None]
        rewards, ends = self._arrivals(slot[:, 1:], goal)
        ends = ends & inside
        # Nothing is taken after an end, which for a relabelled window is where its own goal is achieved.
        taken = inside & (np.cumsum(ends, axis=1) - ends == 0)
        batch: Batch = {
            Columns.OBS: self._observations(slot, np.broadcast_to(tokens[:, None], (*slot.shape, tokens.shape[-1]))),
            Columns.ACTIONS: columns["action"][slot[:, :-1]].astype(np.int64),
            Columns.REWARDS: rewards * taken,
            Columns.ACTION_LOGP: columns["log_prob"][slot[:, :-1]],
            ENDS: ends & taken,
            TAKEN: taken,
        }
        if self._goals is not None and self._goals.captions is not None:
            batch[EYE_TARGETS] = np.einsum("btd,bkd->btk", columns["embedding"][slot], self._goals.captions[goal])
            # No embedding is known of an episode's first state; what repeats the last one counts once.
            seen = first[:, None] + np.arange(self.window + 1) <= length[:, None]
            batch[EYE_MASK] = seen & (step > 0)
        return batch

    def _drawn_rows(self, count: int, steps: int) -> npt.NDArray[np.int64]:
        """Return (B,) places of episodes; the newest hold at least `steps` steps, or are all there are."""
        held = np.cumsum(self._lengths[self._ring()][::-1])
        newest = min(self._count, int(np.searchsorted(held, steps)) + 1)
        kept = np.where(self._rng.random(count) < self.newest_share, newest, self._count)
        back = (self._rng.random(count) * kept).astype(np.int64)
        return (self._first + self._count - 1 - back) % len(self._starts)
