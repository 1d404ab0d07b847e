"""Waiting where the queue is full."""

import time

import pytest

from shortlist.server.errors import DeadlineExceeded, Overloaded
from shortlist.server.tei.capacity import patiently


class Queue:
    """A queue that is full so many times."""

    def __init__(self, full: int, retry_after_ms: int = 1) -> None:
        self.full = full
        self.retry_after_ms = retry_after_ms
        self.asked = 0

    async def ask(self) -> int:
        self.asked += 1
        if self.asked <= self.full:
            raise Overloaded("the queue is full", self.retry_after_ms)
        return self.asked


async def test_it_asks_again():
    """A full queue is asked again until there is room."""
    queue = Queue(3)
    assert await patiently(queue.ask, time.monotonic() + 60) == 4


async def test_it_waits_no_longer_than_the_deadline():
    """Where the deadline would pass meanwhile, the caller gets what the queue said, at once."""
    queue = Queue(3, retry_after_ms=60_000)
    with pytest.raises(Overloaded, match="the queue is full"):
        await patiently(queue.ask, time.monotonic() + 0.5)
    assert queue.asked == 1


async def test_other_errors_are_no_matter_of_patience():
    """Anything but a full queue ends it."""

    async def ask() -> None:
        raise DeadlineExceeded("no time")

    with pytest.raises(DeadlineExceeded):
        await patiently(ask, time.monotonic() + 60)
