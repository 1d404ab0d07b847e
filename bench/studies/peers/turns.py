"""One stretch of load, and what several of them come to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TypeVar

from shortlist.bench import samples

_Request = TypeVar("_Request")


@dataclass(frozen=True, slots=True)
class Turn:
    """What was done in a stretch of time, from the first request to the last answer."""

    latencies_s: tuple[float, ...]
    items: int  # pairs, texts or searches
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.elapsed_s

    @property
    def p50_ms(self) -> float:
        """The median latency."""
        return 1000 * samples.percentile(sorted(self.latencies_s), 50)


@dataclass(frozen=True, slots=True)
class Range:
    """A figure over several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        """Return the spread of at least one value."""
        return cls(median(values), min(values), max(values))


async def closed_loop(
    ask: Callable[[_Request], Awaitable[int]], requests: Iterator[_Request], clients: int, seconds: float
) -> Turn:
    """Let clients send one request after another until the time is over, and wait for all answers.

    Every request counts, and all time until the last answer. `load.Closed` counts what is answered in a window of
    fixed length: that cuts through requests, here of a tenth of a turn and more, and turns are short, since all take
    theirs. A peer that keeps its cores busy to the end loses nothing by it.

    Args:
        ask: sends a request and returns how many items it had done.
        requests: without an end.
        clients: requests under way.
        seconds: after which no client sends another.

    Raises:
        what `ask` raises.
    """
    latencies: list[float] = []
    items: list[int] = []
    began = perf_counter()

    async def client() -> None:
        while (sent := perf_counter()) - began < seconds:
            items.append(await ask(next(requests)))
            latencies.append(perf_counter() - sent)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
    except ExceptionGroup as failed:  # clients of one server fail for one reason
        raise failed.exceptions[0] from failed
    return Turn(tuple(latencies), sum(items), perf_counter() - began)
