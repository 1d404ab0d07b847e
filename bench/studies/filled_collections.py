"""Fill a collection in a data folder, without a server: real documents first, then as many more as are wanted.

Texts past the real ones are theirs again. Their vectors are mixtures of a real embedding and one of its nearest, at
a random share, with a little noise, normalized: they lie where real ones do, and no two are alike. The same passages
and number make the same collection, and one that was filled in part is filled up.

Rows are written as the server writes them; the index is what the server makes of them when it opens the folder.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.server import app, cores
from shortlist.server.inference.models import Embedder
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.settings import Settings
from shortlist.server.storage import unit_vectors
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.documents import Documents

from . import watched
from .study import Bundles
from .watched import Watched

COLLECTION = "growth"
_BLOCK = 50_000  # documents between two times that the index is brought up to them
_TRANSACTION = 1000
_NEAREST = 10  # real vectors that one is mixed with
_NOISE = 0.003  # standard deviation of each element; a vector's length is 1
_ROWS = 1000  # real vectors whose nearest are looked for at once

Floats = NDArray[np.float32]


class Filled(NamedTuple):
    """What filling took."""

    documents: int  # that were added
    index_s: float  # bringing the index up to them


@dataclass(frozen=True, slots=True)
class Seeds:
    """Real passages as the embedder has them."""

    passages: Sequence[str]
    vectors: Floats  # float32 [passages, dimensions]
    tokens: Sequence[int]
    nearest: NDArray[np.int64]  # int64 [passages, nearest], of others

    def documents(self, start: int, stop: int) -> tuple[list[Document], Floats, list[int]]:
        """Return the documents of these numbers with their vectors and lengths; each has its number as id."""
        count, rng = len(self.passages), np.random.default_rng((start, stop))
        numbers = np.arange(start, stop)
        first = numbers % count
        second = self.nearest[first, rng.integers(0, self.nearest.shape[1], stop - start)]
        share = rng.random((stop - start, 1), dtype=np.float32)
        mixed = share * self.vectors[first] + (1 - share) * self.vectors[second]
        mixed += _NOISE * rng.standard_normal(mixed.shape, dtype=np.float32)
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        vectors = np.where((numbers < count)[:, None], self.vectors[first], mixed)
        places = first.tolist()
        documents = [Document(str(start + row), self.passages[place]) for row, place in enumerate(places)]
        return documents, vectors, [self.tokens[place] for place in places]


@contextlib.contextmanager
def served(
    kept: Path | None, bundles: Bundles, passages: Sequence[str], documents: int
) -> Iterator[tuple[Watched, Path, Filled]]:
    """Fill a collection where it is not there yet, and serve it; yield server, data folder, and what filling took.

    Args:
        kept: folder with a data folder for each number of documents; None: one that is removed at the end.
        bundles: that the server runs.
        passages: real texts, each once.
        documents: how many there are to be.
    """
    with contextlib.ExitStack() as stack:
        kept = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-growth-")))
        data = kept / f"documents-{documents}"
        data.mkdir(parents=True, exist_ok=True)
        with Progress(sys.stderr, "filled", documents) as progress:
            filled = fill(data, bundles, passages, documents, progress.update)
        yield stack.enter_context(watched.serving(*bundles.options, "--data", str(data))), data, filled


def documents_of(data: Path) -> Path:
    """Return where a data folder has the documents of the collection."""
    return data / "collections" / COLLECTION / "documents.sqlite"


def fill(
    data: Path, bundles: Bundles, passages: Sequence[str], documents: int, watch: Callable[[int], None]
) -> Filled:
    """Make a collection of so many documents in a data folder, unless it is there.

    Args:
        data: the folder.
        bundles: of the server that will open it.
        passages: real texts, each once.
        documents: how many there are to be.
        watch: takes how many there are by now.

    Raises:
        UsageError: the folder holds more documents already.
        StartupError: a bundle or the folder cannot be used.
    """
    path = documents_of(data)
    there = _count(path)
    if there > documents:
        raise UsageError(f"{data} holds {there:,} documents, but {documents:,} are wanted: name another --data")
    index_s = 0.0
    if there < documents:
        seeds, origin = _seeds(data, bundles, passages[:documents])
        for start in range(there, documents, _BLOCK):
            _write(path, seeds, start, min(start + _BLOCK, documents))
            written_s = time.perf_counter()
            Catalog(data, origin).close()
            index_s += time.perf_counter() - written_s
            watch(min(start + _BLOCK, documents))
    return Filled(documents - there, index_s)


def _count(path: Path) -> int:
    if not path.is_file():
        return 0
    opened = Documents(path)
    opened.close()
    return opened.count


def _seeds(data: Path, bundles: Bundles, passages: Sequence[str]) -> tuple[Seeds, Origin]:
    """Embed the real passages with the variant that a server of this folder runs, and make the collection."""
    with opened(data, bundles) as pipeline:
        collection, _ = asyncio.run(pipeline.contents.create(COLLECTION, exist_ok=True))
        vectors, lengths = embedded(pipeline.embedder, passages, "document")
    # The server ranks by cosine, so a vector's length is nothing to it; mixtures want them of one length.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Seeds(passages, vectors, lengths, nearest(vectors)), collection.origin


@contextlib.contextmanager
def opened(data: Path, bundles: Bundles) -> Iterator[Pipeline]:
    """Yield what a server over a data folder has behind its RPCs."""
    parts = app.build(Settings(embedder=bundles.embedder, reranker=bundles.reranker, data=data))
    try:
        yield parts.pipeline
    finally:
        parts.close()


def embedded(model: Embedder, texts: Sequence[str], kind: Literal["query", "document"]) -> tuple[Floats, list[int]]:
    """Return the vectors of texts as the server makes them, float32 [texts, dimensions], and their tokens."""
    items = model.tokenizer.encode(model.prefixed(texts, kind))
    with ThreadPoolExecutor(cores.usable()) as pool:
        return np.concatenate(list(pool.map(lambda item: model.graph.run([item]), items))), list(map(len, items))


def nearest(vectors: Floats) -> NDArray[np.int64]:
    """Return the numbers of each vector's nearest others: int64 [vectors, 10], or fewer where there are no more.

    A vector that has no others is its own nearest.
    """
    if len(vectors) == 1:
        return np.zeros((1, 1), np.int64)
    count = min(_NEAREST, len(vectors) - 1)
    found = []
    for start in range(0, len(vectors), _ROWS):
        near = vectors[start : start + _ROWS] @ vectors.T
        near[np.arange(len(near)), np.arange(start, start + len(near))] = -np.inf
        found.append(np.argpartition(-near, count - 1, axis=1)[:, :count])
    return np.concatenate(found)


def _write(path: Path, seeds: Seeds, start: int, stop: int) -> None:
    rows = Documents(path)
    try:
        for begin in range(start, stop, _TRANSACTION):
            with rows.writing() as change:
                documents, vectors, tokens = seeds.documents(begin, min(begin + _TRANSACTION, stop))
                change.replace(documents, vectors, unit_vectors.of(vectors).keys, tokens)
    finally:
        rows.close()
