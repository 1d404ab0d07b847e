"""The candidates of a set's queries: its corpus, ranked by a dual encoder and by BM25."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import Protocol

import numpy as np

from shortlist.export.source import Origin
from shortlist.server.runtime.manifest import MANIFEST

from . import models
from .exported import Embedder
from .lexical import Lexical
from .models import Floats
from .reading import Examples
from .settings import FinetuneSettings

_DUPLICATE = 0.95  # cosine from which a passage says what the positive says
_QUERIES_AT_ONCE = 256  # rows of the similarity matrix in memory


class Finder(Protocol):
    """A dual encoder that finds candidates; its vectors have length 1."""

    name: str

    def queries(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        ...

    def documents(self, texts: list[str]) -> Floats:
        """Return float32 [texts, dimensions]."""
        ...


def finder(settings: FinetuneSettings, base: Origin, progress: Callable[[str], None]) -> Finder:
    """Load the dual encoder that finds candidates: an exported one is run quantized, as the server runs it.

    Raises:
        FinetuneError: none is named, and the base is a cross-encoder.
        BundleError: the bundle that is named cannot be used.
    """
    if (Path(settings.embedder) / MANIFEST).is_file():
        return Embedder(Path(settings.embedder), progress)
    return models.embedder(settings, base)


def _vectors(finder: Finder, texts: list[str], kept: Path | None) -> Floats:
    if kept is None:
        return finder.documents(texts)
    asked = "\0".join((finder.name, *texts)).encode()
    path = kept / f"vectors-{hashlib.blake2s(asked, digest_size=8).hexdigest()}.npy"
    if not path.is_file():
        part = path.with_suffix(".part.npy")
        np.save(part, finder.documents(texts))
        part.replace(path)
    found: Floats = np.load(path)
    return found


class Index:
    """A ranking of a set's corpus by the embedder: exact search, as a training corpus fits into memory."""

    def __init__(self, finder: Finder, examples: Examples, kept: Path | None = None) -> None:
        """Embed all documents, or take the vectors that an interrupted run left in the folder `kept`."""
        self.examples = examples
        self.ids = list(examples.documents)
        self._finder = finder
        self._vectors = _vectors(finder, list(examples.documents.values()), kept)
        self._rows = {name: row for row, name in enumerate(self.ids)}

    def search(self, queries: list[str], count: int) -> Iterator[tuple[list[str], Floats]]:
        """Yield the nearest documents of each query, best first, with their cosines."""
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            for vector in self._finder.queries(queries[start : start + _QUERIES_AT_ONCE]):
                cosines = self._vectors @ vector
                best = np.argsort(-cosines, kind="stable")[:count]
                yield [self.ids[row] for row in best], cosines[best]

    def alike(self, left: str, right: str) -> bool:
        """Return whether two documents are nearly the same."""
        return float(self._vectors[self._rows[left]] @ self._vectors[self._rows[right]]) >= _DUPLICATE

    def candidates(self, queries: list[str], kind: str, depth: int) -> Iterator[list[str]]:
        """Yield what each query finds, best first: `dense`, `bm25`, or `both` rankings in turns."""
        dense: Iterator[list[str]] = (found for found, _ in self.search(queries, depth))
        if kind == "dense":
            yield from dense
            return
        texts = [self.examples.documents[name] for name in self.ids]
        lexical = ([self.ids[row] for row in rows] for rows in Lexical(texts).search(queries, depth))
        if kind == "bm25":
            yield from lexical
            return
        for pair in zip(lexical, dense, strict=True):
            turns = chain.from_iterable(zip_longest(*pair))
            yield list(dict.fromkeys(name for name in turns if name is not None))[:depth]
