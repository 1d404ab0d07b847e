"""Measure what widths of a walk find and take in a large collection, and how the server comes to the one it needs.

A collection is filled with pieces of real texts (`pieces.py`) and searched for questions, without a server: with each
beam, against an exact search; then from the narrowest beam on, as a server does that samples its own searches, until
the target is met. So it is seen how long that takes, and what the samples do to the searches beside them.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from shortlist.bench import beir
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.server import cores
from shortlist.server.search.sampling import Sampling
from shortlist.server.settings import within
from shortlist.server.storage import unit_vectors
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.measuring import Search
from shortlist.server.storage.recall import BEAMS, DEPTH
from shortlist.server.storage.unit_vectors import Directions

from . import models, recall, study
from .filled_collections import COLLECTION, Source, documents_of, fill
from .study import Bundles

_ROUNDING = 1e-5  # of a cosine in float32
_NO_KEYS = np.empty(0, np.uint64)
_ROUNDS = 3
_AT_REST = 500  # searches

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamsSettings(Bundles):
    """The settings of the study."""

    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out, whose passages are cut, and whose queries are asked"""
    pieces: Path
    """folder to keep the vectors of pieces in"""
    data: Path
    """folder to keep the collection in"""
    documents: Annotated[int, within(1)] = 1_000_000
    """pieces in the collection"""
    queries: Annotated[int, within(1)] = 200
    """that each beam is measured with"""
    walk_ms: Annotated[float, within(0.1)] = 10.0
    """milliseconds that a walk may take"""
    samples: Annotated[float, within(0, 1)] = 0.005
    """share of the searches that is done again"""
    most_s: Annotated[float, within(1)] = 300.0
    """seconds to wait for the target"""


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main(
        "beams", BeamsSettings, __doc__, "--folders squad-train,cranfield --pieces kept --data data", run
    )


def run(chosen: BeamsSettings) -> int:
    """Fill, measure beam after beam, then from the narrowest on, print, and return the exit code."""
    data = chosen.data / f"documents-{chosen.documents}"
    data.mkdir(parents=True, exist_ok=True)
    with Progress(sys.stderr, "filled", chosen.documents) as progress:
        filled = fill(data, chosen, Source(chosen.folders, chosen.pieces), chosen.documents, progress.update)
    with models.opened(data, chosen) as pipeline:
        collection = pipeline.contents.collection(COLLECTION)
        if not collection.measured.walks:
            raise UsageError(f"documents is {chosen.documents:,}: so few are all compared, and nothing is missed")
        queries, _ = models.embedded(pipeline.embedder, _asked(chosen), "query")
        wanted = recall.nearest(documents_of(data), queries[: chosen.queries])
        beams = _walked(collection, queries[: chosen.queries], wanted)
        held = asyncio.run(_held(chosen, collection, queries[chosen.queries :]))
    told = {"documents": len(collection), "queries": chosen.queries, "index_s": filled.index_s}
    return study.finish({**told, "beams": beams, "held": held})


def _asked(chosen: BeamsSettings) -> list[str]:
    """Return queries, in turns of all collections: those to measure with first, then others."""
    judged = [list(beir.load(folder).queries.values()) for folder in chosen.folders]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*judged))
    return list(dict.fromkeys(query for query in turns if query))[: 10 * chosen.queries]


def _walked(collection: Collection, queries: Floats, wanted: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Measure the beams in turns: what walks find, and the least that one takes of a core's time in some rounds."""
    vectors, asked = collection.among.vectors, unit_vectors.of(queries)
    shares, took_ms = np.empty((len(wanted), len(BEAMS))), np.full((len(wanted), len(BEAMS)), np.inf)
    for place, best in enumerate(wanted):
        one = Directions(asked.keys[place : place + 1], asked.units[place : place + 1])
        for _, (column, beam) in itertools.product(range(_ROUNDS), enumerate(BEAMS)):
            began_s = time.thread_time()
            _, near = vectors.search(one, DEPTH, _NO_KEYS, beam)
            took_ms[place, column] = min(took_ms[place, column], 1000 * (time.thread_time() - began_s))
            shares[place, column] = np.mean(near >= min(best) - _ROUNDING)
    told = [
        {
            "beam": beam,
            "recall_at_50": float(found.mean()),
            "error": float(found.std() / len(found) ** 0.5),
            "worst": float(found.min()),
            "p50_ms": float(np.percentile(took, 50)),
            "p99_ms": float(np.percentile(took, 99)),
        }
        for beam, found, took in zip(BEAMS, shares.T, took_ms.T, strict=True)
    ]
    for row in told:
        study.row(row)
    return told


async def _held(chosen: BeamsSettings, collection: Collection, queries: Floats) -> dict[str, Any]:
    """Search one query after another from the narrowest beam on, until the recall is known and the target met."""
    measured = collection.measured
    measured.begin(BEAMS[0])
    again = itertools.cycle(queries)

    async def searched(until: Callable[[int], bool], sampling: Sampling) -> list[float]:
        took_ms: list[float] = []
        while not until(len(took_ms)):
            query, began_s = next(again), time.perf_counter()
            await asyncio.to_thread(collection.by_vectors.search, query, DEPTH)
            took_ms.append(1000 * (time.perf_counter() - began_s))
            sampling.offer(measured, Search(query), None)
        return took_ms

    before_ms = await searched(lambda count: count == _AT_REST, Sampling())
    sampling, began_s = Sampling(chosen.samples, chosen.walk_ms / 1000, cores.usable()), time.perf_counter()
    ends_s = began_s + chosen.most_s
    beside_ms = await searched(lambda _: not measured.lacks or time.perf_counter() > ends_s, sampling)
    took_s = time.perf_counter() - began_s
    sampling.close()
    after_ms = await searched(lambda count: count == _AT_REST, Sampling())
    told = {
        "state": measured.report().state,
        "from_beam": BEAMS[0],
        "beam": measured.report().beam,
        "recall_at_50": measured.report().mean,
        "error": measured.report().error,
        "samples": measured.report().samples,
        "after_s": took_s,
        "searches": len(beside_ms),
        **{
            f"{name}_{percent}_ms": float(np.percentile(values, percent))
            for name, values in (("before", before_ms), ("beside", beside_ms), ("held", after_ms))
            for percent in (50, 99)
        },
    }
    study.row(told)
    return told


if __name__ == "__main__":
    sys.exit(main())
