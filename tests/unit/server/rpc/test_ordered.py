"""Streams of requests: answered in order, several at once, up to the first that fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shortlist.server.rpc import ordered


class Gates:
    """Answers that wait until the test opens the gate of their request."""

    def __init__(self, count: int) -> None:
        self.gates = [asyncio.Event() for _ in range(count)]
        self.read = 0
        self.running = 0
        self.most = 0
        self.written: list[int] = []
        self.changed = asyncio.Event()

    async def requests(self) -> AsyncIterator[int]:
        for index in range(len(self.gates)):
            self.read += 1
            yield index

    async def answer(self, request: int) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gates[request].wait()
        finally:
            self.running -= 1
        return request

    async def write(self, answer: int) -> None:
        self.written.append(answer)


async def settled() -> None:
    """Let all tasks run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_answers_come_in_order():
    """An answer that is there early waits for those before it."""
    gates = Gates(3)
    running = asyncio.create_task(ordered.each(gates.requests(), gates.answer, gates.write))
    gates.gates[2].set()
    gates.gates[1].set()
    await settled()
    assert gates.written == []
    gates.gates[0].set()
    await running
    assert gates.written == [0, 1, 2]


async def test_no_more_are_begun_than_may_be_at_once(monkeypatch: pytest.MonkeyPatch):
    """While as many requests are not answered as may be, one more is read at most, and none is begun."""
    monkeypatch.setattr(ordered, "_AT_ONCE", 4)
    gates = Gates(9)
    running = asyncio.create_task(ordered.each(gates.requests(), gates.answer, gates.write))
    await settled()
    assert (gates.running, gates.read) == (4, 5)
    for gate in gates.gates:
        gate.set()
    await running
    assert (gates.most, gates.written) == (4, list(range(9)))


async def test_a_caller_who_reads_nothing_is_read_no_further(monkeypatch: pytest.MonkeyPatch):
    """Answers that are not taken count as well: what a stream holds stays bounded."""
    monkeypatch.setattr(ordered, "_AT_ONCE", 4)
    gates = Gates(9)
    for gate in gates.gates:
        gate.set()
    never = asyncio.Event()

    async def stuck(_: int) -> None:
        await never.wait()

    running = asyncio.create_task(ordered.each(gates.requests(), gates.answer, stuck))
    await settled()
    assert gates.read == 5
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_first_failure_ends_it():
    """What comes before the request that failed is answered; what comes after it is given up."""
    gates = Gates(4)
    given_up = asyncio.Event()

    async def answer(request: int) -> int:
        if request == 2:
            raise ValueError(request)
        try:
            return await gates.answer(request)
        except asyncio.CancelledError:
            given_up.set()
            raise

    running = asyncio.create_task(ordered.each(gates.requests(), answer, gates.write))
    await settled()
    assert not running.done()  # the two before it are to be answered first
    gates.gates[0].set()
    gates.gates[1].set()
    with pytest.raises(ValueError, match="2"):
        await running
    assert gates.written == [0, 1]
    assert given_up.is_set()


async def test_requests_that_fail_themselves():
    """A stream that breaks off in the middle, such as by a request that cannot be parsed, is answered up to there."""
    gates = Gates(2)
    for gate in gates.gates:
        gate.set()

    async def broken() -> AsyncIterator[int]:
        async for request in gates.requests():
            yield request
        raise ValueError("no request")

    with pytest.raises(ValueError, match="no request"):
        await ordered.each(broken(), gates.answer, gates.write)
    assert gates.written == [0, 1]


async def test_a_caller_who_leaves_ends_all_that_was_begun():
    """Where the call is cancelled, nothing of it goes on."""
    gates = Gates(3)
    running = asyncio.create_task(ordered.each(gates.requests(), gates.answer, gates.write))
    await settled()
    assert gates.running == 3
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gates.running == 0
