"""Results that were computed already, by what they were computed from.

A key names everything that a value depends on (a document by the number of its version, which is never used again).
So no value is ever stale, and none has to be dropped when documents change.

Owned by the event loop; counts may be read from any thread.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")

# Of an entry, beside what its owner counts: the key's tuple, the value's object, and their slot in the dictionary.
ENTRY_BYTES = 300


class Cache(Generic[_Value]):
    """Values by key, in a bounded number of bytes; the least recently used ones leave first."""

    def __init__(self, most_bytes: int) -> None:
        """Begin empty; with 0 bytes it stays so."""
        self.hits = 0
        self.misses = 0
        self.bytes = 0
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, tuple[_Value, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a value is kept, without counting that."""
        return key in self._entries

    def get(self, key: Hashable) -> _Value | None:
        """Return a value, or None where there is none."""
        if not self._most_bytes:
            return None
        found = self._entries.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: _Value, size_bytes: int) -> None:
        """Keep a value that takes about so many bytes, its key included; the oldest ones make room."""
        size_bytes += ENTRY_BYTES
        if size_bytes > self._most_bytes:
            return
        old = self._entries.pop(key, None)
        self.bytes += size_bytes - (old[1] if old else 0)
        self._entries[key] = (value, size_bytes)
        while self.bytes > self._most_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.bytes -= freed
