"""Any number of items in calls of as many as a server takes."""

from collections.abc import Sequence

import pytest

from langchain_shortlist.parts import ain_parts, in_parts
from shortlist.client import TooLarge


class Server:
    """One that answers items with their doubles, a few in a call."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    def call(self, items: Sequence[int]) -> list[int]:
        if len(items) > self.most:
            raise TooLarge("too many")
        self.sizes.append(len(items))
        return [2 * item for item in items]

    async def acall(self, items: Sequence[int]) -> list[int]:
        return self.call(items)


@pytest.mark.parametrize("limit", [1, 3, 64, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
async def test_every_item_is_answered_once_in_order(count: int, limit: int):
    """Whatever the server takes in a call, and no call is larger than asked for."""
    one, other = Server(limit), Server(limit)
    expected = [2 * item for item in range(count)]
    assert in_parts(one.call, range(count), 64) == expected
    assert await ain_parts(other.acall, range(count), 64) == expected
    assert one.sizes == other.sizes
    assert max(one.sizes, default=0) <= min(limit, 64)


async def test_one_item_that_is_too_large_is_an_error():
    """It cannot be sent in several calls."""
    with pytest.raises(TooLarge):
        in_parts(Server(0).call, [1, 2])
    with pytest.raises(TooLarge):
        await ain_parts(Server(0).acall, [1, 2])
