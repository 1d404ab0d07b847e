"""One object serves threads and event loops that come and go."""

import asyncio
import copy
import gc
import pickle
import warnings

import pytest

from shortlist.client import AsyncClient, Clients, InvalidRequest


def test_threads_and_loops(server):
    """The same calls are answered in a thread, in one event loop after another, and again after a close."""
    clients = Clients(server.address, timeout_s=100)
    expected = clients.blocking().describe().version

    async def in_a_loop() -> AsyncClient:
        found = [await clients.of_loop().describe() for _ in range(2)]
        assert [one.version for one in found] == [expected, expected]
        return clients.of_loop()

    first, second = asyncio.run(in_a_loop()), asyncio.run(in_a_loop())
    assert first is not second
    assert clients.blocking() is clients.blocking()
    clients.close()
    clients.close()
    assert clients.blocking().describe().version == expected
    clients.close()


def test_closed_loops_are_forgotten(server):
    """Of a hundred loops that ended no client is kept, and none complains when it goes."""
    clients = Clients(server.address, timeout_s=100)

    async def in_a_loop() -> int:
        await clients.of_loop().describe()
        return len(clients._of_loops)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {asyncio.run(in_a_loop()) for _ in range(100)} == {1}
        gc.collect()


async def test_close_in_a_loop(server):
    """A loop's client is closed in its loop, and the next call makes another one."""
    clients = Clients(server.address, timeout_s=100)
    closed = clients.of_loop()
    await closed.describe()
    await clients.close_async()
    await clients.close_async()
    assert clients.of_loop() is not closed
    await clients.of_loop().describe()
    await clients.close_async()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 (our own)
def test_a_copy_makes_its_own_connections(server, copied):
    """A copy, and what is unpickled, has the address and the deadline, and works when the original is closed."""
    clients = Clients(server.address, timeout_s=77)
    clients.blocking().describe()
    other = copied(clients)
    clients.close()
    assert (other.address, other.timeout_s) == (server.address, 77)
    assert other.blocking().describe()
    other.close()


def test_where_the_server_is(monkeypatch: pytest.MonkeyPatch):
    """An address that is given goes before SHORTLIST_ADDRESS, and that before the usual one."""
    monkeypatch.delenv("SHORTLIST_ADDRESS", raising=False)
    assert Clients().address == "127.0.0.1:50051"
    monkeypatch.setenv("SHORTLIST_ADDRESS", "localhost:1234")
    assert Clients().address == "localhost:1234"
    assert Clients("localhost:4321").address == "localhost:4321"


def test_an_address_that_is_none():
    """A wrong address is refused when it is given, not at the first call."""
    with pytest.raises(InvalidRequest, match="address"):
        Clients("")
