"""Measure MaxSim over a collection's token vectors on one core, reads included, by how many candidates there are.

What they take on disk, and what reading them adds to the memory of the process, is measured too.

Passages of judged collections are put into one collection, without a server, each with as many token vectors as the
embedder's tokenizer finds tokens in it, or as are asked for: random ones, whose values cost what any others do. Of
pooling by two there are half as many. Where more passages are asked for than there are, they come again.
Candidates are drawn at random among all, so that each search reads others; the file was just written, so the system
has it in memory. A search is made on one thread: `cpu_` is what it takes of a core, whatever else the machine is at.
"""

import contextlib
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from shortlist.bench import beir
from shortlist.bench.samples import spread
from shortlist.console.progress import Progress
from shortlist.server.settings import within
from shortlist.server.storage import maxsim
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin

from . import study, watched
from .filled_collections import documents_of
from .models import opened
from .study import Bundles

_NAME = "growth"  # where `documents_of` looks
_TRANSACTION = 500

Floats = NDArray[np.float32]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxsimSettings(Bundles):
    """The settings of the study."""

    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out, whose passages are stored"""
    candidates: Annotated[tuple[int, ...], within(1)] = (100, 200, 400)
    """how many candidates, one number after another"""
    dimensions: Annotated[int, within(1)] = 96
    """of a token vector"""
    query_vectors: Annotated[int, within(1)] = 32
    """token vectors of a query"""
    tokens: Annotated[int, within(0)] = 0
    """token vectors of every passage; 0: as many as it has tokens"""
    passages: Annotated[int, within(0)] = 0
    """passages to store; 0: those that there are"""
    pooling: Literal["none", "by-two"] = "none"
    """which token vectors a passage has"""
    searches: Annotated[int, within(1)] = 500
    """measured for each number of candidates"""


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("maxsim", MaxsimSettings, __doc__, "--folders squad-train,squad-dev", run)


def run(chosen: MaxsimSettings) -> int:
    """Fill, measure number after number, print, and return the exit code."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="shortlist-maxsim-") as folder, opened(Path(folder), chosen) as pipeline:
        there_are = [text for one in chosen.folders for _, text in beir.passages(one)]
        texts = list(islice(cycle(there_are), chosen.passages or len(there_are)))
        lengths = [chosen.tokens or len(one) for one in pipeline.embedder.tokenizer.encode(texts)]
        pipeline.contents._catalog.create(_NAME, exist_ok=False)  # noqa: SLF001 (no server, so no event loop either)
        collection = pipeline.contents.collection(_NAME)
        _fill(collection, texts, lengths)
        before = _file_bytes(Path(folder))
        kept = lengths if chosen.pooling == "none" else [max(one // 2, 1) for one in lengths]
        _make(collection, kept, chosen, rng)
        there = collection.token_vectors
        told: dict[str, Any] = {
            "passages": len(texts),
            "mean_vectors": there.vectors / len(texts),
            "dimensions": chosen.dimensions,
            "query_vectors": chosen.query_vectors,
            "mb": there.size_bytes / 1e6,
            "file_mb": (_file_bytes(Path(folder)) - before) / 1e6,
            "file_mb_before": before / 1e6,
        }
        study.row(told)
        rss_mb = _rss_mb()
        told["rows"] = [_measured(collection, count, chosen, rng) for count in chosen.candidates]
        told["rss_mb_of_reads"] = _rss_mb() - rss_mb
        study.row({"memory that the searches added, MB": told["rss_mb_of_reads"]})
    return study.finish(told)


def _file_bytes(data: Path) -> int:
    """Return what is in the file and its log together, however far the one was copied to the other."""
    with contextlib.closing(sqlite3.connect(documents_of(data))) as connection:
        ((pages,),), ((size,),) = (connection.execute(f"PRAGMA page_{one}").fetchall() for one in ("count", "size"))
    return int(pages * size)


def _fill(collection: Collection, texts: Sequence[str], lengths: Sequence[int]) -> None:
    """Write passages, all with one vector: the index of vectors is no part of this."""
    with Progress(sys.stderr, "written", len(texts)) as progress:
        for start in range(0, len(texts), _TRANSACTION):
            some = slice(start, start + _TRANSACTION)
            documents = [Document(str(number), text) for number, text in enumerate(texts[some], start)]
            vectors = np.ones((len(documents), collection.origin.dimensions), np.float32)
            collection.upsert(documents, vectors, lengths[some])
            progress.update(start + len(documents))


def _rss_mb() -> float:
    """Return the resident memory of this process."""
    return watched.resident_bytes(os.getpid()) / 1e6


def _make(collection: Collection, lengths: Sequence[int], chosen: MaxsimSettings, rng: np.random.Generator) -> None:
    """Write the token vectors of all passages."""
    collection.token_making.begin(chosen.pooling, Origin("random", "random", chosen.dimensions))
    generation, after = collection.token_vectors.generation, 0
    with Progress(sys.stderr, "made", len(lengths)) as progress:
        while missing := collection.token_making.missing(after, _TRANSACTION):
            seqs = [seq for seq, _ in missing]
            made = [_units(lengths[int(one.id)], chosen.dimensions, rng) for _, one in missing]
            collection.token_making.add(seqs, made, generation)
            after = seqs[-1]
            progress.update(collection.token_vectors.documents)


def _measured(collection: Collection, count: int, chosen: MaxsimSettings, rng: np.random.Generator) -> dict[str, Any]:
    """Measure MaxSim over so many candidates, and the parts of it: the read and the scores."""
    query = _units(chosen.query_vectors, chosen.dimensions, rng)
    whole, cpu, reads, scores, vectors = [], [], [], [], []
    for _ in range(chosen.searches):
        numbers = rng.choice(len(collection), count, replace=False) + 1
        began = time.thread_time()
        whole.append(_timed_ms(lambda: collection.maxsim(query, numbers))[0])  # noqa: B023 (called at once)
        cpu.append(1000 * (time.thread_time() - began))
        numbers = rng.choice(len(collection), count, replace=False) + 1
        read_ms, (_, blobs) = _timed_ms(lambda: collection._documents.token_rows(numbers))  # noqa: B023, SLF001
        scores.append(_timed_ms(lambda: maxsim.scores(query, blobs))[0])  # noqa: B023
        reads.append(read_ms)
        vectors.append(sum(map(len, blobs)) / (chosen.dimensions + maxsim.SCALE_BYTES))
    told: dict[str, Any] = {"candidates": count, "vectors": float(np.mean(vectors))}
    for name, times in (("", whole), ("cpu_", cpu), ("read_", reads), ("scores_", scores)):
        found = spread(times)
        told |= {f"{name}p50_ms": found.p50, f"{name}p99_ms": found.p99} if found else {}
    study.row(told)
    return told


def _timed_ms(call: Callable[[], _T]) -> tuple[float, _T]:
    began = time.perf_counter()
    made = call()
    return 1000 * (time.perf_counter() - began), made


def _units(count: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Return random vectors of length 1: float32 [count, dimensions]."""
    made = rng.standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    sys.exit(main())
