"""What waits to be written, in batches: whatever is there, as soon as it is enough or nothing comes for a moment.

A transaction costs the same sync of the disk for one document as for many. So a batch that is not full waits a
moment for more, and while batches are being written the next ones fill. Runs on the event loop.
"""

import asyncio
import contextlib
from collections import deque
from typing import Generic, Protocol, TypeVar


class Weighed(Protocol):
    """Something that has a size, and a cost beside others."""

    @property
    def size_bytes(self) -> int:
        """Return how large it is."""

    @property
    def cost(self) -> int:
        """Return about what it takes to write it, in units of the caller's."""


_Item = TypeVar("_Item", bound=Weighed)


class Batches(Generic[_Item]):
    """Items in the order in which they came, taken in batches."""

    def __init__(self, most_cost: int, most_bytes: int, linger_s: float) -> None:
        """Begin empty.

        Args:
            most_cost: cost of a batch; one item alone may have more.
            most_bytes: size of a batch; one item alone may be larger.
            linger_s: for how long a batch that is not full waits for more.
        """
        self._most_cost = most_cost
        self._most_bytes = most_bytes
        self._linger_s = linger_s
        self._items: deque[_Item] = deque()
        self._cost = self._size_bytes = 0  # of all
        self._ended = False
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # of those who take, so that two do not share what would fill one batch

    def put(self, item: _Item) -> None:
        """Add an item; whoever adds bounds how many there are."""
        self._items.append(item)
        self._cost += item.cost
        self._size_bytes += item.size_bytes
        self._changed.set()

    def end(self) -> None:
        """Expect no more items: what is there is taken without waiting."""
        self._ended = True
        self._changed.set()

    def drop(self) -> None:
        """Forget the items that were not taken, and expect no more."""
        self._items.clear()
        self.end()

    async def take(self) -> list[_Item]:
        """Return the next batch; it is empty once nothing more comes."""
        async with self._turn:
            while not (self._items or self._ended):
                await self._change()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    while not (self._is_full() or self._ended):
                        await self._change()
            return self._taken()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _is_full(self) -> bool:
        return self._cost >= self._most_cost or self._size_bytes >= self._most_bytes

    def _taken(self) -> list[_Item]:
        batch: list[_Item] = []
        cost = size_bytes = 0
        while self._items:
            cost, size_bytes = cost + self._items[0].cost, size_bytes + self._items[0].size_bytes
            if batch and (cost > self._most_cost or size_bytes > self._most_bytes):
                break
            batch.append(self._items.popleft())
        self._cost = sum(item.cost for item in self._items)
        self._size_bytes = sum(item.size_bytes for item in self._items)
        return batch
