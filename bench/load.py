"""Ways to put load on something. Knows no server: requests are coroutines.

A *closed loop* is a number of clients, each of which sends its next request when it has the answer to the last: the
load falls when the server gets slower. An *open loop* sends at times drawn beforehand (Poisson arrivals), whether or
not answers come, as many independent users do; latency counts from the time drawn, so a stall is not hidden. Times
are those of the running event loop: one with a clock of its own runs all of it without waiting.
"""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .samples import Reply, Sample

Send = Callable[[], Awaitable[Reply]]
"""Send one request and wait for its answer. Timed. A refusal is a `Reply` too; an exception is a defect."""

Prepare = Callable[[], Send]
"""Make the next request ready. Not timed, and called from one thread."""


class Log:
    """The samples of a run, and the requests that have not ended yet."""

    def __init__(self) -> None:
        """Begin with none."""
        self.samples: list[Sample] = []
        self.held = 0  # requests sent late because too many were outstanding
        self._due_s: list[float] = []  # of every request, by number; ascending
        self._open: dict[int, float] = {}  # of those that have not ended
        self._changed = asyncio.Event()

    @property
    def outstanding(self) -> int:
        """How many requests have not ended; the next one that an open loop waits to send is among them."""
        return len(self._open)

    def expect(self, due_s: float) -> int:
        """Note a request that is due, and return its number."""
        number = len(self._due_s)
        self._due_s.append(due_s)
        self._open[number] = due_s
        return number

    def add(self, number: int, sample: Sample) -> None:
        """Note how a request ended."""
        del self._open[number]
        self.samples.append(sample)
        self._changed.set()

    def due(self, begin_s: float, end_s: float) -> int:
        """Count the requests that were due from `begin_s` until just before `end_s`."""
        return bisect_left(self._due_s, end_s) - bisect_left(self._due_s, begin_s)

    async def drained(self, before_s: float) -> None:
        """Wait until everything has ended that is due before `before_s`."""
        while any(due_s < before_s for due_s in self._open.values()):
            self._changed.clear()
            await self._changed.wait()


class Load(Protocol):
    """A way to put load on something."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def paced(self) -> bool:
        """Whether requests come at times of their own, not when answers do."""

    async def drive(self, prepare: Prepare, log: Log) -> None:
        """Send requests until cancelled."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Clients that each have one request under way."""

    clients: int

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.clients} clients"

    @property
    def paced(self) -> bool:
        """No: they come when answers do."""
        return False

    async def drive(self, prepare: Prepare, log: Log) -> None:
        """Send requests until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client(prepare, log))

    async def _client(self, prepare: Prepare, log: Log) -> None:
        now = asyncio.get_running_loop().time
        while True:
            send = prepare()
            due_s = now()
            number = log.expect(due_s)
            reply = await send()
            log.add(number, Sample(due_s, due_s, now(), reply))


@dataclass(frozen=True, slots=True)
class Open:
    """Arrivals at random times, independent of the answers."""

    rate: float  # a second, the mean
    seed: int = 0
    outstanding: int = 1000  # requests under way at most; those that come when there are so many are sent later

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.rate:g} requests/s"

    @property
    def paced(self) -> bool:
        """Yes."""
        return True

    async def drive(self, prepare: Prepare, log: Log) -> None:
        """Send requests until cancelled."""
        now = asyncio.get_running_loop().time
        start_s, room = now(), asyncio.Semaphore(self.outstanding)
        async with asyncio.TaskGroup() as group:
            for offset_s in arrivals(self.rate, self.seed):
                due_s = start_s + offset_s
                # The next arrival is expected before it is due: none that is due can be missing from the log.
                number, send = log.expect(due_s), prepare()
                await asyncio.sleep(max(0.0, due_s - now()))
                log.held += room.locked()
                await room.acquire()
                group.create_task(self._send(send, number, due_s, log, room))

    async def _send(self, send: Send, number: int, due_s: float, log: Log, room: asyncio.Semaphore) -> None:
        now = asyncio.get_running_loop().time
        sent_s = now()
        reply = await send()
        room.release()
        log.add(number, Sample(due_s, sent_s, now(), reply))


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """Draw the times of a Poisson process, in seconds from its start: the gaps are exponential, 1 / rate the mean."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate)
        yield at_s
