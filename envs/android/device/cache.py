"""A cache bounded in bytes."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from cachetools import LRUCache

T = TypeVar("T")

ENTRY_OVERHEAD_BYTES = 200
"""What an entry costs beside its value: key, tuple and the links of the order."""


class ByteCache:
    """Keeps the most recently used values whose sizes add up to at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        """Make an empty cache.

        Args:
            max_bytes: Memory that entries may take, in bytes; a value that is larger alone is not kept.
        """
        self._entries: LRUCache[Hashable, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return int(self._entries.currsize)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return the value of `key`, made by `make` if absent; `size` says its bytes."""
        entry = self._entries.get(key)
        if entry is not None:
            return cast(T, entry[0])
        value = make()
        nbytes = size(value) + ENTRY_OVERHEAD_BYTES
        if nbytes <= self._entries.maxsize:
            self._entries[key] = (value, nbytes)
        return value
