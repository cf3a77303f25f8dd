"""Which caption wins where a goal's own should: per-goal confusion of a contrastive reward."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass
class GoalConfusion:
    """What goes wrong with one goal.

    Attributes:
        goal_id: The goal.
        positives: States that have reached it.
        missed: Those among them in which a negative is more similar than the goal's own prompt.
        false_positives: Rewarded states that have not reached it.
        states: All of its states.
        winners: Negatives that won the missed states, with how often.
        runners_up: In the false positives, the negative nearest to winning: what the state may have been taken for
            had the goal's prompt been weaker.
    """

    goal_id: str
    positives: int = 0
    missed: int = 0
    false_positives: int = 0
    states: int = 0
    winners: Counter[str] = field(default_factory=Counter)
    runners_up: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        prompts: Sequence[str],
        labels: npt.NDArray[np.bool_],
        rewarded: npt.NDArray[np.bool_],
    ) -> None:
        """Count states of this goal.

        Args:
            images: float32 (N, D), embeddings of length 1.
            texts: float32 (K, D), embeddings of length 1 of the set L of equation 1; row 0 is the goal's, K > 1.
            prompts: The K captions.
            labels: bool (N,), whether the state has reached the goal.
            rewarded: bool (N,), whether the reward fires.
        """
        similarities = np.asarray(images, np.float32) @ np.asarray(texts, np.float32).T
        best = 1 + similarities[:, 1:].argmax(axis=1)
        lost = similarities[np.arange(len(best)), best] > similarities[:, 0]
        self.states += len(images)
        self.positives += int(labels.sum())
        self.missed += int((labels & lost).sum())
        self.false_positives += int((rewarded & ~labels).sum())
        self.winners.update(prompts[i] for i in best[labels & lost])
        self.runners_up.update(prompts[i] for i in best[rewarded & ~labels])

    def row(self) -> dict[str, str | int]:
        """Return one table row: the counts, and the most frequent winner and runner-up."""
        winner, wins = (self.winners.most_common(1) or [("", 0)])[0]
        runner_up, times = (self.runners_up.most_common(1) or [("", 0)])[0]
        return {
            "goal_id": self.goal_id,
            "states": self.states,
            "positives": self.positives,
            "missed": self.missed,
            "most_frequent_winner": winner,
            "wins": wins,
            "false_positives": self.false_positives,
            "most_frequent_runner_up": runner_up,
            "times": times,
        }


def worst_first(confusions: Iterable[GoalConfusion]) -> list[GoalConfusion]:
    """Return goals by falling number of false positives, then of missed states: what hurts an agent most is first."""
    return sorted(confusions, key=lambda goal: (-goal.false_positives, -goal.missed, goal.goal_id))
