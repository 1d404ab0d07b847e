"""Measure a reindex: how fast it is, and what searches take beside it.

Fills a collection of a server of its own, then has it made anew, again and again: by a variant of the embedder, or by
another bundle, and back. Dense searches come at random times, in turns while the server has nothing else to do and
while it makes vectors; all of them count, and one that fails ends the measurement. A reindex is also made with no
search beside it, next to the time that filling took, since both embed the same texts.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.bench import local, temporary, texts
from shortlist.bench.app import event_loop
from shortlist.bench.load import Log, Open
from shortlist.bench.requests import Requests, Shape, connect
from shortlist.bench.samples import OK, Sample, Spread, spread
from shortlist.bench.texts import Draw, Texts
from shortlist.client import AsyncClient, errors
from shortlist.server.settings import within

from . import study
from .study import Bundles

_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexesSettings(Bundles):
    """The settings of one measurement."""

    corpus: Annotated[Path, Parameter(metavar="FILE")]
    """documents, in any form that `index` reads"""
    queries: Annotated[Path, Parameter(metavar="FILE")]
    """queries, as JSON lines"""

    other: Annotated[Path | None, Parameter(metavar="BUNDLE")] = None
    """bundle of the other embedder; default: --embedder's"""
    variant: Annotated[str, Parameter(metavar="NAME")] = ""
    """the other embedder's variant"""
    documents: Annotated[int, within(1)] = 2000
    """documents that are filled in"""
    rate: Annotated[float, within(0.1)] = 20.0
    """searches a second"""
    seconds: Annotated[float, within(0.1)] = 10.0
    """length of a turn at rest"""
    turns: Annotated[int, within(1)] = 2
    """reindexes there and back"""


@dataclass(frozen=True, slots=True)
class Reindexes:
    """The outcome."""

    documents: int
    embedders: list[str]
    filled_per_s: float
    made_per_s: float  # with no search beside it
    made_per_s_beside_searches: float
    searches_at_rest: int
    searches_beside: int
    rest_ms: Spread
    beside_ms: Spread


def main() -> int:
    """Measure and print; return the exit code."""
    options = "--corpus corpus.jsonl --queries queries.jsonl --variant fp32"
    return study.main("reindexes", ReindexesSettings, __doc__, options, run)


def run(chosen: ReindexesSettings) -> int:
    """Measure, print, and return the exit code."""
    found = texts.find(corpus=chosen.corpus, queries=chosen.queries)
    with (
        local.fresh(*chosen.options, "--cache-mb", "0") as address,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        outcome = runner.run(_measured(address, found, chosen))
    for when, took_ms in (("at rest", outcome.rest_ms), ("beside a reindex", outcome.beside_ms)):
        study.row({"search": f"{when}, ms", **asdict(took_ms)})
    rates = outcome.filled_per_s, outcome.made_per_s, outcome.made_per_s_beside_searches
    study.row(dict(zip(("filled/s", "made anew/s", "beside searches"), rates, strict=True)))
    return study.finish(outcome)


async def _measured(address: str, found: Texts, chosen: ReindexesSettings) -> Reindexes:
    draw = Draw(found, 0, secrets.randbits(32))
    other = str((chosen.other or chosen.embedder).absolute()), chosen.variant
    async with (
        AsyncClient(address, timeout_s=_TIMEOUT_S) as client,
        connect(address) as opened,
        temporary.collection(client) as made,
    ):
        began = time.monotonic()
        await temporary.fill(client, made, draw, chosen.documents, lambda _: None, asyncio.Event())
        filled_s = time.monotonic() - began
        requests = Requests(opened, draw, Shape(timeout_s=_TIMEOUT_S, searched=made, filled=made))
        rest: list[Sample] = []
        beside: list[Sample] = []
        alone_s, beside_s, names = [], [], set()
        for turn in range(chosen.turns):
            for target in (other, ("", "")):
                rest += await _searched(requests, chosen.rate, turn, asyncio.sleep(chosen.seconds))
                began = time.monotonic()
                beside += await _searched(requests, chosen.rate, turn, client.reindex(made, *target))
                beside_s.append(time.monotonic() - began)
                names.add((await client.get_reindex(made)).embedder)
            for target in (other, ("", "")):
                began = time.monotonic()
                await client.reindex(made, *target)
                alone_s.append(time.monotonic() - began)
    if failed := [one.reply.status for one in (*rest, *beside) if one.reply.status != OK]:
        raise errors.ServerError(f"{len(failed)} searches got {failed[0]}: nothing to measure")
    rest_ms, beside_ms = (spread(1000 * one.latency_s for one in some) for some in (rest, beside))
    if rest_ms is None or beside_ms is None:
        raise errors.ServerError("no search was due: give more --documents or --seconds, or a higher --rate")
    return Reindexes(
        documents=chosen.documents,
        embedders=sorted(names),
        filled_per_s=chosen.documents / filled_s,
        made_per_s=chosen.documents / min(alone_s),
        made_per_s_beside_searches=chosen.documents / min(beside_s),
        searches_at_rest=len(rest),
        searches_beside=len(beside),
        rest_ms=rest_ms,
        beside_ms=beside_ms,
    )


async def _searched(requests: Requests, rate: float, seed: int, until: Awaitable[object]) -> list[Sample]:
    """Search until something else has ended, and return all that was due by then."""
    log = Log()
    load = asyncio.create_task(Open(rate, seed).drive(lambda: requests.prepare("dense"), log))
    await until
    ended_s = asyncio.get_running_loop().time()
    await log.drained(ended_s)
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    return [one for one in log.samples if one.due_s < ended_s]


if __name__ == "__main__":
    sys.exit(main())
