"""A collection: documents in SQLite and the index derived from them, kept together.

A change goes through SQLite's transaction, with the index inside it:

    begin -> write the rows -> add the new vectors -> commit -> remove the old vectors -> acknowledge

so a commit is never acknowledged before its documents can be found, a change that fails leaves neither rows nor
vectors, and a document that is replaced can be found all the time. A vector whose row is gone finds nothing.

All methods block; the pipeline calls them from threads. `_changing` makes changes one at a time, and keeps them apart
from a save of the index; searches and reads do not take it.
"""

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.server.documents import Document, Documents, Origin
from shortlist.server.vectors import Vectors

logger = logging.getLogger(__name__)

_DOCUMENTS = "documents.sqlite"
_VECTORS = "vectors.usearch"

# The index is saved once this much of it has changed, so that a crash costs a bounded time at the next start.
_SAVE_AFTER_CHANGES = 10_000
_SAVE_AFTER_SHARE = 0.1
_REBUILD_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """Be a document that stage one found."""

    document: Document
    similarity: float  # cosine
    rank: int  # from 1


@dataclass(frozen=True, slots=True)
class Upserted:
    """Count what an upsert did."""

    inserted: int
    updated: int


class Collection:
    """Write, find and delete documents."""

    def __init__(self, folder: Path) -> None:
        """Open the collection at `folder` and bring its index up to its documents.

        Raises:
            StorageError: the folder holds no collection that this version reads.
        """
        self.name = folder.name
        self._documents = Documents(folder / _DOCUMENTS)
        self._vectors = Vectors(folder / _VECTORS, self.origin.dimensions)
        self._changing = threading.Lock()
        self._unsaved = 0
        self._catch_up()

    @staticmethod
    def create(folder: Path, origin: Origin, created_at: float) -> None:
        """Make the files of an empty collection in an existing folder."""
        Documents.create(folder / _DOCUMENTS, origin, created_at)

    @property
    def origin(self) -> Origin:
        """Return which embedder made the vectors."""
        return self._documents.origin

    @property
    def created_at(self) -> float:
        """Return when the collection was made, in seconds since the epoch."""
        return self._documents.created_at

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._documents.count

    @property
    def mean_tokens(self) -> float:
        """Return the mean length of a document, in the embedder's tokens and window; 0 if there is none."""
        return self._documents.tokens / len(self) if len(self) else 0.0

    def unchanged(self, documents: Sequence[Document]) -> set[str]:
        """Return the ids of those documents that are there already, equal in every field."""
        there = self._documents.get([document.id for document in documents])
        return {document.id for document in documents if there.get(document.id) == document}

    def upsert(self, documents: Sequence[Document], vectors: NDArray[np.float32], tokens: Sequence[int]) -> Upserted:
        """Write documents with their vectors; all or none of them.

        Args:
            documents: at least one, each id once.
            vectors: float32 [documents, dimensions].
            tokens: length of each document in the embedder's tokens.
        """
        with self._changing:
            new = np.empty(0, dtype=np.uint64)
            try:
                with self._documents.writing() as change:
                    new, old = change.replace(documents, vectors, tokens)
                    self._vectors.add(new, vectors)
            except BaseException:
                self._vectors.remove(new)
                raise
            self._vectors.remove(old)
            self._changed(len(new) + len(old))
        return Upserted(inserted=len(new) - len(old), updated=len(old))

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the documents of these ids that are there, and return how many there were."""
        with self._changing:
            with self._documents.writing() as change:
                old = change.delete(ids)
            self._vectors.remove(old)
            self._changed(len(old))
        return len(old)

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of these ids that are there, by id."""
        return self._documents.get(ids)

    def page(self, after: int, size: int) -> list[tuple[int, Document]]:
        """Return up to `size` documents, with their numbers, that were written after number `after`."""
        return self._documents.page(after, size)

    def search(self, vector: NDArray[np.float32], count: int) -> list[Candidate]:
        """Return the `count` documents nearest to a vector, or fewer, nearest first.

        Args:
            vector: float32 [dimensions].
            count: how many.
        """
        seqs, similarities = self._vectors.search(vector, count)
        there = self._documents.by_seq(seqs)
        found = [
            (there[int(seq)], float(similarity))
            for seq, similarity in zip(seqs, similarities, strict=True)
            if int(seq) in there
        ]
        return [Candidate(document, similarity, rank) for rank, (document, similarity) in enumerate(found, start=1)]

    def close(self) -> None:
        """Save the index if it changed, and close the files."""
        with self._changing:
            if self._unsaved:
                self._save()
            self._documents.close()

    def discard(self) -> None:
        """Close the files of a collection that was dropped; requests still at work on it find it gone."""
        with self._changing:
            self._documents.close()

    def _catch_up(self) -> None:
        """Make the index hold exactly the documents' vectors."""
        there, wanted = self._vectors.keys(), self._documents.seqs()
        self._vectors.remove(np.setdiff1d(there, wanted))
        missing = np.setdiff1d(wanted, there)
        if not len(missing):
            return
        logger.info("collection %s: adding %d documents to its index", self.name, len(missing))
        for start in range(0, len(missing), _REBUILD_BATCH):
            seqs, vectors = self._documents.vectors(missing[start : start + _REBUILD_BATCH])
            # Nothing else runs yet, so every core may help.
            self._vectors.add(seqs, vectors, threads=len(os.sched_getaffinity(0)))
        self._save()

    def _changed(self, count: int) -> None:
        self._unsaved += count
        if self._unsaved >= max(_SAVE_AFTER_CHANGES, _SAVE_AFTER_SHARE * len(self)):
            self._save()

    def _save(self) -> None:
        self._vectors.save()
        self._unsaved = 0
