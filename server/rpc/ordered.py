"""A stream of requests, each answered by itself: several at once, and answered in order.

The first that fails ends the stream, once all before it are answered. Runs on the event loop.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

# Enough to fill the runs of a GPU with short texts; a caller who reads no answers holds as many.
_AT_ONCE = 128


async def each(
    requests: AsyncIterable[_Request],
    answer: Callable[[_Request], Awaitable[_Answer]],
    write: Callable[[_Answer], Awaitable[None]],
) -> None:
    """Answer each request of a stream.

    Args:
        requests: as they come; no more are read while so many are not answered as may be at once.
        answer: answers one.
        write: takes the answers, in the order of the requests.
    """
    begun: asyncio.Queue[asyncio.Future[_Answer] | None] = asyncio.Queue()
    free = asyncio.Semaphore(_AT_ONCE)
    running: set[asyncio.Future[_Answer]] = set()

    async def begin() -> None:
        try:
            async for request in requests:
                await free.acquire()
                task = asyncio.ensure_future(answer(request))
                running.add(task)
                begun.put_nowait(task)
        finally:
            begun.put_nowait(None)

    reading: asyncio.Future[None] = asyncio.ensure_future(begin())
    try:
        while (task := await begun.get()) is not None:
            await write(await task)
            running.discard(task)
            free.release()
        await reading
    finally:
        reading.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(reading, *running, return_exceptions=True)
