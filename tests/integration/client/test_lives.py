"""Clients that are closed or used in a second event loop, and answers that are too large for them."""

import asyncio

import pytest

from fake_server import Scripted
from shortlist.client import AsyncClient, Client, InvalidRequest, UnusableClient, channel
from shortlist.proto import retrieval_pb2 as pb


def test_an_async_client_in_two_event_loops(scripted: Scripted):
    """It belongs to the loop of its first call, and says so in another one; no thread and no call hangs."""
    client = AsyncClient(scripted.address)
    asyncio.run(client.embed(["text"]))
    for call in (client.embed(["text"]), client.wait_until_ready(), anext(client.list("notes"))):
        with pytest.raises(
            UnusableClient, match=r"belongs to the event loop of its first call.*; make a client inside"
        ):
            asyncio.run(_awaited(call))
    asyncio.run(client.close())
    with pytest.raises(UnusableClient, match=r" is closed; make another one$"):
        asyncio.run(client.embed(["text"]))


async def _awaited(call):
    return await call


def test_a_client_that_is_closed(scripted: Scripted):
    """It says so, and sends nothing."""
    client = Client(scripted.address)
    client.close()
    client.close()
    with pytest.raises(UnusableClient, match=rf"^the client for {scripted.address} is closed; make another one$"):
        client.embed(["text"])
    assert scripted.requests == []


async def test_an_answer_that_is_too_large(scripted: Scripted):
    """An answer over what a client takes is told with both sizes and what to ask for, and not asked for again."""
    large = pb.GetResponse(documents=[pb.Document(id="1", text="x" * channel.MAX_MESSAGE_BYTES)])
    scripted.answers["Get"].extend([large, large])
    told = (
        r"^answer: got 67,108,8\d\d bytes, but 67,108,864 is the most; ask for less in one call: fewer texts, hits or"
        r" documents, or hits without their text$"
    )
    with Client(scripted.address) as client, pytest.raises(InvalidRequest, match=told):
        client.get("notes", ["1"])
    async with AsyncClient(scripted.address) as async_client:
        with pytest.raises(InvalidRequest, match=told):
            await async_client.get("notes", ["1"])
    assert len(scripted.requests) == 2
