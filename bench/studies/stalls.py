"""Measure what a search waits for while the server does other work: its time at rest beside its time when busy.

Fills a collection of a server of its own, then sends dense searches at random times, in turns at rest and while
clients write documents (new ones first, then new texts under their ids) and rerank. Tells percentiles of the whole
search, from when it was due, and of its parts by the server's own timing: queue is the wait for a slot, queue and
inference share the cores with the other work, retrieving is the index and the rows. Beside it stands the longest run
of a model on the idle server: a query should never wait for longer than one run. Short documents put more writes
beside a search.
"""

import asyncio
import itertools
import secrets
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from shortlist.bench import local, measuring, temporary, texts
from shortlist.bench.app import event_loop
from shortlist.bench.load import Closed, Log, Open
from shortlist.bench.measuring import Plan
from shortlist.bench.requests import Requests, Shape, connect
from shortlist.bench.samples import OK, Sample, Spread, spread
from shortlist.bench.texts import Draw, Texts
from shortlist.client import AsyncClient, errors
from shortlist.server.settings import within

from . import study
from .study import Bundles

if TYPE_CHECKING:
    from shortlist.bench.kinds import Name

_SETTLING_S = 1.0  # before a turn counts: what the turn before had under way ends
_TIMEOUT_S = 300.0
_PARTS = ("queue", "infer", "retrieve")
_RUNS = 20  # of a text that fills a window, on the idle server


@dataclass(frozen=True, slots=True, kw_only=True)
class StallsSettings(Bundles):
    """The settings of one measurement."""

    corpus: Annotated[Path, Parameter(metavar="FILE")]
    """documents, in any form that `index` reads"""
    queries: Annotated[Path, Parameter(metavar="FILE")]
    """queries, as JSON lines"""

    documents: Annotated[int, within(1)] = 2000
    """documents that are filled in"""
    batch: Annotated[int, within(1)] = 1000
    """documents of a write"""
    writers: Annotated[int, within(0)] = 1
    """clients that write"""
    rerankers: Annotated[int, within(0)] = 0
    """clients that rerank"""
    passages: Annotated[int, within(1)] = 200
    """passages of a rerank"""
    words: Annotated[int, within(1)] = 16
    """words of a document, at most"""
    rate: Annotated[float, within(0.1)] = 20.0
    """searches a second"""
    seconds: Annotated[float, within(0.1)] = 10.0
    """length of a turn"""
    turns: Annotated[int, within(1)] = 3
    """turns at rest, and as many of a busy server"""


@dataclass(frozen=True, slots=True)
class Waits:
    """A part of a search."""

    part: str
    rest: Spread
    busy: Spread


@dataclass(frozen=True, slots=True)
class Stalls:
    """The outcome."""

    searches_at_rest: int
    searches_when_busy: int
    ingested_per_s: float  # when busy
    reranked_per_s: float  # pairs, when busy
    longest_run_ms: float  # of a text that fills a model's window, alone
    waits: list[Waits]


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("stalls", StallsSettings, __doc__, "--corpus corpus.jsonl --queries queries.jsonl", run)


def run(chosen: StallsSettings) -> int:
    """Measure, print, and return the exit code."""
    found = texts.find(corpus=chosen.corpus, queries=chosen.queries)
    short = replace(found, passages=tuple(" ".join(one.split()[: chosen.words]) for one in found.passages))
    with (
        local.fresh(*chosen.options, "--cache-mb", "0") as address,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        outcome = runner.run(_measured(address, short, chosen))
    for one in outcome.waits:
        for when, took_ms in (("at rest", one.rest), ("busy", one.busy)):
            study.row({one.part: f"{when}, ms", **asdict(took_ms)})
    study.row({"longest run alone, ms": outcome.longest_run_ms})
    return study.finish(outcome)


async def _measured(address: str, found: Texts, chosen: StallsSettings) -> Stalls:
    draw = Draw(found, 0, secrets.randbits(32))
    async with (
        AsyncClient(address, timeout_s=_TIMEOUT_S) as client,
        connect(address) as opened,
        temporary.collection(client) as made,
    ):
        longest_ms = await _longest_run_ms(client)
        await temporary.fill(client, made, draw, chosen.documents, lambda _: None, asyncio.Event())
        shape = Shape(passages=chosen.passages, batch=chosen.batch, timeout_s=_TIMEOUT_S, searched=made, filled=made)
        shape = replace(shape, ids=max(chosen.documents, chosen.batch))
        requests, done = Requests(opened, draw, shape), Counter[str]()
        sent: dict[bool, list[Sample]] = {False: [], True: []}
        for turn, busy in itertools.product(range(chosen.turns), (False, True)):
            sent[busy] += await _turn(requests, chosen, turn, done, busy=busy)
    waits = []
    for part in ("search", *_PARTS):
        rest, under_load = (spread(_took_ms(one, part) for one in found) for found in sent.values())
        if rest is None or under_load is None:
            raise errors.ServerError("no search was due in a turn: give more --seconds or a higher --rate")
        waits.append(Waits(part, rest, under_load))
    return Stalls(
        searches_at_rest=len(sent[False]),
        searches_when_busy=len(sent[True]),
        ingested_per_s=done["ingest"] / (chosen.turns * chosen.seconds),
        reranked_per_s=done["rerank"] / (chosen.turns * chosen.seconds),
        longest_run_ms=longest_ms,
        waits=waits,
    )


async def _turn(
    requests: Requests, chosen: StallsSettings, turn: int, done: Counter[str], *, busy: bool
) -> list[Sample]:
    """Search for so many seconds, beside other work or not; return what was due in them, and count the work."""
    log = Log()
    loads: tuple[tuple[Name, int], ...] = (("ingest", chosen.writers), ("rerank", chosen.rerankers))
    work = [
        asyncio.create_task(Closed(clients).drive(partial(requests.prepare, kind), log))
        for kind, clients in loads
        if busy and clients
    ]
    plan = Plan(warm_up_s=_SETTLING_S, window_s=chosen.seconds, window_requests=1, agreeing=1, max_windows=1)
    ran = await measuring.measure(Open(chosen.rate, turn), lambda: requests.prepare("dense"), plan)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    (window,) = ran.windows
    due = [one for one in ran.log.samples if window.begin_s <= one.due_s < window.end_s]
    other = [one for one in log.samples if window.begin_s <= one.ended_s < window.end_s]
    if failed := [one.reply.status for one in (*due, *other) if one.reply.status != OK]:
        raise errors.ServerError(f"{len(failed)} requests got {failed[0]}: nothing to measure")
    for one in other:
        done[one.reply.kind] += one.reply.items
    return due


def _took_ms(one: Sample, part: str) -> float:
    return 1000 * one.latency_s if part == "search" else one.reply.parts_ms[part]


async def _longest_run_ms(client: AsyncClient) -> float:
    """Return the slowest of some runs that fill a window, one at a time; each model has one."""
    text, slowest = " ".join(["word"] * 10_000), 0.0
    for _ in range(_RUNS):
        embedded, scored = await client.embed([text]), await client.rerank("word", [text])
        slowest = max(slowest, embedded.timing.infer_ms, scored.timing.infer_ms)
    return slowest


if __name__ == "__main__":
    sys.exit(main())
