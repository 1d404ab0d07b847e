"""Measure whether a server's memory grows: many requests of every kind and of random lengths.

A server of its own gets requests from some clients at once: embeds, reranks of a few passages, searches with and
without stage two, upserts into a bounded set of ids, and deletes. Lengths are log-uniform from one token to the
model's window, so that onnxruntime sees every shape. The resident memory after the first of them, when caches are
full and every buffer was needed once, is held against that at the end.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import grpc

from shortlist.bench import command, measuring, texts
from shortlist.bench.benchmark import interrupts
from shortlist.bench.load import Closed, Send
from shortlist.bench.measuring import Plan
from shortlist.bench.outcome import plain
from shortlist.bench.requests import options
from shortlist.bench.samples import OK, Reply
from shortlist.console.options import UsageError
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import RetrievalStub
from shortlist.server.runtime import bundle

from . import watched
from .lengths import Cutter
from .random_requests import COLLECTION, Sender
from .settings import Bundles
from .watched import Watched

_SAMPLES = 100  # of the memory, over the whole run
_MOST_FAILED = 0.01  # share of the requests: beyond it the run was of another kind than it says
_DAYS_S = 1e6  # longer than any run: it ends by its number of requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSettings(Bundles):
    """The settings of one soak."""

    least: ClassVar = {"clients": 1, "ids": 1}

    collection_folder: Path | None = field(
        default=None,
        metadata={
            "help": "folder with corpus.jsonl and queries.jsonl (BEIR) to cut texts out of; else those that ship"
        },
    )
    requests: int = field(default=200_000, metadata={"help": "requests in all"})
    first: int = field(default=20_000, metadata={"help": "requests after which memory must not grow any more"})
    allowed_growth: float = field(
        default=0.03, metadata={"help": "share by which memory may grow from the first requests to all"}
    )
    clients: int = field(default=8, metadata={"help": "clients that send at once"})
    ids: int = field(default=2000, metadata={"help": "ids that upserts and deletes choose from"})
    cache_mb: int = field(
        default=8,
        metadata={"help": "the server's caches: small, so that they are full before the first requests are over"},
    )
    timeout_s: float = field(default=30.0, metadata={"help": "seconds that a request may take"})
    seed: int = field(default=0, metadata={"help": "decides kinds and lengths"})
    json: bool = field(default=False, metadata=command.JSON)

    def __post_init__(self) -> None:
        """Refuse what cannot be judged.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        if not 0 < self.first < self.requests:
            raise UsageError(f"first is {self.first:,}, but it must be above 0 and below requests, {self.requests:,}")
        Bundles.__post_init__(self)  # a dataclass with slots is not the class that super() would look for


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
            print(
                f"{self.done:,} of {chosen.requests:,} requests, {rate:.0f}/s,"
                f" {now.rss_mb:.1f} MB resident, caches {now.cache_mb:.1f} MB",
                file=sys.stderr,
                flush=True,
            )
        if self.done == chosen.requests:
            self._stop.set()


def main() -> int:
    """Measure and print; return the exit code."""
    return command.main(
        "bench.studies.soak",
        SoakSettings,
        f"{__doc__}\nExits with 1 if memory grew by more than is allowed. Ctrl-C tells what there is by then.",
        "  python -m shortlist.bench.studies.soak --embedder .demo/embedder --reranker .demo/reranker",
        run,
    )


def run(chosen: SoakSettings) -> int:
    """Soak a server of one's own, print, and return the exit code."""
    passages = texts.find(folder=chosen.collection_folder).passages
    found = (bundle.load(chosen.embedder, "embedder"), bundle.load(chosen.reranker, "reranker"))
    cutters = (Cutter(found[0].tokenizer, passages, chosen.seed), Cutter(found[1].tokenizer, passages, chosen.seed))
    windows = (found[0].manifest.max_tokens, found[1].manifest.max_tokens)
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-soak-") as data,
        watched.serving(*chosen.models, "--data", data, "--cache-mb", str(chosen.cache_mb)) as server,
    ):
        outcome = asyncio.run(_soak(server, cutters, windows, chosen))
    command.show(_told(outcome, chosen), beside_json=chosen.json)
    if chosen.json:
        command.result(plain(outcome))
    if outcome.passed is None:
        return command.INTERRUPTED
    return command.OK if outcome.passed else command.FAILED


async def _soak(
    server: Watched, cutters: tuple[Cutter, Cutter], windows: tuple[int, int], chosen: SoakSettings
) -> Soak:
    stop = asyncio.Event()
    began_s = time.monotonic()
    with interrupts(stop):
        async with grpc.aio.insecure_channel(server.address, options=options(server.address)) as opened:
            await RetrievalStub(opened).CreateCollection(pb.CreateCollectionRequest(name=COLLECTION))
            sender = Sender(opened, cutters, windows, ids=chosen.ids, timeout_s=chosen.timeout_s, seed=chosen.seed)
            watch = Watch(server, chosen, stop)
            plan = Plan(warm_up_s=0, window_s=_DAYS_S, most_windows=1)
            ran = await measuring.measure(
                Closed(chosen.clients), lambda: watch.counted(sender.prepare()), plan, stop=stop
            )
    replies = [sample.reply for sample in itertools.islice(ran.log.samples, chosen.requests)]
    return judged(replies, time.monotonic() - began_s, watch.first, watch.held(), watch.samples, chosen)


def judged(
    replies: list[Reply], seconds: float, first: Held | None, last: Held, samples: list[Held], chosen: SoakSettings
) -> Soak:
    """Return the outcome: whether memory held still, and most requests were what they were meant to be."""
    errors = Counter(reply.status for reply in replies if reply.status != OK)
    growth = None if first is None else last.rss_mb / first.rss_mb - 1
    passed = None
    if growth is not None and last.requests >= chosen.requests:
        passed = growth <= chosen.allowed_growth and errors.total() <= _MOST_FAILED * len(replies)
    kinds = Counter(reply.kind for reply in replies)
    return Soak(len(replies), seconds, dict(kinds), dict(errors), first, last, growth, passed, samples)


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
