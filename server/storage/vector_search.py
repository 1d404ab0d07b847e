"""A collection's documents found by their vectors: the index names them, and SQLite has the rest.

A change writes to the index before it commits, so searches pass over vectors that are not committed yet. If the index
names a vector that has no row any more, a change came between, and the search is done again; so a document that is
replaced can be found all the time. A switch to another embedder's vectors is a change, too.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from . import unit_vectors
from .changing import undisturbed
from .document import Candidate
from .documents import Documents
from .filtered import Filtered
from .filters import Filter
from .generation import Generation
from .unit_vectors import Directions, Keys

_T = TypeVar("_T")

_NO_KEYS = np.empty(0, np.uint64)


class VectorSearch:
    """The search by vectors of one collection."""

    def __init__(self, documents: Documents, used: Generation, number: int, changing: threading.Lock) -> None:
        """Search documents by the index of their vectors.

        Args:
            documents: the truth.
            used: their vectors, with the index.
            number: the collection's, in this process.
            changing: what is held while documents are changed.
        """
        self.used = used
        self._documents = documents
        self._number = number
        self._changing = changing
        self._pending = _NO_KEYS  # in the index, or on their way into it, and not committed yet

    @contextmanager
    def hiding(self, keys: Keys) -> Iterator[None]:
        """Pass over these keys, which a change adds, until it is done."""
        self._pending = keys
        try:
            yield
        finally:
            self._pending = _NO_KEYS

    def search(self, vector: NDArray[np.float32], count: int, made_by: str | None = None) -> list[Candidate]:
        """Return the `count` documents nearest to a vector, or all if they are fewer, nearest first.

        Args:
            vector: float32 [dimensions].
            count: how many.
            made_by: the fingerprint of the embedder that made the vector; None: it is taken for the collection's.

        Raises:
            InferenceFailed: the vector is not finite.
            Superseded: the collection has another embedder by now.
        """
        direction = unit_vectors.of(vector[None])
        if count <= 0:
            return []
        return self._undisturbed(lambda used: self._found(used, direction, count), made_by)

    def search_where(
        self, vector: NDArray[np.float32], count: int, where: Filter, made_by: str | None = None
    ) -> Filtered:
        """Return the `count` nearest of the documents that match, or all if they are fewer, nearest first.

        Args:
            vector: float32 [dimensions].
            count: how many.
            where: what they have to match.
            made_by: as of `search`.

        Raises:
            InferenceFailed: the vector is not finite.
            Superseded: the collection has another embedder by now.
        """
        direction = unit_vectors.of(vector[None])
        return self._undisturbed(lambda used: used.among.search(direction, count, where, self._pending), made_by)

    def _undisturbed(self, search: Callable[[Generation], tuple[_T, bool]], made_by: str | None) -> _T:
        def once() -> tuple[_T, bool]:
            used = self.used
            used.check(made_by)
            return search(used)

        return undisturbed(once, self._changing)

    def _found(self, used: Generation, direction: Directions, count: int) -> tuple[list[Candidate], bool]:
        """Search once, and tell whether the index named a vector that has no row any more."""
        keys, similarities = used.vectors.search(direction, count, hidden=self._pending)
        rows = self._documents.nearest(keys, count)
        named = keys.tolist()
        similarity = dict(zip(named, similarities.tolist(), strict=True))
        candidates = [
            Candidate(row.document, similarity[row.key], rank, (self._number, row.seq), dense_rank=rank)
            for rank, row in enumerate(rows, 1)
        ]
        # Where the nearest have copies enough, the keys behind them are not read.
        read = named[: named.index(rows[-1].key) + 1] if len(rows) == count else named
        return candidates, len({row.key for row in rows}) < len(read)
