"""Measure what searches with a filter find of the nearest documents that match, by which plan, and how long it takes.

Pieces of judged collections' passages (`pieces.py`) are put into one collection, without a server, and searched for
the queries of these under conditions that keep a share of all at random, that go with the query (its own collection,
its own article), and that go against it (another collection, all but its own). What is nearest is found by comparing
every vector in float32. Before a condition is measured, other searches with it are done again exactly, as a server
does with a sample of its own, so that the index is walked as widely as they show to be needed.

Above 50,000 documents the index is walked: --pieces and --data keep vectors and collection for another time.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from shortlist.bench import beir
from shortlist.console.progress import Progress
from shortlist.server.settings import within
from shortlist.server.storage import unit_vectors
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, canonical
from shortlist.server.storage.filters import Between, Condition, Filter, NotOf, OneOf, Value
from shortlist.server.storage.measuring import Pace, Search
from shortlist.server.storage.recall import FIRST_BEAM

from . import pieces, study
from .models import embedded, opened
from .pieces import Piece
from .study import Bundles

_NAME = "filters"
_TRANSACTION = 500
_DRAWS = 100_000  # values that a share at random is taken of
_SHARES = (0.001, 0.01, 0.1, 0.5)
_SAMPLES = 128  # searches that choose the beam: half of what a server keeps
_ROUNDING = 1e-5  # of a cosine in float32

Floats = NDArray[np.float32]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FiltersSettings(Bundles):
    """The settings of the study."""

    folders: Annotated[tuple[Path, ...], Parameter(metavar="PATH,PATH")]
    """judged collections as BEIR lays them out; queries are taken from the first, and the last is another one"""
    queries: Annotated[int, within(1)] = 200
    """of the first collection"""
    top_k: Annotated[int, within(1, 1000)] = 10
    """documents to find"""
    documents: Annotated[int, within(1)] = 60_000
    """pieces in the collection, or all if they are fewer"""
    pieces: Path | None = None
    """folder to keep the vectors of pieces in, for another time"""
    data: Path | None = None
    """folder to keep the collection in, for another time"""


@dataclass(frozen=True, slots=True)
class Case:
    """A condition, which may depend on the query."""

    name: str
    where: Callable[[Piece], Filter]  # of the passage that answers the query
    inside: Callable[[Piece], NDArray[np.bool_]]  # which passages match: the oracle's own reading


class Corpus:
    """All pieces, with what they are filtered by."""

    def __init__(self, passages: Sequence[Piece], seed: int = 0) -> None:
        """Draw the numbers that shares at random are taken of."""
        self.passages = passages
        self.draws = np.random.default_rng(seed).integers(0, _DRAWS, len(passages))
        self._sets = np.array([one.set for one in passages])
        self._articles = np.array(list(map(_article, passages)))

    def documents(self, start: int, stop: int) -> list[Document]:
        """Return passages as documents with metadata; each has its number as id."""
        return [
            Document(
                str(number),
                one.text,
                metadata=canonical({"set": one.set, "article": _article(one), "draw": int(self.draws[number])}),
            )
            for number, one in enumerate(self.passages[start:stop], start)
        ]

    def cases(self, other: str) -> Iterator[Case]:
        """Yield the conditions; `other` is the collection that no query is of."""
        for share in _SHARES:
            most = round(share * _DRAWS)
            condition = Condition("draw", Between(high=Value("number", most), with_high=False))
            inside = self.draws < most
            yield Case(f"{share:.1%} at random", partial(_same, condition), partial(_same, inside))
        yield Case(
            "own article", lambda one: _is("article", _article(one)), lambda one: self._articles == _article(one)
        )
        yield Case("own set", lambda one: _is("set", one.set), lambda one: self._sets == one.set)
        yield Case("another set", lambda _: _is("set", other), lambda _: self._sets == other)
        yield Case("all but own set", lambda one: NotOf(_is("set", one.set)), lambda one: self._sets != one.set)


def _same(one: _T, _answer: Piece) -> _T:
    return one


def _article(one: Piece) -> str:
    """Return what passages of one article share: what stands before the number in their ids."""
    return one.passage.rpartition("#")[0]


def _is(path: str, value: str) -> Filter:
    return Condition(path, OneOf((Value("text", value),)))


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main(
        _NAME, FiltersSettings, __doc__, "--folders squad-train,trec-dl19-pool,cranfield --data kept", run
    )


def run(chosen: FiltersSettings) -> int:
    """Fill, measure condition after condition, print, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="shortlist-filters-") as temporary:
        data = chosen.data or Path(temporary)
        data.mkdir(parents=True, exist_ok=True)
        judged, found = beir.load(chosen.folders[0]), pieces.cut(chosen.folders)
        corpus = Corpus(found[: chosen.documents])
        with opened(data / "server", chosen) as pipeline:
            model = pipeline.embedder
            texts, count = [one.text for one in found], len(corpus.passages)
            _, vectors, tokens = pieces.embedded(model, texts, count, chosen.pieces or data / "pieces")
            asked = _asked(judged, _SAMPLES + chosen.queries)
            queries, _ = embedded(model, [text for text, _ in asked], "query")
            answers = [answer for _, answer in asked]
            pipeline.contents._catalog.create(_NAME, exist_ok=True)  # noqa: SLF001 (no server, so no event loop either)
            collection = pipeline.contents.collection(_NAME)
            _fill(collection, corpus, vectors, tokens)
            units = _units(vectors)
            rows = [
                _held(collection, case, chosen.top_k, queries[:_SAMPLES], answers[:_SAMPLES])
                | _measured(collection, case, chosen.top_k, units, queries[_SAMPLES:], answers[_SAMPLES:])
                for case in corpus.cases(chosen.folders[-1].resolve().name)
            ]
    told = {"documents": len(corpus.passages), "queries": len(asked) - _SAMPLES, "top_k": chosen.top_k, "rows": rows}
    return study.finish(told)


def _asked(judged: beir.Judged, most: int) -> list[tuple[str, Piece]]:
    """Return queries, spread over all, each with a passage that answers it."""
    answered = [
        (text, Piece("", judged.name, next(iter(judged.relevant[name])))) for name, text in judged.queries.items()
    ]
    return answered[:: max(1, len(answered) // most)][:most]


def _fill(collection: Collection, corpus: Corpus, vectors: Floats, tokens: Sequence[int]) -> None:
    """Write what the collection lacks, as the server does."""
    with Progress(sys.stderr, "written", len(vectors)) as progress:
        for start in range(len(collection), len(vectors), _TRANSACTION):
            stop = min(start + _TRANSACTION, len(vectors))
            collection.upsert(corpus.documents(start, stop), vectors[start:stop], tokens[start:stop])
            progress.update(stop)


def _held(
    collection: Collection, case: Case, top_k: int, queries: Floats, answers: Sequence[Piece]
) -> dict[str, Any]:
    """Do searches with a condition again, and return the beam that meets the target for them."""
    held = collection.measured
    held.begin(FIRST_BEAM)
    searches = [Search(query, case.where(answer), top_k) for query, answer in zip(queries, answers, strict=True)]
    held.measure(searches, Pace(1), math.inf)
    told = {"beam": held.report().beam, "samples": held.report().samples}
    study.row(told)
    return told


def _measured(
    collection: Collection, case: Case, top_k: int, units: Floats, queries: Floats, answers: Sequence[Piece]
) -> dict[str, Any]:
    """Measure one condition with every query."""
    recalls, times_ms, matched, plans, whole = [], [], [], [], []
    for query, answer in zip(queries, answers, strict=True):
        where = case.where(answer)
        collection.among.count(where)  # the next asks for an answer that is kept, as a filter is that comes again
        began = time.perf_counter()
        found = collection.by_vectors.search_where(query, top_k, where)
        times_ms.append(1000 * (time.perf_counter() - began))
        cosines = units @ _units(query[None])[0]
        best = np.sort(cosines[case.inside(answer)])[::-1][:top_k]
        near = [cosines[int(one.document.id)] for one in found.candidates]
        recalls.append(sum(one >= min(best) - _ROUNDING for one in near) / len(best) if len(best) else 1.0)
        whole.append(len(near) == len(best))
        matched.append(found.matched or 0)
        plans.append(found.plan)
    told = {
        "condition": case.name,
        "kept": float(np.mean(matched)) / len(units),
        f"recall_at_{top_k}": float(np.mean(recalls)),
        "worst_recall": float(min(recalls)),
        "all_found": all(whole),
        "by_index": plans.count("index") / len(plans),
        "p50_ms": float(np.percentile(times_ms, 50)),
        "p95_ms": float(np.percentile(times_ms, 95)),
    }
    study.row(told)
    return told


def _units(vectors: Floats) -> Floats:
    """Return directions as the index holds them, at full length: float16 rounds each number, and so the length."""
    exact = unit_vectors.of(vectors).units.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact / lengths, np.float32)


if __name__ == "__main__":
    sys.exit(main())
