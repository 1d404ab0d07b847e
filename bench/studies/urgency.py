"""Measure how long a search's query waits while the server is busy with everything else.

Starts a server and keeps all three lanes busy: one client upserts documents without end, others rerank 200 passages
each, and one asks for queries' vectors, one after the other. Tells how long the queries waited for a slot (by the
server's own timing), beside the longest single run of each model on the idle server: a query should never wait for
longer than one run. The result is JSON.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import grpc

from shortlist.bench import candidates, command, local, samples
from shortlist.bench.candidates import Candidates
from shortlist.bench.requests import options
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub

from .settings import Bundles

if TYPE_CHECKING:
    from shortlist.proto.retrieval_pb2_grpc import InferenceAsyncStub, RetrievalAsyncStub  # in the stubs' types alone

RERANKERS = 2  # clients
PASSAGES = 200
DOCUMENTS = 100  # an upsert
TIMEOUT_S = 120.0
RUNS = 20  # of the longest text, on the idle server

Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgencySettings(Bundles):
    """The settings of one measurement."""

    least: ClassVar = {"seconds": 0.1}

    candidates: Path = field(metadata={"help": "JSON file with queries and passages", "metavar": "FILE"})
    seconds: float = field(default=30.0, metadata={"help": "length of the measurement"})


@dataclass(frozen=True, slots=True)
class Urgency:
    """The outcome, in milliseconds; waits are those of the query lane."""

    queries: int
    wait_p50_ms: float
    wait_p99_ms: float
    wait_worst_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    longest_run_ms: float  # of a text that fills a model's window, alone
    reranked_pairs_per_s: float
    ingested_documents_per_s: float


def main() -> int:
    """Measure and print; return the exit code."""
    return command.main(
        "bench.studies.urgency",
        UrgencySettings,
        __doc__,
        "  python -m shortlist.bench.studies.urgency --candidates lists.json \\\n"
        "    --embedder .demo/embedder --reranker .demo/reranker",
        run,
    )


def run(chosen: UrgencySettings) -> int:
    """Measure, print, and return the exit code."""
    lists = candidates.read(chosen.candidates)
    with local.fresh(*chosen.models, "--log-level", "warning") as address:
        command.result(asdict(asyncio.run(_measure(address, lists, chosen.seconds))))
    return command.OK


async def _measure(address: str, lists: list[Candidates], seconds: float) -> Urgency:
    async with grpc.aio.insecure_channel(address, options=options(address)) as channel:
        inference, retrieval = InferenceStub(channel), RetrievalStub(channel)
        await retrieval.CreateCollection(pb.CreateCollectionRequest(name="urgency"))
        longest_ms = await _longest_run_ms(inference)
        end_s = time.perf_counter() + seconds
        waits: list[float] = []
        latencies: list[float] = []

        def over() -> bool:
            return time.perf_counter() >= end_s

        work: list[Coroutine[None, None, int]] = [
            _ingest(retrieval, lists, over),
            *(_rerank(inference, lists, over, number) for number in range(RERANKERS)),
        ]
        busy = [asyncio.create_task(one) for one in work]
        await _query(inference, over, waits, latencies)
        documents, *pairs = await asyncio.gather(*busy)
    return Urgency(
        queries=len(waits),
        wait_p50_ms=samples.percentile(sorted(waits), 50),
        wait_p99_ms=samples.percentile(sorted(waits), 99),
        wait_worst_ms=max(waits),
        latency_p50_ms=samples.percentile(sorted(latencies), 50),
        latency_p99_ms=samples.percentile(sorted(latencies), 99),
        longest_run_ms=longest_ms,
        reranked_pairs_per_s=sum(pairs) / seconds,
        ingested_documents_per_s=documents / seconds,
    )


async def _longest_run_ms(inference: "InferenceAsyncStub") -> float:
    """Return the slowest of some runs that fill a window, one at a time; each model has one."""
    text = " ".join(["word"] * 10_000)
    slowest = 0.0
    for _ in range(RUNS):
        embedded = await inference.Embed(pb.EmbedRequest(texts=[text]), timeout=TIMEOUT_S)
        scored = await inference.Rerank(pb.RerankRequest(query="word", documents=[text]), timeout=TIMEOUT_S)
        slowest = max(slowest, embedded.timing.infer_ms, scored.timing.infer_ms)
    return slowest


async def _query(inference: "InferenceAsyncStub", over: Stop, waits: list[float], latencies: list[float]) -> None:
    for number in itertools.count():
        if over():
            return
        # A number in it makes each query one of its own, which no cache knows.
        request = pb.EmbedRequest(texts=[f"what is the answer to question {number}"], kind=pb.TEXT_KIND_QUERY)
        began = time.perf_counter()
        response = await inference.Embed(request, timeout=TIMEOUT_S)
        latencies.append(1000 * (time.perf_counter() - began))
        waits.append(response.timing.queue_ms)


async def _ingest(retrieval: "RetrievalAsyncStub", lists: list[Candidates], over: Stop) -> int:
    texts = _texts(lists)
    done = 0
    while not over():
        documents = [pb.Document(id=str(done + place), text=next(texts)) for place in range(DOCUMENTS)]
        await retrieval.Upsert(pb.UpsertRequest(collection="urgency", documents=documents), timeout=TIMEOUT_S)
        done += DOCUMENTS
    return done


async def _rerank(inference: "InferenceAsyncStub", lists: list[Candidates], over: Stop, seed: int) -> int:
    texts, done = _texts(lists[seed:]), 0
    for one in itertools.cycle(lists[seed:]):
        if over():
            break
        request = pb.RerankRequest(query=one.query, documents=[next(texts) for _ in range(PASSAGES)])
        done += (await inference.Rerank(request, timeout=TIMEOUT_S)).reranked
    return done


def _texts(lists: list[Candidates]) -> Iterator[str]:
    return itertools.cycle([text for one in lists for text in one.texts])


if __name__ == "__main__":
    sys.exit(main())
