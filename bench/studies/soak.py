"""Measure whether a server's memory grows: many requests of every kind and of random lengths.

A server of its own gets requests from some clients at once: embeds, reranks of a few passages, searches with and
without stage two, upserts into a bounded set of ids, and deletes. Lengths are log-uniform from one token to the
models' window, so that onnxruntime sees every shape. The resident memory after the first of them, when caches are
full and every buffer was needed once, is held against that at the end.
"""

import asyncio
import itertools
import math
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from shortlist.bench import command, measuring, texts
from shortlist.bench.benchmark import interrupts
from shortlist.bench.kinds import Name
from shortlist.bench.load import Closed, Prepare, Send
from shortlist.bench.measuring import Plan
from shortlist.bench.requests import Requests, Shape, connect, mixed
from shortlist.bench.samples import OK, Reply
from shortlist.bench.texts import Draw, Texts
from shortlist.client import AsyncClient, errors
from shortlist.console.errors import UsageError
from shortlist.server.runtime import bundle
from shortlist.server.settings import within

from . import study, watched
from .lengths import Cutter
from .study import Bundles
from .watched import Watched

_COLLECTION = "soak"
_SHARES: dict[Name, int] = {"embed": 3, "rerank": 2, "dense": 3, "search": 1, "ingest": 2}
_DELETES = 1 / 12  # of the requests
_TEXTS = 2  # of a request: many requests are wanted, not much work
_CUT = 20_000  # queries, and passages: further ones are put together of them
_SAMPLES = 100  # of the memory, over the whole run
_MOST_FAILED = 0.01  # share of the requests: beyond it the run was of another kind than it says
_DAYS_S = 1e6  # longer than any run: it ends by its number of requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSettings(Bundles):
    """The settings of one soak."""

    collection_folder: Path | None = None
    """folder with corpus.jsonl and queries.jsonl (BEIR) to cut texts out of; else those that ship"""
    requests: int = 200_000
    """requests in all"""
    first: int = 20_000
    """requests after which memory must not grow any more"""
    allowed_growth: float = 0.03
    """share by which memory may grow from the first requests to all"""
    clients: Annotated[int, within(1)] = 8
    """clients that send at once"""
    ids: Annotated[int, within(_TEXTS)] = 2000
    """ids that upserts and deletes choose from"""
    cache_mb: int = 8
    """the server's caches: small, so that they are full before the first requests are over"""
    timeout_s: float = 30.0
    """seconds that a request may take"""
    seed: int = 0
    """decides kinds and lengths"""

    def __post_init__(self) -> None:
        """Refuse what cannot be judged.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        if not 0 < self.first < self.requests:
            raise UsageError(f"first is {self.first:,}, but it must be above 0 and below requests, {self.requests:,}")


@dataclass(frozen=True, slots=True)
class Held:
    """The memory of the server's process after a number of requests."""

    requests: int
    rss_mb: float
    cache_mb: float


@dataclass(frozen=True, slots=True)
class Soak:
    """The outcome."""

    requests: int  # that were answered or refused
    seconds: float
    kinds: dict[str, int]
    errors: dict[str, int]  # by status
    first: Held | None  # None: it was interrupted before
    last: Held
    growth: float | None  # share, from first to last
    passed: bool | None  # None: it was interrupted
    samples: list[Held]


class Watch:
    """A count of requests that looks at the memory now and then, and ends the run when there were enough."""

    def __init__(self, server: Watched, chosen: SoakSettings, stop: asyncio.Event) -> None:
        """Begin at none."""
        self.samples: list[Held] = []
        self.first: Held | None = None
        self.done = 0
        self._server, self._chosen, self._stop = server, chosen, stop
        self._began_s = time.monotonic()

    def counted(self, send: Send) -> Send:
        """Return a request that is counted."""

        async def sent() -> Reply:
            reply = await send()
            if self.done < self._chosen.requests:
                self.done += 1
                self._look()
            return reply

        return sent

    def held(self) -> Held:
        """Return what the server holds now."""
        usage = self._server.usage()
        return Held(self.done, usage.rss_bytes / 1e6, usage.cache_bytes / 1e6)

    def _look(self) -> None:
        chosen = self._chosen
        if self.done == chosen.first:
            self.first = self.held()
        if self.done % max(1, chosen.requests // _SAMPLES) == 0 or self.done == chosen.requests:
            self.samples.append(now := self.held())
            rate = self.done / (time.monotonic() - self._began_s)
            study.show(
                f"{self.done:,} of {chosen.requests:,} requests, {rate:.0f}/s,"
                f" {now.rss_mb:.1f} MB resident, caches {now.cache_mb:.1f} MB"
            )
        if self.done == chosen.requests:
            self._stop.set()


def main() -> int:
    """Measure and print; return the exit code."""
    told = f"{__doc__}\nExits with 1 if memory grew by more than is allowed. Ctrl-C tells what there is by then."
    return study.main("soak", SoakSettings, told, "--collection-folder squad-dev", run)


def run(chosen: SoakSettings) -> int:
    """Soak a server of one's own, print, and return the exit code."""
    cut = _texts(chosen)
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-soak-") as data,
        watched.serving(*chosen.options, "--data", data, "--cache-mb", str(chosen.cache_mb)) as server,
    ):
        outcome = asyncio.run(_soak(server, cut, chosen))
    study.show(_told(outcome, chosen))
    codes = {None: command.INTERRUPTED, True: command.OK, False: command.FAILED}
    return study.finish(outcome, codes[outcome.passed])


def _texts(chosen: SoakSettings) -> Texts:
    """Cut texts whose lengths are log-uniform from one token to the window."""
    real = texts.find(folder=chosen.collection_folder)
    embedder, reranker = bundle.load(chosen.embedder, "embedder"), bundle.load(chosen.reranker, "reranker")
    window = max(embedder.manifest.max_tokens, reranker.manifest.max_tokens)
    cutter, rng = Cutter(embedder.tokenizer, real.passages, chosen.seed), random.Random(chosen.seed)  # noqa: S311 (no secret)
    cut = [cutter.cut(round(math.exp(rng.uniform(0, math.log(window))))) for _ in range(2 * _CUT)]
    return Texts(real.name, tuple(cut[:_CUT]), tuple(cut[_CUT:]))


async def _soak(server: Watched, cut: Texts, chosen: SoakSettings) -> Soak:
    stop, began_s = asyncio.Event(), time.monotonic()
    sizes = Shape(passages=_TEXTS, texts=_TEXTS, batch=_TEXTS, top_k=_TEXTS, timeout_s=chosen.timeout_s)
    shape = replace(sizes, searched=_COLLECTION, filled=_COLLECTION, ids=chosen.ids)
    async with (
        AsyncClient(server.address) as client,
        connect(server.address) as opened,
    ):
        await client.create_collection(_COLLECTION)
        requests = Requests(opened, Draw(cut, chosen.seed, secrets.randbits(32)), shape)
        prepare = _with_deletes(mixed(requests, _SHARES, chosen.seed), client, chosen)
        watch, plan = Watch(server, chosen, stop), Plan(warm_up_s=0, window_s=_DAYS_S, max_windows=1)
        with interrupts(stop):
            load = Closed(chosen.clients)
            ran = await measuring.measure(load, lambda: watch.counted(prepare()), plan, stop=stop)
    replies = [sample.reply for sample in itertools.islice(ran.log.samples, chosen.requests)]
    return judged(replies, time.monotonic() - began_s, watch.first, watch.held(), watch.samples, chosen)


def _with_deletes(others: Prepare, client: AsyncClient, chosen: SoakSettings) -> Prepare:
    rng = random.Random(chosen.seed)  # noqa: S311 (repeatable, no secret)

    def prepare() -> Send:
        if rng.random() >= _DELETES:
            return others()
        ids = list(map(str, rng.sample(range(chosen.ids), _TEXTS)))

        async def send() -> Reply:
            try:
                await client.delete(_COLLECTION, ids)
            except errors.ShortlistError as error:
                return Reply("delete", status=type(error).__name__)
            return Reply("delete")

        return send

    return prepare


def judged(
    replies: list[Reply], seconds: float, first: Held | None, last: Held, samples: list[Held], chosen: SoakSettings
) -> Soak:
    """Return the outcome: whether memory held still, and most requests were what they were meant to be."""
    failed = Counter(reply.status for reply in replies if reply.status != OK)
    growth = None if first is None else last.rss_mb / first.rss_mb - 1
    passed = None
    if growth is not None and last.requests >= chosen.requests:
        passed = growth <= chosen.allowed_growth and failed.total() <= _MOST_FAILED * len(replies)
    kinds = Counter(reply.kind for reply in replies)
    return Soak(len(replies), seconds, dict(kinds), dict(failed), first, last, growth, passed, samples)


def _told(found: Soak, chosen: SoakSettings) -> str:
    """Return the outcome as a person reads it."""
    failed = f"; {sum(found.errors.values()):,} failed: {found.errors}" if found.errors else ""
    begun = f"{found.requests:,} requests in {found.seconds:.0f} s{failed}"
    if found.first is None or found.growth is None:
        return f"{begun}; {found.last.rss_mb:.1f} MB resident; interrupted before {chosen.first:,}"
    verdict = {None: "interrupted", True: "passed", False: "failed"}[found.passed]
    return (
        f"{begun}; resident {found.first.rss_mb:.1f} MB after {found.first.requests:,},"
        f" {found.last.rss_mb:.1f} MB after {found.last.requests:,}: {found.growth:+.1%}"
        f" (allowed {chosen.allowed_growth:+.1%}): {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
