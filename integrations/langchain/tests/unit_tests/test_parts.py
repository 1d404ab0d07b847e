"""Any number of items in calls of as many as a server takes."""

from collections.abc import Sequence

import pytest

from langchain_shortlist.parts import ain_parts, in_parts
from shortlist.client import InvalidRequest, TooLarge


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


@pytest.mark.parametrize("limit", [3, 64, 1000])
async def test_an_error_names_the_place_among_all(limit: int):
    """Whichever call the item was in, also one that was made smaller."""

    def call(items: Sequence[int]) -> list[int]:
        if len(items) > limit:
            raise TooLarge("documents: got many")
        if 150 in items:
            error = InvalidRequest(f"texts[{items.index(150)}]: got '', but")
            error.field = f"texts[{items.index(150)}]"
            raise error
        return list(items)

    async def acall(items: Sequence[int]) -> list[int]:
        return call(items)

    with pytest.raises(InvalidRequest, match=r"^texts\[150\]: got '', but$") as found:
        in_parts(call, range(200), 64)
    assert found.value.field == "texts[150]"
    with pytest.raises(InvalidRequest, match=r"^texts\[150\]: got '', but$"):
        await ain_parts(acall, range(200), 64)
