"""Measure what a search waits for while documents are written: its time at rest beside its time under ingest.

Fills a collection of a server of its own, then sends dense searches at a steady rate, in turns at rest and while
clients write documents: half of them new, half new texts under old ids. Tells percentiles of the whole search, from
when it was due, and of its parts by the server's own timing: queue and inference share the cores with the ingest's
embeddings, retrieving is the index and the rows. Short documents put more writes beside a search. A line a part.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, ClassVar

import grpc

from shortlist.bench import command, local, samples, texts
from shortlist.bench.texts import Texts
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import RetrievalStub

from .settings import Corpus

if TYPE_CHECKING:
    from shortlist.proto.retrieval_pb2_grpc import RetrievalAsyncStub  # in the stubs' types alone

_COLLECTION = "stalls"
_FILLING = 100  # documents a call
_TIMEOUT_S = 300.0
_PARTS = ("search", "queue", "infer", "retrieve")


@dataclass(frozen=True, slots=True, kw_only=True)
class StallsSettings(Corpus):
    """The settings of one measurement."""

    least: ClassVar = {"documents": 1, "batch": 1, "writers": 1, "words": 1, "turns": 1, "rate": 0.1, "seconds": 0.1}

    documents: int = field(default=2000, metadata={"help": "documents that are filled in"})
    batch: int = field(default=1000, metadata={"help": "documents of a write"})
    writers: int = field(default=1, metadata={"help": "clients that write"})
    words: int = field(default=16, metadata={"help": "words of a document, at most"})
    rate: float = field(default=20.0, metadata={"help": "searches a second"})
    seconds: float = field(default=10.0, metadata={"help": "length of a turn"})
    turns: int = field(default=3, metadata={"help": "turns at rest, and as many under ingest"})
    json: bool = field(default=False, metadata=command.JSON)


@dataclass(frozen=True, slots=True)
class Waits:
    """A part of a search, in milliseconds."""

    part: str
    rest_p50: float
    rest_p99: float
    ingest_p50: float
    ingest_p99: float

    @property
    def ratio(self) -> float:
        """Return how many times as long as at rest the 99th percentile is under ingest."""
        return self.ingest_p99 / self.rest_p99


@dataclass(frozen=True, slots=True)
class Stalls:
    """The outcome."""

    documents: int  # at the start
    batch: int
    writers: int
    searches_at_rest: int
    searches_under_ingest: int
    ingested_per_s: float
    waits: list[Waits]


def main() -> int:
    """Measure and print; return the exit code."""
    return command.main(
        "bench.studies.stalls",
        StallsSettings,
        __doc__,
        "  python -m shortlist.bench.studies.stalls --corpus corpus.jsonl --queries queries.jsonl \\\n"
        "    --embedder .demo/embedder --reranker .demo/reranker",
        run,
    )


def run(chosen: StallsSettings) -> int:
    """Measure, print, and return the exit code."""
    found = texts.find(corpus=chosen.corpus, queries=chosen.queries)
    with local.fresh(*chosen.models, "--cache-mb", "0", "--log-level", "warning") as address:
        outcome = asyncio.run(_measure(address, found, chosen))
    for one in outcome.waits:
        command.show(
            f"{one.part:10} at rest p50 {one.rest_p50:7.2f} p99 {one.rest_p99:7.2f} ms"
            f"   under ingest p50 {one.ingest_p50:7.2f} p99 {one.ingest_p99:7.2f} ms   p99 x {one.ratio:.2f}",
            beside_json=chosen.json,
        )
    if chosen.json:
        command.result(asdict(outcome))
    return command.OK


async def _measure(address: str, found: Texts, chosen: StallsSettings) -> Stalls:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = RetrievalStub(channel)
        await stub.CreateCollection(pb.CreateCollectionRequest(name=_COLLECTION))
        written, queries = _documents(found, chosen.words), itertools.cycle(found.queries)
        for _ in range(0, chosen.documents, _FILLING):
            await _write(stub, list(itertools.islice(written, _FILLING)))
        times: dict[bool, dict[str, list[float]]] = {busy: {part: [] for part in _PARTS} for busy in (False, True)}
        ingested = 0
        for _ in range(chosen.turns):
            for busy in (False, True):
                end_s = time.perf_counter() + chosen.seconds
                writers = [_ingest(stub, written, chosen.batch, end_s) for _ in range(chosen.writers * busy)]
                under_way = [asyncio.create_task(one) for one in writers]
                await _searches(stub, queries, times[busy], chosen.rate, end_s)
                ingested += sum(await asyncio.gather(*under_way))
    return Stalls(
        documents=chosen.documents,
        batch=chosen.batch,
        writers=chosen.writers,
        searches_at_rest=len(times[False]["search"]),
        searches_under_ingest=len(times[True]["search"]),
        ingested_per_s=ingested / (chosen.turns * chosen.seconds),
        waits=[_waits(part, times[False][part], times[True][part]) for part in _PARTS],
    )


def _waits(part: str, rest: list[float], ingest: list[float]) -> Waits:
    return Waits(part, *(samples.percentile(sorted(some), which) for some in (rest, ingest) for which in (50, 99)))


def _documents(found: Texts, words: int) -> Iterator[pb.Document]:
    """Yield documents without end: every second one replaces an older one, all texts are of their own."""
    rng = random.Random(0)  # noqa: S311 (no secret)
    for number, text in enumerate(itertools.cycle(found.passages)):
        name = number if number % 2 else rng.randrange(number + 1)
        yield pb.Document(id=str(name), text=" ".join([str(number), *text.split()[:words]]))


async def _write(stub: "RetrievalAsyncStub", documents: list[pb.Document]) -> None:
    once = {one.id: one for one in documents}
    await stub.Upsert(pb.UpsertRequest(collection=_COLLECTION, documents=once.values()), timeout=_TIMEOUT_S)


async def _ingest(stub: "RetrievalAsyncStub", documents: Iterator[pb.Document], batch: int, end_s: float) -> int:
    """Write until the time is over, and return how many documents; the last ones may come after it."""
    done = 0
    while time.perf_counter() < end_s:
        await _write(stub, list(itertools.islice(documents, batch)))
        done += batch
    return done


async def _searches(
    stub: "RetrievalAsyncStub", queries: Iterator[str], times: dict[str, list[float]], rate: float, end_s: float
) -> None:
    """Send a search whenever one is due, also while others wait, until the time is over; wait for all answers."""
    due_s, sent = time.perf_counter(), []
    while due_s < end_s:
        await asyncio.sleep(due_s - time.perf_counter())
        sent.append(asyncio.create_task(_search(stub, next(queries), times, due_s)))
        due_s += 1 / rate
    await asyncio.gather(*sent)


async def _search(stub: "RetrievalAsyncStub", query: str, times: dict[str, list[float]], due_s: float) -> None:
    request = pb.SearchRequest(collection=_COLLECTION, query=query, mode=pb.MODE_DENSE)
    timing = (await stub.Search(request, timeout=_TIMEOUT_S)).timing
    times["search"].append(1000 * (time.perf_counter() - due_s))
    for part in _PARTS[1:]:
        times[part].append(getattr(timing, f"{part}_ms"))


if __name__ == "__main__":
    sys.exit(main())
