"""Measure what stage one finds among copies and near copies, and how fast its index is built.

Embeds real documents and queries, and boilerplate: lines that differ in a number or a word, and copies of one.
The boilerplate stands first, mixed in or last; for each order an index is built as a server's start builds it.
Recall@10 is that of the queries, against an exact comparison in float64; of the documents, 3,000 are looked for by
their own vectors.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from shortlist.bench import texts
from shortlist.server import cores
from shortlist.server.settings import within
from shortlist.server.storage import directions
from shortlist.server.storage.directions import Directions
from shortlist.server.storage.vectors import Vectors

from . import filling, study
from .study import Corpus

_NEAREST = 10
_BATCH = 1000
_ORDERS = ("none", "first", "mixed", "last")
_NONE = np.empty(0, np.uint64)
_ROUNDING = 1e-5  # of a cosine in float32
_LOOKED_FOR = 3000
_NAMES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay", "Stark", "Wayne", "Soylent", "Tyrell", "Duff")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesSettings(Corpus):
    """The settings of one measurement."""

    documents: Annotated[int, within(1)] = 20_000
    """documents of the corpus, at most"""
    words: Annotated[int, within(1)] = 200
    """words of a document, at most"""
    near: Annotated[int, within(1)] = 5000
    """near copies"""
    copies: Annotated[int, within(1)] = 3000
    """copies of one line"""
    asked: Annotated[int, within(1)] = 300
    """queries, at most"""


@dataclass(frozen=True, slots=True)
class Row:
    """What one index came to."""

    boilerplate: str  # where it stands
    documents: int
    vectors_per_s: float  # built, the check included
    recall: float
    worst: float  # query
    nothing: float  # share of queries of which none of the nearest is found
    lost: float  # share of documents that do not find themselves
    search_ms: float


def main() -> int:
    """Measure and print; return the exit code."""
    return study.main("copies", CopiesSettings, __doc__, "--corpus corpus.jsonl --queries queries.jsonl", run)


def run(chosen: CopiesSettings) -> int:
    """Measure, print, and return the exit code."""
    found = texts.find(corpus=chosen.corpus, queries=chosen.queries)
    passages = [" ".join(one.split()[: chosen.words]) for one in found.passages[: chosen.documents]]
    lines = [*_lines(chosen.near), *["All rights reserved."] * chosen.copies]
    queries = random.Random(0).sample(found.queries, min(chosen.asked, len(found.queries)))  # noqa: S311 (no secret)
    with tempfile.TemporaryDirectory() as data, filling.opened(Path(data), chosen) as pipeline:
        real, boilerplate = (filling.embedded(pipeline.embedder, some, "document")[0] for some in (passages, lines))
        asked, _ = filling.embedded(pipeline.embedder, queries, "query")
    rows = []
    for order in _ORDERS:
        rows.append(one := _row(order, directions.of(_ordered(real, boilerplate, order)), directions.of(asked)))
        study.row(asdict(one))
    return study.finish({"processor": cores.processor(), "cores": cores.usable(), "rows": rows})


def _lines(count: int) -> Iterator[str]:
    for number in range(count):
        name = _NAMES[number % len(_NAMES)]
        if number % 2:
            yield f"All rights reserved. Copyright {1900 + number % 120} {name} Corporation. Page {number}."
        else:
            yield f"Error {number}: {name.lower()}-{number % 97} timed out after {number % 60} seconds."


def _ordered(real: NDArray[np.float32], boilerplate: NDArray[np.float32], order: str) -> NDArray[np.float32]:
    if order == "none":
        return real
    together = np.concatenate([real, boilerplate] if order == "last" else [boilerplate, real])
    return together[np.random.default_rng(0).permutation(len(together))] if order == "mixed" else together


def _row(order: str, made: Directions, asked: Directions) -> Row:
    """Build and search as the server does; documents with one key are found together."""
    with tempfile.TemporaryDirectory() as folder:
        index, began_s = Vectors(Path(folder) / "vectors.usearch", made.units.shape[1]), time.perf_counter()
        for start in range(0, len(made.keys), _BATCH):
            index.add(Directions(made.keys[start : start + _BATCH], made.units[start : start + _BATCH]))
        index.mend(made.keys)
        built_s = time.perf_counter() - began_s
        counts = dict(zip(*(some.tolist() for some in np.unique(made.keys, return_counts=True)), strict=True))

        def find(one: Directions, count: int) -> NDArray[np.float32]:
            """Return the cosines of the nearest."""
            keys, cosines = index.search(one, count, _NONE)
            return np.repeat(cosines, [counts[key] for key in keys.tolist()])[:count]

        recalls, search_s = [], 0.0
        every, wanted = (_of_length_1(one.units) for one in (made, asked))
        for one, query in zip(_each(asked), wanted, strict=True):
            least = np.sort(every @ query)[-_NEAREST] - _ROUNDING
            began_s = time.perf_counter()
            cosines = find(one, _NEAREST)
            search_s += time.perf_counter() - began_s
            recalls.append(float(np.sum(cosines >= least)) / _NEAREST)
        some = np.random.default_rng(1).permutation(len(made.keys))[:_LOOKED_FOR]
        lost = [
            not np.any(find(one, 1) >= 1 - _ROUNDING) for one in _each(Directions(made.keys[some], made.units[some]))
        ]
    return Row(
        boilerplate=order,
        documents=len(made.keys),
        vectors_per_s=len(made.keys) / built_s,
        recall=float(np.mean(recalls)),
        worst=min(recalls),
        nothing=float(np.mean(np.array(recalls) == 0)),
        lost=float(np.mean(lost)),
        search_ms=1000 * search_s / len(recalls),
    )


def _of_length_1(units: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return float16's directions at full length: it rounds each number, and so the length."""
    exact = units.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return exact


def _each(made: Directions) -> Iterator[Directions]:
    for place in range(len(made.keys)):
        yield Directions(made.keys[place : place + 1], made.units[place : place + 1])


if __name__ == "__main__":
    sys.exit(main())
