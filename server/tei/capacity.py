"""Waiting for room in a queue that is full, where TEI waits instead of refusing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shortlist.server.errors import Overloaded

_Answer = TypeVar("_Answer")

_LONGEST_WAIT_S = 1.0  # before the queue is asked again


async def patiently(ask: Callable[[], Awaitable[_Answer]], deadline: float) -> _Answer:
    """Ask for work until the queue lets it in.

    Args:
        ask: asks once.
        deadline: a time of the monotonic clock, in seconds.

    Raises:
        Overloaded: there was no room until the deadline.
    """
    while True:
        try:
            return await ask()
        except Overloaded as busy:
            wait_s = min(busy.retry_after_ms / 1000, _LONGEST_WAIT_S)
            if time.monotonic() + wait_s >= deadline:
                raise
            await asyncio.sleep(wait_s)
