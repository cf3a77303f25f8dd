"""The plain reward form: the cosine of frame and goal."""

import numpy as np
import numpy.typing as npt


def cosine(images: np.ndarray, text: np.ndarray) -> npt.NDArray[np.float32]:
    """Return the cosine similarity f(o)·g(l).

    Computed in float64 and row by row in a fixed order, so a row's result does not depend on the other rows.

    Args:
        images: float (N, D) embeddings f(o), L2-normalised.
        text: float (D,) embedding g(l) of the goal, L2-normalised.

    Returns:
        float32 (N,), in [-1, 1].
    """
    similarities = np.einsum("nd,d->n", np.asarray(images, np.float64), np.asarray(text, np.float64), optimize=False)
    result: npt.NDArray[np.float32] = np.clip(similarities, -1, 1).astype(np.float32)
    return result
