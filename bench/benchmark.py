"""One benchmark of a Shortlist server: its collection, its levels, and what they came to.

Ctrl-C ends the level under way, and what was measured until then counts; a second one ends everything at once. What
was made on the server is dropped either way.
"""

import asyncio
import contextlib
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, TypeVar

import grpc

from shortlist.client import AsyncClient, Description, Recall
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress, StatusLine
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub

from . import command, measuring, outcome, report, temporary
from .kinds import KINDS, Name
from .load import Closed, Load, Open
from .measuring import Plan
from .outcome import Level
from .report import Table
from .requests import Requests, Shape, connect, mixed
from .samples import Spread, spread
from .settings import BenchSettings
from .texts import Draw

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Part = TypeVar("_Part", bound="DataclassInstance")

_EMPTY_CALLS = 200


@dataclass(slots=True)
class Benchmark:
    """One benchmark: its settings, and what it has measured so far."""

    settings: BenchSettings
    draw: Draw
    address: str
    levels: list[Level] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    described: Description | None = None
    documents: int | None = None  # in the collection that is searched, at the start
    recall: Recall | None = None  # of its searches, as the server measured them by the end
    empty_call_ms: Spread | None = None  # one after the other: what client, network and server cost by themselves

    @property
    def plan(self) -> Plan:
        """How long to measure."""
        return part(Plan, self.settings)

    @property
    def kinds(self) -> list[Name]:
        """The kinds of requests."""
        return list(self.settings.shares())

    async def run(self) -> None:
        """Measure level after level, until all are done or `stop` is set."""
        with interrupts(self.stop):
            async with AsyncClient(self.address, timeout_s=self.settings.timeout_s) as client:
                self.described = await client.describe()
                self._check_limits(self.described)
                async with self._collections(client) as shape, connect(self.address) as opened:
                    if not self.stop.is_set():
                        requests = Requests(opened, self.draw, shape)
                        await requests.attempt(self.kinds, self.settings.timeout_s)
                        self.empty_call_ms = await _empty_calls(opened)
                        await self._levels(requests, outcome.subtitle(self.described, self.documents))
                        if self.documents is not None:
                            (self.recall,) = await _recalls(client, shape.searched)

    async def _levels(self, requests: Requests, subtitle: str) -> None:
        chosen = self.settings
        table = Table(self.kinds, is_open=bool(chosen.rates), has_deadline=chosen.deadline_ms is not None)
        command.show(f"{outcome.title(chosen)}\n{subtitle}\n\n{table.heads()}", beside_json=chosen.json)
        rates = enumerate(chosen.rates)
        loads: list[Load] = [*map(Closed, chosen.client_levels())]
        loads += [Open(rate, chosen.seed + place, chosen.outstanding) for place, rate in rates]
        for load in loads:
            if self.stop.is_set():
                return
            if (level := await self._level(load, requests)) is not None:
                self.levels.append(level)
                command.show(table.lines(level), beside_json=chosen.json)

    async def _level(self, load: Load, requests: Requests) -> Level | None:
        status = StatusLine(sys.stderr)
        began_cpu_s, began_s = cpu_s(), time.perf_counter()
        run = await measuring.measure(
            load,
            mixed(requests, self.settings.shares(), self.settings.seed),
            self.plan,
            watch=lambda seen: status.show(report.progress(load.name, seen)),
            stop=self.stop,
        )
        busy_cores = (cpu_s() - began_cpu_s) / (time.perf_counter() - began_s)
        status.show("")
        return outcome.level(load, run, self.plan, self.kinds, self.settings.deadline_ms, busy_cores)

    @contextlib.asynccontextmanager
    async def _collections(self, client: AsyncClient) -> AsyncIterator[Shape]:
        """Yield the requests' shape and collections; one that is not given is made, and dropped again."""
        chosen = self.settings
        searches, ingests = any(KINDS[kind].searches for kind in self.kinds), "ingest" in self.kinds
        shape = self._shape()
        if searches and chosen.collection is not None:
            self.documents = await _documents(client, chosen.collection)
            shape = replace(shape, searched=chosen.collection)
        if not ingests and (not searches or chosen.collection is not None):
            yield shape
            return
        async with temporary.collection(client) as made:
            if searches and chosen.collection is None:
                self.documents = chosen.documents
                with Progress(sys.stderr, "indexed", chosen.documents, noun="passage") as progress:
                    await temporary.fill(client, made, self.draw, chosen.documents, progress.update, self.stop)
            yield replace(shape, filled=made, searched=shape.searched or made)

    def _shape(self) -> Shape:
        shape, deadline_ms = part(Shape, self.settings), self.settings.deadline_ms
        return shape if deadline_ms is None else replace(shape, timeout_s=deadline_ms / 1000)

    def _check_limits(self, described: Description) -> None:
        chosen, limits = self.settings, described.limits
        for name, most in (
            ("passages", min(limits.max_candidates, limits.max_batch)),
            ("top_k", limits.max_top_k),
            ("texts", limits.max_batch),
            ("batch", limits.max_batch),
        ):
            if getattr(chosen, name) > most:
                raise UsageError(f"{name} is {getattr(chosen, name):,}, but the server takes {most:,} at most")


def part(kind: type[_Part], settings: BenchSettings, **changes: object) -> _Part:
    """Return those of the settings that a dataclass has fields for, by their names."""
    shared = {one.name for one in fields(kind)} & {one.name for one in fields(settings)}
    return kind(**{name: getattr(settings, name) for name in shared} | changes)


@contextlib.contextmanager
def interrupts(stop: asyncio.Event) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM set `stop`, and the next one cancel what is under way."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _documents(client: AsyncClient, name: str) -> int:
    """Return how many documents a collection has; one without any is of no use."""
    found = {one.name: one.documents for one in await client.list_collections()}
    if not found.get(name):
        told = "is empty" if name in found else "is not on the server"
        raise UsageError(
            f"collection {name!r} {told}; `shortlist index --collection {name}` fills it, or leave it out and one is"
            " made for the time of the benchmark"
        )
    return found[name]


async def _recalls(client: AsyncClient, name: str) -> list[Recall]:
    """Return what the server knows of a collection's recall."""
    return [one.recall for one in await client.list_collections() if one.name == name]


async def _empty_calls(opened: grpc.aio.Channel) -> Spread | None:
    """Time calls without work."""
    describe, now = InferenceStub(opened).Describe, asyncio.get_running_loop().time
    took_ms = []
    for _ in range(_EMPTY_CALLS):
        began_s = now()
        await describe(pb.DescribeRequest())
        took_ms.append(1000 * (now() - began_s))
    return spread(took_ms)


def cpu_s() -> float:
    """Return the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
