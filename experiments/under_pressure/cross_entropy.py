"""The scripted searcher: the cross-entropy method over actions, from one start again and again.

De Boer et al. 2005, "A Tutorial on the Cross-Entropy Method": one categorical distribution a step, drawn from, and
moved to what the best of its episodes did.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from experiments.under_pressure.config import CemSpec
from experiments.under_pressure.levels import CEM, Level
from experiments.under_pressure.outcomes import Outcomes

Play = Callable[[int, int, npt.NDArray[np.int64]], Outcomes]
"""Plays episodes (N, T) of actions from a start, as the reward ends and pays them: (start, iteration, actions)."""


class CrossEntropySearch:
    """Searches each start by itself; every iteration is a level.

    Attributes:
        spec: How it searches.
    """

    def __init__(self, spec: CemSpec, steps: int, actions: int, seed: int) -> None:
        """Begin with acting at random.

        Args:
            spec: How to search.
            steps: T.
            actions: Number of discrete actions.
            seed: Of all draws; equal seeds draw alike, whatever reward is searched.
        """
        self.spec = spec
        self._steps, self._actions, self._seed = steps, actions, seed

    def run(
        self, play: Play, starts: int, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[Level]:
        """Search from each start.

        Args:
            play: Plays episodes.
            starts: How many starts there are.
            progress: Called with the number of starts searched and of all.

        Returns:
            A level an iteration: what its episodes are like on average, and how far their distribution is from acting
            at random: KL(search || random) of whole episodes up to their ends, the mean over starts.
        """
        count = self.spec.iterations + 1
        shares, nats = np.zeros((count, starts, 3)), np.zeros((count, starts))
        for start in range(starts):
            rng = np.random.default_rng([self._seed, start])
            chances = np.full((self._steps, self._actions), 1 / self._actions)
            for iteration in range(count):
                drawn = draw(chances, self.spec.population, rng)
                found = play(start, iteration, drawn)
                shares[iteration, start] = [found.paid.mean(), found.true.mean(), found.truth.mean()]
                nats[iteration, start] = divergence(chances, found.end)
                chances = self._moved(chances, drawn, found)
            progress(start + 1, starts)
        tries = self.spec.population * np.arange(1, count + 1)
        return [Level(CEM, int(tries[i]), float(nats[i].mean()), shares[i]) for i in range(count)]

    def _moved(
        self, chances: npt.NDArray[np.float64], drawn: npt.NDArray[np.int64], found: Outcomes
    ) -> npt.NDArray[np.float64]:
        best = np.argsort(-found.value, kind="stable")[: max(1, round(self.spec.elite * len(drawn)))]
        # What an episode did after its end led to nothing: it does not count there.
        lived = np.arange(self._steps) <= found.end[best, None]
        counts = np.zeros_like(chances)
        for actions, alive in zip(drawn[best], lived, strict=True):
            counts[np.flatnonzero(alive), actions[alive]] += 1
        reached = counts.sum(axis=1, keepdims=True)
        to: npt.NDArray[np.float64] = np.divide(counts, reached, out=chances.copy(), where=reached > 0)
        moved: npt.NDArray[np.float64] = (1 - self.spec.smoothing) * chances + self.spec.smoothing * to
        return moved


def draw(chances: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw episodes of actions, int64 (count, T), each step by its own distribution, float64 (T, A)."""
    below = np.cumsum(chances, axis=1)
    below[:, -1] = 1  # rounding must not leave a gap above the last
    picked = rng.random((count, len(chances), 1)) >= below[None]
    actions: npt.NDArray[np.int64] = picked.sum(axis=2).astype(np.int64)
    return actions


def divergence(chances: npt.NDArray[np.float64], end: npt.NDArray[np.int64]) -> float:
    """Return KL(search || random) in nats of episodes that end where these did.

    By the chain rule it is the sum over steps of the divergence at that step, for as long as an episode lasts.

    Args:
        chances: float64 (T, A).
        end: int64 (N,), index of each episode's last step.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(chances > 0, chances * np.log(chances * chances.shape[1]), 0)
    return float(np.cumsum(terms.sum(axis=1))[end].mean())
