"""What a replica tells its operators: Ray metrics and structured log lines.

Ray exports the metrics in Prometheus form from every node, each name with `ray_` before it, counters with `_total`
after it, and the tags `application`, `deployment` and `replica`. `serve_deployments/grafana/reward_service.json` draws
them. The `_sum` of an exported histogram is made from its buckets' middles: take quantiles from histograms, means from
counters.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from ray.serve.metrics import Counter, Gauge, Histogram

from vlm_rewards.embedding_cache import CacheStats
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.service.load import LoadMeter

logger = logging.getLogger("ray.serve")

_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]
_TENTHS = [round(0.1 * i, 1) for i in range(1, 11)]

COUNTERS = {
    "vlm_rewards_requests": "Requests that came, answered or refused.",
    "vlm_rewards_frames": "Frames answered.",
    "vlm_rewards_batches": "Batches encoded.",
    "vlm_rewards_encode_seconds": "Seconds in batches: embedding and heads.",
    "vlm_rewards_queue_wait_seconds": "Seconds that frames waited for their batch, summed over frames.",
    "vlm_rewards_cache_hits": "Frames not encoded, since their embedding was known.",
    "vlm_rewards_cache_misses": "Frames encoded and looked up in vain.",
}
REFUSALS = "vlm_rewards_refusals"
GAUGES = {
    "vlm_rewards_waiting_frames": "Frames admitted and not yet answered.",
    "vlm_rewards_waiting_bytes": "Memory that they take.",
    "vlm_rewards_cache_bytes": "Memory that cached embeddings take.",
}
HISTOGRAMS = {
    "vlm_rewards_batch_fill": ("Frames of a batch over the most it may have.", _TENTHS),
    "vlm_rewards_batch_time_s": ("Seconds of a batch: embedding and heads.", _SECONDS),
    "vlm_rewards_queue_wait_s": ("Seconds that a request waited for its batch.", _SECONDS),
    "vlm_rewards_score": ("Scores given: p(goal) for the probability forms.", _TENTHS),
}
METRIC_NAMES = (*COUNTERS, REFUSALS, *GAUGES, *HISTOGRAMS)


class ReplicaMetrics:
    """The metrics of one replica; its tags are Serve's, so it is made in one."""

    def __init__(self, max_batch_frames: int) -> None:
        """Register the metrics.

        Args:
            max_batch_frames: Frames of a full batch.
        """
        self._max_batch_frames = max_batch_frames
        self._counters = {name: Counter(name, description=text) for name, text in COUNTERS.items()}
        self._refusals = Counter(REFUSALS, description="Requests refused or failed, by error.", tag_keys=("error",))
        self._gauges = {name: Gauge(name, description=text) for name, text in GAUGES.items()}
        self._histograms = {
            name: Histogram(name, description=text, boundaries=boundaries)
            for name, (text, boundaries) in HISTOGRAMS.items()
        }
        self._cached = CacheStats(0, 0, 0, 0)

    def request(self) -> None:
        """Count a request as it comes."""
        self._counters["vlm_rewards_requests"].inc()

    def load(self, meter: LoadMeter) -> None:
        """Note what waits."""
        self._gauges["vlm_rewards_waiting_frames"].set(meter.waiting_frames)
        self._gauges["vlm_rewards_waiting_bytes"].set(meter.waiting_bytes)

    def batch(
        self, frames: Sequence[int], waits_s: Sequence[float], seconds: float, scores: Sequence[npt.NDArray[np.float32]]
    ) -> None:
        """Note a batch.

        Args:
            frames: Frames of each of its requests.
            waits_s: Seconds that each request waited.
            seconds: That the batch took.
            scores: Scores of the requests that got any, float32 (n,) or (n, G) each.
        """
        total = sum(frames)
        self._counters["vlm_rewards_batches"].inc()
        if total:
            self._counters["vlm_rewards_frames"].inc(total)
        self._counters["vlm_rewards_encode_seconds"].inc(seconds)
        waited = sum(n * wait for n, wait in zip(frames, waits_s, strict=True))
        if waited > 0:
            self._counters["vlm_rewards_queue_wait_seconds"].inc(waited)
        self._histograms["vlm_rewards_batch_fill"].observe(total / self._max_batch_frames)
        self._histograms["vlm_rewards_batch_time_s"].observe(seconds)
        for wait in waits_s:
            self._histograms["vlm_rewards_queue_wait_s"].observe(wait)
        observe = self._histograms["vlm_rewards_score"].observe
        for array in scores:
            # One goal a frame is what rewards are; of a table of all goals the first column stands for the rest.
            for score in array.tolist() if array.ndim == 1 else array[:, :1].ravel().tolist():
                observe(score)

    def cache(self, stats: CacheStats) -> None:
        """Note what the cache did since it was last noted, and what it holds."""
        for name, now, before in (
            ("vlm_rewards_cache_hits", stats.hits, self._cached.hits),
            ("vlm_rewards_cache_misses", stats.misses, self._cached.misses),
        ):
            if now > before:
                self._counters[name].inc(now - before)
        self._gauges["vlm_rewards_cache_bytes"].set(stats.bytes)
        self._cached = stats

    def refused(self, error: VLMRewardsError) -> None:
        """Count a request that ends with an error, by its class."""
        self._refusals.inc(tags={"error": type(error).__name__})


def log_request(level: int, message: str, **fields: Any) -> None:
    """Write one line to the replica's log, its fields as JSON keys of their own.

    Serve adds time, application, deployment, replica and its own request id.

    Args:
        level: As `logging.WARNING`.
        message: What happened, in words.
        **fields: JSON values; names that `logging` uses itself are not allowed.
    """
    logger.log(level, message, extra=fields)
