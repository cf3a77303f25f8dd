"""Hard negatives: captions that differ from a true one by a word or two."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Words that change with their neighbour and carry no meaning of their own.
_ARTICLES = {"a", "an"}
_MOST_NEIGHBOURS = 64


class CaptionEdits:
    """For each caption of a collection, the others that one edit turns it into.

    An edit replaces one word, or two that follow each other: "a red mug close up" becomes "a blue mug close up",
    "a red drum close up", or "a red mug far away". Only captions that the collection holds are used, so an edit is a
    sentence that is true of some other image. Batches seldom bring such pairs together by chance, and without them a
    model learns to tell rooms apart before it learns colours.
    """

    def __init__(self, captions: Sequence[str], seed: int = 0) -> None:
        """Find the neighbours of all captions.

        Args:
            captions: Distinct sentences.
            seed: Which neighbours are kept where there are more than 64.
        """
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        keys: list[list[tuple[str, ...]]] = []
        for index, caption in enumerate(captions):
            words = ["a" if word in _ARTICLES else word for word in caption.split()]
            own = [
                (*words[:at], *["*"] * width, *words[at + width :])
                for width in (1, 2)
                for at in range(len(words) - width + 1)
            ]
            keys.append(own)
            for key in own:
                groups[key].append(index)
        rng = np.random.default_rng([seed, 3])
        self._neighbours: list[npt.NDArray[np.int64]] = []
        for index, own in enumerate(keys):
            found = sorted({other for key in own for other in groups[key]} - {index})
            if len(found) > _MOST_NEIGHBOURS:
                found = sorted(rng.choice(found, _MOST_NEIGHBOURS, replace=False).tolist())
            self._neighbours.append(np.array(found, np.int64))

    def neighbours(self, caption: int) -> npt.NDArray[np.int64]:
        """Return the indices of the captions one edit away from that with index `caption`, rising, int64 (n,)."""
        return self._neighbours[caption]

    def draw(self, captions: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Return one random neighbour of each caption that has any.

        Args:
            captions: int64 (M,), indices.
            rng: Decides which.

        Returns:
            int64 (m,), indices; m of at most M.
        """
        drawn = [
            int(neighbours[int(rng.integers(len(neighbours)))])
            for neighbours in (self._neighbours[int(caption)] for caption in captions)
            if len(neighbours)
        ]
        return np.array(drawn, np.int64)
