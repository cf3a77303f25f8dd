"""What a replica knows of its own load: frames that wait, how fast they come, how fast they can go."""

import math
from collections.abc import Callable

# Arrivals and batch times older than this many seconds hardly count.
_MEMORY_S = 10.0


class LoadMeter:
    """Measures the load of one replica, in frames.

    From the batches it has seen it learns what one takes: seconds = fixed + per_frame x frames, a weighted least
    squares line. A batch of one frame on an accelerator costs nearly as much as a full one, so what counts for capacity
    is the full batch on that line and not the frames of the half-empty ones. Used by one thread.

    Attributes:
        waiting_frames: frames admitted and not yet answered, those in the encoder included.
        waiting_bytes: memory that they take.
    """

    def __init__(self, max_batch_frames: int, clock: Callable[[], float]) -> None:
        """Makes a meter that has seen nothing.

        Args:
            max_batch_frames: frames of a full batch.
            clock: seconds, never going back, as `time.monotonic`.
        """
        self.waiting_frames = 0
        self.waiting_bytes = 0
        self._max_batch_frames = max_batch_frames
        self._clock = clock
        self._started = self._decayed_at = clock()
        self._last_arrival = self._started - 1e9
        # Exponentially weighted sums over arrivals: frames, requests; over batches: weight, n, t, n squared, n t.
        self._arrived = self._requests = 0.0
        self._batches = [0.0] * 5

    def arrive(self, frames: int, size: int) -> None:
        """Notes an admitted request of so many frames and bytes."""
        self._decay()
        self._last_arrival = self._clock()
        self.waiting_frames += frames
        self.waiting_bytes += size
        self._arrived += frames
        self._requests += 1

    def leave(self, frames: int, size: int) -> None:
        """Notes that the request was answered or given up."""
        self.waiting_frames -= frames
        self.waiting_bytes -= size

    def batch(self, frames: int, seconds: float) -> None:
        """Notes a batch and what it took."""
        self._decay()
        for index, value in enumerate((1.0, frames, seconds, frames * frames, frames * seconds)):
            self._batches[index] += value

    @property
    def frames_per_second(self) -> float:
        """What the replica would answer if all its batches were full; infinite before the first batch."""
        weight, n, t, nn, nt = self._batches
        if not n or not t:
            return math.inf
        variance, covariance = nn / weight - (n / weight) ** 2, nt / weight - n * t / weight**2
        # Batches of one size say nothing of the fixed part: then all counts as time per frame, which is the safe side.
        slope = covariance / variance if variance > 1e-6 * (n / weight) ** 2 else t / n
        slope = min(max(slope, 0.0), t / n)
        full_batch_s = (t - slope * n) / weight + slope * self._max_batch_frames
        return self._max_batch_frames / full_batch_s

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
        """Mean over the last requests; 1 before the first."""
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
        # What a batch costs does not change by waiting: without new ones the last stay the best that is known.
        if self._batches[0] > 8:
            self._batches = [value * factor for value in self._batches]
