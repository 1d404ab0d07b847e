"""Batches fill with what is there, and wait for nothing that does not come."""

import asyncio
from dataclasses import dataclass

import pytest

from shortlist.server.search.batching import Batches

NEVER_S = 3600.0


@dataclass(frozen=True)
class Item:
    """Something of a size and a cost."""

    size_bytes: int = 1
    cost: int = 1


async def test_what_is_there_comes_together():
    """Items that came before they are taken make full batches, in their order; the last is what is left."""
    batches = Batches[Item](4, 100, NEVER_S)
    items = [Item(number) for number in range(10)]
    for item in items:
        batches.put(item)
    batches.end()
    taken = [await batches.take() for _ in range(4)]
    assert taken == [items[:4], items[4:8], items[8:], []]


@pytest.mark.parametrize(
    ("sizes", "batches"), [([60, 40, 1], [[60, 40], [1]]), ([99, 2], [[99], [2]]), ([500, 1], [[500], [1]])]
)
async def test_a_batch_has_so_many_bytes(sizes: list[int], batches: list[list[int]]):
    """A batch ends before it has too many bytes; an item that is larger comes alone."""
    found = Batches[Item](10, 100, NEVER_S)
    for size in sizes:
        found.put(Item(size))
    found.end()
    assert [[item.size_bytes for item in await found.take()] for _ in batches] == batches


async def test_a_batch_costs_so_much():
    """A batch ends before it costs too much; an item that costs more comes alone."""
    batches = Batches[Item](10, 1000, NEVER_S)
    for cost in (4, 4, 4, 1, 1, 30, 2):
        batches.put(Item(1, cost))
    batches.end()
    taken = [[item.cost for item in await batches.take()] for _ in range(4)]
    assert taken == [[4, 4], [4, 1, 1], [30], [2]]


async def test_a_batch_waits_for_more():
    """A batch that is not full is taken once it is, or once nothing more comes."""
    batches = Batches[Item](3, 100, NEVER_S)
    batches.put(Item())
    taking = asyncio.create_task(batches.take())
    for _ in range(2):
        await asyncio.sleep(0)
        assert not taking.done()
        batches.put(Item())
    assert len(await taking) == 3
    batches.put(Item())
    taking = asyncio.create_task(batches.take())
    await asyncio.sleep(0)
    batches.end()
    assert (len(await taking), await batches.take()) == (1, [])


async def test_a_batch_waits_a_moment():
    """A single item is taken although nothing follows and nothing ends."""
    batches = Batches[Item](3, 100, 0.001)
    batches.put(Item())
    async with asyncio.timeout(20):
        assert len(await batches.take()) == 1


async def test_two_take_in_turn():
    """What fills one batch goes to one of those who wait."""
    batches = Batches[Item](2, 100, NEVER_S)
    takers = [asyncio.create_task(batches.take()) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        batches.put(Item())
    batches.end()
    assert [len(await each) for each in takers] == [2, 1]


async def test_what_is_dropped():
    """Items that were not taken are forgotten, and those who wait get nothing."""
    batches = Batches[Item](3, 100, NEVER_S)
    taking = asyncio.create_task(batches.take())
    batches.put(Item())
    await asyncio.sleep(0)
    batches.drop()
    assert await taking == []
