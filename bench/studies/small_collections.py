"""Measure what many small collections take: the start, memory, open files and threads of a server, and searches.

Makes the collections through a server of its own, each with documents that bring vectors, starts it again, and asks
in each of some collections twice: the first search of one reads its files. Linux only.
"""

import sys
import tempfile
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from shortlist.bench import command
from shortlist.bench.samples import spread
from shortlist.client import Client, Document
from shortlist.console.progress import Progress
from shortlist.server.settings import within

from . import study, watched
from .study import Bundles


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallCollectionsSettings(Bundles):
    """The settings of one measurement."""

    collections: Annotated[tuple[int, ...], within(0)] = (0, 100, 1000)
    """how many collections, one number after another"""
    documents: Annotated[int, within(1)] = 20
    """documents of each"""
    asked: Annotated[int, within(1)] = 100
    """collections that are searched"""


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("small_collections", SmallCollectionsSettings, __doc__, "--collections 0,100,1000", run)


def run(chosen: SmallCollectionsSettings) -> int:
    """Measure number after number, print, and return the exit code."""
    rows: list[dict[str, Any]] = []
    for count in chosen.collections:
        with tempfile.TemporaryDirectory(prefix="shortlist-small-") as data:
            options = (*chosen.options, "--data", data)
            with watched.serving(*options) as server, Client(server.address) as client:
                _fill(client, count, chosen.documents)
            with watched.serving(*options) as server, Client(server.address) as client:
                told = {
                    "collections": count,
                    "start_s": server.start_s,
                    "rss_mb": server.rss_bytes() / 1e6,
                    "open_files": server.open_files(),
                    "threads": server.threads(),
                }
                for name in ("first", "second"):
                    took = spread(_retrieved_ms(client, number) for number in range(min(count, chosen.asked)))
                    if took is not None:
                        told |= {f"{name}_p50_ms": took.p50, f"{name}_p99_ms": took.p99}
                told["rss_mb_after"] = server.rss_bytes() / 1e6
        rows.append(told)
        study.row(told)
    return study.finish(rows, command.OK)


def _fill(client: Client, count: int, documents: int) -> None:
    random = np.random.default_rng(0)
    dimensions = client.describe().embedder.dimensions
    with Progress(sys.stderr, "made", count) as progress:
        for number in range(count):
            vectors = random.standard_normal((documents, dimensions)).astype(np.float32)
            client.create_collection(f"c{number}")
            given = [
                Document(str(place), f"text {place} of collection {number}", vector=vector.tolist())
                for place, vector in enumerate(vectors)
            ]
            client.upsert(f"c{number}", given)
            progress.update(number + 1)


def _retrieved_ms(client: Client, number: int) -> float:
    """Search in a collection, and return how long the server took for its indexes and rows."""
    return client.search(f"c{number}", "a text", mode="dense", top_k=10).timing.retrieve_ms


if __name__ == "__main__":
    sys.exit(main())
