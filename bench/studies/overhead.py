"""Measure what the server adds to its models: to an embed, to a dense search, and to an ingest.

A server of its own has a filled collection. One client embeds short queries, then searches without stage two: what is
told is the median of latency less inference, so wire, client and server together. Then some clients upsert documents,
in turns with a bare loop that runs the same texts, tokenized beforehand, through the same graph on all cores: what is
told is the median over the rounds of the one rate to the other.
"""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import ClassVar

import grpc

from shortlist.bench import command, measuring, temporary, texts
from shortlist.bench.app import event_loop
from shortlist.bench.kinds import Name
from shortlist.bench.load import Closed
from shortlist.bench.measuring import Plan
from shortlist.bench.outcome import plain
from shortlist.bench.requests import Requests, Shape, options
from shortlist.bench.samples import OK
from shortlist.bench.studies.growth.filling import COLLECTION, served
from shortlist.bench.studies.peers.offline import ARRANGEMENTS, Loop
from shortlist.bench.studies.settings import Bundles
from shortlist.bench.texts import Draw, Texts
from shortlist.client import AsyncClient, errors
from shortlist.server import cores
from shortlist.server.runtime import bundle
from shortlist.server.runtime.tokens import Encoded, Tokenizer

ALONE = ARRANGEMENTS[-1]  # one text a run, a thread a core, as the server's slots
_TIMEOUT_S = 60.0
_TOP_K = 10
_GROUP = 256  # documents that the bare loop runs between two looks at the time


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadSettings(Bundles):
    """The settings of one measurement."""

    least: ClassVar = {"documents": 1, "rounds": 1, "clients": 1, "batch": 1, "seconds": 0.1}

    collection_folder: Path = field(metadata={"help": "folder with corpus.jsonl and queries.jsonl (BEIR)"})
    documents: int = field(default=100_000, metadata={"help": "documents in the collection that is searched"})
    data: Path | None = field(
        default=None, metadata={"help": "folder to keep the filled collection in, for another time"}
    )
    seconds: float = field(default=10.0, metadata={"help": "length of each measurement, and of each turn"})
    rounds: int = field(default=3, metadata={"help": "turns of ingest and of the bare loop"})
    clients: int = field(default=4, metadata={"help": "clients that ingest"})
    batch: int = field(default=32, metadata={"help": "documents of an upsert"})
    seed: int = field(default=0, metadata={"help": "decides the order of texts"})
    json: bool = field(default=False, metadata=command.JSON)


@dataclass(frozen=True, slots=True)
class Beside:
    """What the requests of one client took, medians in milliseconds."""

    requests: int
    latency_ms: float
    overhead_ms: float  # latency less inference
    parts_ms: dict[str, float]  # all of the latency, means


@dataclass(frozen=True, slots=True)
class Round:
    """One round: documents a second of the bare loop, and through the server."""

    bare_per_s: float
    ingest_per_s: float

    @property
    def ratio(self) -> float:
        """The share of the bare rate that the server keeps."""
        return self.ingest_per_s / self.bare_per_s


@dataclass(frozen=True, slots=True)
class Overhead:
    """The outcome."""

    documents: int  # in the collection that was searched
    embed: Beside
    dense: Beside
    turns: list[Round]
    ingest_ratio: float  # median of the turns'
    ingest_parts_ms: dict[str, float]  # of an upsert, means over all turns


AIMS = {"embed": 1.0, "dense": 1.5, "ingest": 0.9}
"""Milliseconds that the server may add at most; the share of the bare rate that an ingest must keep at least."""


def main() -> int:
    """Measure and print; return the exit code."""
    return command.main(
        "bench.studies.overhead",
        OverheadSettings,
        __doc__,
        "  python -m shortlist.bench.studies.overhead --embedder .demo/embedder --reranker .demo/reranker \\\n"
        "    --collection-folder squad-dev --data growth",
        run,
    )


def run(chosen: OverheadSettings) -> int:
    """Measure, print, and return the exit code."""
    real = texts.find(folder=chosen.collection_folder)
    with (
        served(chosen.data, chosen.embedder, chosen.reranker, real.passages, chosen.documents) as (server, _, _),
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        found = runner.run(_measured(server.address, real, chosen))
    command.show("\n".join(told(found)), beside_json=chosen.json)
    if chosen.json:
        command.result(plain(found))
    return command.OK


async def _measured(address: str, real: Texts, chosen: OverheadSettings) -> Overhead:
    async with (
        AsyncClient(address) as client,
        grpc.aio.insecure_channel(address, options=options(address)) as opened,
        temporary.collection(client) as filled,
    ):
        shape = Shape(1, 1, "query", chosen.batch, _TOP_K, True, _TIMEOUT_S, COLLECTION, filled)  # noqa: FBT003
        requests = Requests(opened, Draw(real, chosen.seed, secrets.randbits(32)), shape)
        embed = await _beside(requests, "embed", chosen.seconds)
        dense = await _beside(requests, "dense", chosen.seconds)
        variant = (await client.describe()).embedder.variant
        model = bundle.load(chosen.embedder, "embedder")
        bare = Loop(model.graph(variant), ALONE, cores.usable(), model.manifest.pad_token_id)
        groups = _groups(chosen, real, Tokenizer(model), model.manifest.document_prefix)
        turns, parts = [], []
        for _ in range(chosen.rounds):
            ran = await asyncio.to_thread(bare.measure, groups, chosen.seconds)
            ingest = await _loaded(requests, "ingest", chosen.clients, chosen.seconds)
            turns.append(Round(ran.rate, ingest.rate))
            parts.append(ingest.parts_ms)
        bare.close()
    means = {name: fmean(one[name] for one in parts) for name in parts[0]}
    return Overhead(chosen.documents, embed, dense, turns, median(one.ratio for one in turns), means)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One window under load."""

    rate: float  # items a second
    latencies_ms: list[float]
    overheads_ms: list[float]
    parts_ms: dict[str, float]


async def _loaded(requests: Requests, kind: Name, clients: int, seconds: float) -> _Loaded:
    """Put a load on the server for one window, and return what came of it; a refusal would be none of its figures."""
    plan = Plan(warm_up_s=seconds / 10, window_s=seconds, window_requests=1, most_windows=1)
    ran = await measuring.measure(Closed(clients), lambda: requests.prepare(kind), plan)
    (window,) = ran.windows
    inside = [one for one in ran.log.samples if window.begin_s <= one.ended_s < window.end_s]
    if failed := [one.reply.status for one in inside if one.reply.status != OK]:
        raise errors.ServerError(f"{len(failed)} of {len(inside)} requests got {failed[0]}: nothing to measure")
    return _Loaded(
        sum(one.reply.items for one in inside) / (window.end_s - window.begin_s),
        [1000 * one.latency_s for one in inside],
        [1000 * one.latency_s - one.reply.parts_ms["infer"] for one in inside],
        {name: fmean(one.reply.parts_ms[name] for one in inside) for name in inside[0].reply.parts_ms},
    )


async def _beside(requests: Requests, kind: Name, seconds: float) -> Beside:
    found = await _loaded(requests, kind, 1, seconds)
    count = len(found.latencies_ms)
    return Beside(count, median(found.latencies_ms), median(found.overheads_ms), found.parts_ms)


def _groups(chosen: OverheadSettings, real: Texts, tokenizer: Tokenizer, prefix: str) -> Iterator[list[Encoded]]:
    """Yield tokenized documents without end, in the order that an ingest brings them."""
    draw = Draw(real, chosen.seed, 0)
    while True:
        yield tokenizer.encode([prefix + draw.passage() for _ in range(_GROUP)])


def told(found: Overhead) -> Iterator[str]:
    """Yield the outcome beside its aims, line by line."""
    for name, one in (("embed", found.embed), ("dense", found.dense)):
        parts = ", ".join(f"{part} {mean:.2f}" for part, mean in one.parts_ms.items())
        what = "embed of a short query" if name == "embed" else f"dense search of {found.documents:,} documents"
        met = "met" if one.overhead_ms <= AIMS[name] else "missed"
        yield (
            f"{what}: {one.overhead_ms:.2f} ms beside the model, of {one.latency_ms:.2f} (p50 of {one.requests:,});"
            f" aim {AIMS[name]:g}: {met}; means: {parts}"
        )
    rounds = ", ".join(f"{one.ingest_per_s:.1f} of {one.bare_per_s:.1f}" for one in found.turns)
    parts = ", ".join(f"{part} {mean:.0f}" for part, mean in found.ingest_parts_ms.items())
    met = "met" if found.ingest_ratio >= AIMS["ingest"] else "missed"
    yield (
        f"ingest: {found.ingest_ratio:.3f} of the bare loop ({rounds} documents/s); aim {AIMS['ingest']:g}: {met};"
        f" means of an upsert, ms: {parts}"
    )


if __name__ == "__main__":
    sys.exit(main())
