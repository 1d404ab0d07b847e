"""Many questions at once, so many at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


async def each(ask: Callable[[_Asked], Awaitable[_Answer]], items: Iterable[_Asked], at_once: int) -> list[_Answer]:
    """Ask about every item, so many at a time, and return the answers in order."""
    room = asyncio.Semaphore(at_once)

    async def one(item: _Asked) -> _Answer:
        async with room:
            return await ask(item)

    return list(await asyncio.gather(*map(one, items)))
