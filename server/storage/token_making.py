"""A collection's token vectors: searched by MaxSim, and made, or made anew, while it is searched and written.

    begin -> (missing -> add)...

Documents that are written meanwhile bring theirs; those that do not are among `missing`, as are those of before.
There is no switch: searches use token vectors once every document has them. What was added stays, whatever ends the
process.

All methods block. The collection's lock keeps them apart from its changes.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from . import maxsim, token_vectors
from .choices import TokenPooling
from .document import Document, Origin
from .documents import Documents
from .matching import Numbers

_DROPPED = 1000  # documents whose old vectors are dropped at once: some tenths of a second


class TokenMaking:
    """A collection's token vectors, and the making of them."""

    def __init__(self, documents: Documents, changing: threading.Lock) -> None:
        """Begin with what is there.

        Args:
            documents: the collection's.
            changing: the collection's lock, which keeps changes apart.
        """
        self._documents = documents
        self._changing = changing

    def maxsim(self, query: NDArray[np.float32], numbers: Numbers) -> tuple[Numbers, NDArray[np.float32]]:
        """Return those documents that have token vectors, and their MaxSim with a query; see `maxsim.scores`.

        Args:
            query: its token vectors, of the collection's model: float32 [vectors, dimensions].
            numbers: of documents, each once: int64 [candidates].

        Returns:
            The numbers found, in no order: int64 [found]; their scores: float32 [found].
        """
        if query.shape[1] != self._documents.token_vectors.dimensions:  # others are wanted since it was embedded
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found, blobs = self._documents.token_rows(numbers)
        return found, maxsim.scores(query, blobs)

    def begin(self, pooling: TokenPooling, made_by: Origin | None) -> None:
        """Set which token vectors documents are to have; where they are others than before, none has any yet.

        Args:
            pooling: which.
            made_by: the model; None: there is none, and documents are to have no token vectors.

        Raises:
            UnknownCollection, StorageFailed: as of a change.
        """
        with self._changing:
            there = self._documents.token_vectors
            wanted = token_vectors.begun(pooling, made_by, there)
            if (wanted.pooling, wanted.fingerprint) == (there.pooling, there.fingerprint):
                return
            with self._documents.transaction() as connection:
                token_vectors.keep(connection, wanted)
            self._documents.token_vectors = wanted

    def missing(self, after: int, most: int) -> list[tuple[int, Document]]:
        """Return the first documents behind a number that have no token vectors, each beside its number."""
        return self._documents.without_token_vectors(after, most)

    def add(self, seqs: Sequence[int], vectors: Sequence[NDArray[np.float32]], made_by: int) -> None:
        """Keep the token vectors of documents, by their numbers; those that were deleted meanwhile are left out.

        Args:
            seqs: the documents' numbers.
            vectors: those of each, float32 [vectors, dimensions].
            made_by: the generation that they are of; where another is wanted by now, nothing is kept.

        Raises:
            InferenceFailed: a vector is not finite.
            UnknownCollection, StorageFailed: as of a change.
        """
        packed = maxsim.packed_all(vectors)
        with self._changing:
            there = self._documents.token_vectors
            if there.generation != made_by:
                return
            with self._documents.transaction() as connection:
                before = token_vectors.some(connection, made_by, seqs)
                token_vectors.add(connection, made_by, seqs, packed)
                after = token_vectors.some(connection, made_by, seqs)
            self._documents.token_vectors = replace(
                there,
                documents=there.documents + after[0] - before[0],
                vectors=there.vectors + after[1] - before[1],
            )

    @property
    def untidy(self) -> bool:
        """Return whether there are vectors that are not wanted any more."""
        return self._documents.has_old_token_vectors()

    def tidy(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Drop what is not wanted any more, a little at a time: changes go between.

        Args:
            go_on: asked in between; False leaves the rest for later.

        Raises:
            UnknownCollection, StorageFailed: as of a change.
        """
        more = True
        while more and go_on():
            with self._changing, self._documents.transaction() as connection:
                more = token_vectors.shrink(connection, self._documents.token_vectors.generation, _DROPPED)
