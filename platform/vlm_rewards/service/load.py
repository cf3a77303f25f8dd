"""What a replica knows of its own load: frames that wait, how fast they come, how fast they can go."""

import math
from collections.abc import Callable

# Arrivals older than this many seconds hardly count.
_MEMORY_S = 10.0
# Weight of the last batch in the mean of its size's kind.
_NEWEST = 0.2


class LoadMeter:
    """Measures the load of one replica, in frames.

    From the batches it has seen it learns what one takes: seconds = fixed + per_frame x frames, a least squares line
    through the means of batches of similar size. A batch of one frame on an accelerator costs nearly as much as a full
    one, so what counts for capacity is the full batch on that line and not the frames of the half-empty ones. Sizes
    that have become rare are remembered: they are what tells the two costs apart. Used by one thread.

    Attributes:
        waiting_frames: Frames admitted and not yet answered, those in the encoder included.
        waiting_bytes: Memory that they take.
    """

    def __init__(self, max_batch_frames: int, clock: Callable[[], float]) -> None:
        """Make a meter that has seen nothing.

        Args:
            max_batch_frames: Frames of a full batch.
            clock: Seconds, never going back, as `time.monotonic`.
        """
        self.waiting_frames = 0
        self.waiting_bytes = 0
        self._max_batch_frames = max_batch_frames
        self._clock = clock
        self._started = self._decayed_at = clock()
        self._last_arrival = self._started - 1e9
        # Exponentially weighted sums over arrivals.
        self._arrived = self._requests = 0.0
        # By the power of two of their size: mean frames and seconds of batches.
        self._batches: dict[int, tuple[float, float]] = {}

    def arrive(self, frames: int, size: int) -> None:
        """Note an admitted request of so many frames and bytes."""
        self._decay()
        self._last_arrival = self._clock()
        self.waiting_frames += frames
        self.waiting_bytes += size
        self._arrived += frames
        self._requests += 1

    def leave(self, frames: int, size: int) -> None:
        """Note that the request was answered or given up."""
        self.waiting_frames -= frames
        self.waiting_bytes -= size

    def batch(self, frames: int, seconds: float) -> None:
        """Note a batch and what it took."""
        kind = frames.bit_length()
        n, t = self._batches.get(kind, (frames, seconds))
        self._batches[kind] = n + _NEWEST * (frames - n), t + _NEWEST * (seconds - t)

    @property
    def frames_per_second(self) -> float:
        """Frames a second that full batches would answer; infinite before the first batch."""
        if not self._batches:
            return math.inf
        means = list(self._batches.values())
        n, t = (sum(values) / len(means) for values in zip(*means, strict=True))
        spread = sum((frames - n) ** 2 for frames, _ in means)
        # Batches of one size say nothing of the fixed part: then all counts as time per frame, which is the safe side.
        slope = sum((frames - n) * (seconds - t) for frames, seconds in means) / spread if spread else math.inf
        slope = min(max(slope, 0.0), min(seconds / frames for frames, seconds in means))
        full_batch_s = t + slope * (self._max_batch_frames - n)
        result: float = self._max_batch_frames / max(full_batch_s, 1e-9)
        return result

    @property
    def wait_s(self) -> float:
        """Seconds until what waits now will be answered; 0 while nothing waits or nothing is known."""
        return self.waiting_frames / self.frames_per_second if self.waiting_frames else 0.0

    @property
    def busy_replicas(self) -> float:
        """How many replicas of this kind the frames that arrive here would keep busy all the time."""
        self._decay()
        since = min(_MEMORY_S, max(self._clock() - self._started, 1e-3))
        return self._arrived / since / self.frames_per_second

    @property
    def frames_per_request(self) -> float:
        """Mean number of frames over the last requests; 1 before the first."""
        return self._arrived / self._requests if self._requests > 1e-6 else 1.0

    @property
    def idle_s(self) -> float:
        """Seconds since the last request came; a billion before the first."""
        return self._clock() - self._last_arrival

    def _decay(self) -> None:
        now = self._clock()
        factor = math.exp(-(now - self._decayed_at) / _MEMORY_S)
        self._decayed_at = now
        self._arrived *= factor
        self._requests *= factor
