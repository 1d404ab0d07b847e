"""One level: a load of some clients on a server, what came of it, and what the server's process used for it."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

from shortlist.bench import measuring, outcome
from shortlist.bench.benchmark import cpu_s
from shortlist.bench.kinds import Name
from shortlist.bench.load import Closed
from shortlist.bench.measuring import Plan
from shortlist.bench.requests import Requests, Shape, options
from shortlist.bench.studies import watched
from shortlist.bench.studies.watched import Watched
from shortlist.bench.texts import Draw, Texts


@dataclass(frozen=True, slots=True)
class Point:
    """One level of an axis, with what is needed to compute what limits it."""

    axis: str
    at: int  # documents, clients or tokens
    load: Name
    clients: int
    stable: bool
    requests: int
    requests_per_s: float
    items_per_s: float
    p50_ms: float  # 0: nothing was answered
    p99_ms: float
    errors: dict[str, int]  # by status
    degraded: int  # of the answers
    parts_ms: dict[str, float]  # where a request's time went, means
    slots: int
    busy_slots: float  # that ran something, mean; 0 to slots
    server_cores: float  # that its process used
    generator_cores: float  # that this process used
    rss_mb: float  # of the server
    facts: dict[str, float] = field(default_factory=dict)  # what only this axis knows


@dataclass(frozen=True, slots=True)
class Place:
    """A level of an axis that is to be measured."""

    axis: str
    at: int
    load: Name
    clients: int


async def measure(
    place: Place, server: Watched, texts: Texts, shape: Shape, plan: Plan, seed: int, stop: asyncio.Event
) -> Point | None:
    """Put one load on a server and return what came of it; None if that was interrupted."""
    draw = Draw(texts, seed, secrets.randbits(32))
    async with grpc.aio.insecure_channel(server.address, options=options(server.address)) as opened:
        requests = Requests(opened, draw, shape)
        await requests.attempt([place.load], shape.timeout_s)
        before, began_cpu_s, began_s = server.usage(), cpu_s(), time.perf_counter()
        run = await measuring.measure(Closed(place.clients), lambda: requests.prepare(place.load), plan, stop=stop)
        after, generator_cores = server.usage(), (cpu_s() - began_cpu_s) / (time.perf_counter() - began_s)
    level = outcome.level((place.clients, None), run, plan, [place.load], None, generator_cores)
    if level is None or level.interrupted:
        return None
    used, found = watched.between(before, after), level.all
    return Point(
        axis=place.axis,
        at=place.at,
        load=place.load,
        clients=place.clients,
        stable=level.stable,
        requests=found.requests,
        requests_per_s=found.requests_per_s,
        items_per_s=found.items_per_s,
        p50_ms=found.latency_ms.p50 if found.latency_ms else 0.0,
        p99_ms=found.latency_ms.p99 if found.latency_ms else 0.0,
        errors=found.errors,
        degraded=found.degraded,
        parts_ms={name: spread.mean for name, spread in found.parts_ms.items()},
        slots=after.slots,
        busy_slots=used.slots,
        server_cores=used.cores,
        generator_cores=generator_cores,
        rss_mb=after.rss_bytes / 1e6,
    )


def shares(parts_ms: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each part in a request's time, largest first."""
    whole = sum(parts_ms.values()) or 1.0
    return dict(sorted(((name, part / whole) for name, part in parts_ms.items()), key=lambda one: -one[1]))
