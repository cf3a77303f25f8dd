"""Cuts frames into passes of few sizes, each proven to give a frame the same embedding to the bit.

Kernels are picked by shape: with torch on a CPU, a frame's embedding differs near 1e-6 between a pass of 4 and one of
8. A cache would then change rewards, since it changes which frames are encoded together. So passes come in fixed sizes
only, shorter rests are padded, and a size is used only if its rows equal those of the largest, whatever their place.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class Passes:
    """Runs an image tower in passes of the given sizes.

    Attributes:
        sizes: Frames in a pass, descending.
    """

    def __init__(self, run: Run, sizes: Sequence[int]) -> None:
        """Take sizes on trust; see `proven`.

        Args:
            run: Embeds uint8 (n, H, W, 3) to float32 (n, D); called with the sizes only.
            sizes: At least one of them.
        """
        self._run = run
        self.sizes = tuple(sorted(sizes, reverse=True))

    @classmethod
    def proven(cls, run: Run, frame_size: tuple[int, int], largest: int, smallest: int = 1) -> "Passes":
        """Keep those of `largest`, its half, its quarter ... `smallest` whose rows are the same to the bit.

        The order in which a kernel sums does not depend on the numbers, so equal rows of noise prove the sizes equal
        for all frames. It takes 3 x `largest` frames at most, since the search ends at the first size that differs.

        Args:
            run: Embeds uint8 (n, H, W, 3) to float32 (n, D).
            frame_size: (H, W) of the frames to try, in pixels.
            largest: Frames in the largest pass, a power of two.
            smallest: Where to end; another power of two.
        """
        probe = np.random.default_rng(0).integers(0, 256, (largest, *frame_size, 3), dtype=np.uint8)
        reference = run(probe)
        if not _same(run(probe[::-1].copy())[::-1], reference):
            return cls(run, [1])  # a row depends on its place: alone, there is only one
        sizes = [largest]
        while sizes[-1] > smallest:
            size = sizes[-1] // 2
            # The last rows: each in another place than in the largest pass.
            if not _same(run(probe[-size:].copy()), reference[-size:]):
                break
            sizes.append(size)
        return cls(run, sizes)

    def __call__(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed uint8 (N, H, W, 3), N of at least 1, to float32 (N, D)."""
        rows, start = [], 0
        for size in plan(len(frames), self.sizes):
            part = frames[start : start + size]
            start += size
            if len(part) < size:
                padding = np.zeros((size - len(part), *frames.shape[1:]), np.uint8)
                rows.append(self._run(np.concatenate([part, padding]))[: len(part)])
            else:
                rows.append(self._run(part))
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


@functools.lru_cache(maxsize=1024)
def plan(frames: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Choose the passes for a number of frames: as few padded frames and passes as there can be.

    Args:
        frames: Number of them.
        sizes: That passes may have, descending.

    Returns:
        Sizes whose sum is at least `frames`; only the last may have to be padded.
    """
    full, rest = divmod(frames, sizes[0])
    return (sizes[0],) * full + _plan_rest(rest, sizes)


def _plan_rest(rest: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not rest:
        return ()
    padded = (min(size for size in sizes if size >= rest),)
    fitting = [size for size in sizes if size <= rest]
    if not fitting:
        return padded
    exact = (fitting[0], *_plan_rest(rest - fitting[0], sizes))
    # A pass costs about as much as one more frame: its share of reading the weights.
    return min(exact, padded, key=lambda passes: sum(passes) + len(passes))


def _same(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> bool:
    """Compare bits, so that a damaged model's NaNs are equal to themselves."""
    return left.tobytes() == right.tobytes()
