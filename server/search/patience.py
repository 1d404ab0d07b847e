"""Work of the ingest lane that no caller waits for: done however busy the server is, after what callers wait for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shortlist.server.errors import DeadlineExceeded, Overloaded

_PATIENCE_S = 60.0  # for a batch, at first: what callers send comes before it

_Made = TypeVar("_Made")


async def patiently(make: Callable[[float], Awaitable[_Made]]) -> _Made:
    """Return what is made by a deadline, which is put off as often as it takes; other errors pass."""
    patience_s = _PATIENCE_S
    while True:
        try:
            return await make(time.monotonic() + patience_s)
        except Overloaded as busy:
            await asyncio.sleep(busy.retry_after_ms / 1000)
        except DeadlineExceeded:
            patience_s *= 2
