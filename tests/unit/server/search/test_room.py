"""What streams hold is bounded, each by itself and all together, and none waits for what it cannot free."""

import asyncio
import contextlib

import pytest

from shortlist.server.search.room import Bounds, Room, Share


async def waits(share: Share) -> bool:
    """Return whether a stream would have to wait now."""
    waiting = asyncio.ensure_future(share.wait())
    await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    return not done


@pytest.mark.parametrize("taken", [[1, 1, 1], [10]])
async def test_a_share_is_full(taken: list[int]):
    """A stream waits from so many documents on, or so many bytes, until some are freed."""
    room = Room(Bounds(documents=3, size_bytes=10, server_bytes=1000))
    with Share(room) as share:
        for size_bytes in taken:
            assert not await waits(share)
            share.take(size_bytes)
        waiting = asyncio.create_task(share.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        share.free(1, taken[0])
        await waiting
    assert (room.documents, room.size_bytes, room.shares) == (0, 0, set())


async def test_the_server_is_full():
    """Where all streams together hold too much, those that hold something wait; one that holds nothing goes on."""
    room = Room(Bounds(documents=100, size_bytes=100, server_bytes=10))
    with Share(room) as greedy, Share(room) as other, Share(room) as empty:
        greedy.take(9)
        other.take(1)
        assert [await waits(share) for share in (greedy, other, empty)] == [True, True, False]
        waiting = asyncio.create_task(other.wait())
        await asyncio.sleep(0)
        greedy.free(1, 9)
        await waiting
        assert (room.documents, room.size_bytes) == (1, 1)
