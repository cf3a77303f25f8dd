"""Image embeddings kept by the frame's content: screens and rooms repeat, and encoding is what a reward costs."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError

# What an entry costs beside its numbers: key, array header, link of the order (measured near 350 on CPython 3.11).
ENTRY_OVERHEAD_BYTES = 384
# A frame is looked at in this many places before it is hashed: frames that differ there cannot be equal.
_PROBES = 61


@dataclass(frozen=True)
class CacheStats:
    """What a cache did since it was made, and what it holds.

    Attributes:
        hits: Frames that were not encoded, since the cache or the same call had their embedding.
        misses: Frames that had to be encoded.
        entries: Embeddings held.
        bytes: Memory they take, never above the limit.
    """

    hits: int
    misses: int
    entries: int
    bytes: int


class EmbeddingCache:
    """Least recently used embeddings, bounded in bytes, shared by threads.

    Keys are sha256 digests of an encoder's fingerprint and a frame's shape and bytes, so a cache can outlive prompts
    and thresholds, never answers for other weights, and cannot be poisoned by a crafted frame.

    Attributes:
        max_bytes: Memory that entries may take, their bookkeeping included.
    """

    def __init__(self, max_bytes: int) -> None:
        """Make an empty cache.

        Raises:
            ConfigError: Max_bytes below 1.
        """
        if max_bytes < 1:
            raise ConfigError(f"a cache needs at least 1 byte, not {max_bytes}; leave the cache out to have none")
        self.max_bytes = int(max_bytes)
        self._entries: OrderedDict[bytes, npt.NDArray[np.float32]] = OrderedDict()
        self._bytes = self._hits = self._misses = 0
        self._lock = threading.Lock()

    @property
    def stats(self) -> CacheStats:
        """Counters and size, read together."""
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._entries), self._bytes)

    def get(self, keys: Sequence[bytes], repeats: int = 0) -> list[npt.NDArray[np.float32] | None]:
        """Look embeddings up and make them the most recently used.

        Args:
            keys: As `frame_keys` gives them.
            repeats: Frames of the same call that equal one of the keyed ones, counted as hits.

        Returns:
            For each key a read-only embedding of length 1, float32 (D,), or None where there is none.
        """
        with self._lock:
            found = [self._entries.get(key) for key in keys]
            for key, embedding in zip(keys, found, strict=True):
                if embedding is not None:
                    self._entries.move_to_end(key)
            missing = sum(embedding is None for embedding in found)
            self._misses += missing
            self._hits += len(keys) - missing + repeats
        return found

    def put(self, keys: Sequence[bytes], embeddings: npt.NDArray[np.float32]) -> None:
        """Keep embeddings; the least recently used ones make room. Those that are not finite are not kept.

        Args:
            keys: K keys.
            embeddings: float32 (K, D), rows of length 1; copied.
        """
        finite = np.asarray(np.isfinite(embeddings).all(axis=1))
        with self._lock:
            for key, embedding, keep in zip(keys, embeddings, finite.tolist(), strict=True):
                size = embedding.nbytes + ENTRY_OVERHEAD_BYTES
                if not keep or key in self._entries or size > self.max_bytes:
                    continue
                own = embedding.copy()
                own.setflags(write=False)
                self._entries[key] = own
                self._bytes += size
                while self._bytes > self.max_bytes:
                    _, oldest = self._entries.popitem(last=False)
                    self._bytes -= oldest.nbytes + ENTRY_OVERHEAD_BYTES

    def clear(self) -> None:
        """Forget all embeddings; the counters stay."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0


def frame_keys(frames: npt.NDArray[np.uint8], encoder_fingerprint: str) -> list[bytes]:
    """Return one 32-byte key for each frame, equal only for equal frames of one shape and one encoder.

    Args:
        frames: uint8 (N, H, W, 3).
        encoder_fingerprint: Fingerprint of the encoder whose embeddings are meant.
    """
    start = hashlib.sha256(f"{encoder_fingerprint}|{frames.shape[1:]}|".encode())
    keys = []
    for frame in np.ascontiguousarray(frames):
        digest = start.copy()
        digest.update(frame.data)
        keys.append(digest.digest())
    return keys


def distinct_frames(frames: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find the frames of a call that are byte for byte the same.

    Args:
        frames: uint8 (N, H, W, 3).

    Returns:
        Rows: (K,) the first row of each distinct frame, ascending; inverse: (N,) such that `frames[rows][inverse]`
        equals `frames`.
    """
    frames = np.ascontiguousarray(frames)
    flat = frames.reshape(len(frames), -1)
    # Most frames of most calls differ: a look at a few bytes of each saves reading them all.
    probes = np.ascontiguousarray(flat[:, :: max(1, flat.shape[1] // _PROBES)])
    suspects: dict[bytes, int] = {}
    for probe in probes:
        suspects[probe.tobytes()] = suspects.get(probe.tobytes(), 0) + 1
    first: dict[bytes, int] = {}
    rows: list[int] = []
    inverse = np.empty(len(frames), np.intp)
    for row, probe in enumerate(probes):
        key = probe.tobytes()
        if suspects[key] > 1:
            key += hashlib.sha256(flat[row].data).digest()
        if key not in first:
            first[key] = len(rows)
            rows.append(row)
        inverse[row] = first[key]
    return np.asarray(rows, np.intp), inverse
