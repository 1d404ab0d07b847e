"""How much of all streams of documents the server holds at once: the bounds behind their back-pressure.

A stream reads its next message if nothing of the last ones is left, or if both have room: its own share, and the
server. So callers who do not read their answers fill their shares, and perhaps the server's room, and the others go
on, message by message. Runs on the event loop.
"""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be held before the next message is read, which may be as large as a request."""

    documents: int = 1024  # of one stream: what is being written, and as much again that is ready to be
    size_bytes: int = 16 << 20  # of one stream
    server_bytes: int = 256 << 20  # of all


class Room:
    """What all streams hold."""

    def __init__(self, bounds: Bounds) -> None:
        """Begin empty."""
        self.bounds = bounds
        self.documents = 0
        self.size_bytes = 0
        self.shares: set[Share] = set()

    @property
    def is_full(self) -> bool:
        """Return whether streams that hold something must wait."""
        return self.size_bytes >= self.bounds.server_bytes


class Share:
    """What one stream holds, until the end of the block."""

    def __init__(self, room: Room) -> None:
        """Begin empty."""
        self._room = room
        self._documents = 0
        self._size_bytes = 0
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._room.shares.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.free(self._documents, self._size_bytes)
        self._room.shares.remove(self)

    async def wait(self) -> None:
        """Wait until the next message may be read."""
        while self._is_full():
            self._changed.clear()
            await self._changed.wait()

    def take(self, size_bytes: int) -> None:
        """Count a document that is held from now on."""
        self._add(1, size_bytes)

    def free(self, documents: int, size_bytes: int) -> None:
        """Count documents that are held no more."""
        was_full = self._room.is_full
        self._add(-documents, -size_bytes)
        for share in self._room.shares if was_full else (self,):
            share._changed.set()  # noqa: SLF001 (of its own class)

    def _add(self, documents: int, size_bytes: int) -> None:
        self._documents += documents
        self._size_bytes += size_bytes
        self._room.documents += documents
        self._room.size_bytes += size_bytes

    def _is_full(self) -> bool:
        bounds = self._room.bounds
        if not self._documents:
            return False
        return self._documents >= bounds.documents or self._size_bytes >= bounds.size_bytes or self._room.is_full
