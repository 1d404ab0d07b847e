"""A collection: documents in SQLite and the index derived from them, kept together.

A change goes through SQLite's transaction, with the index inside it:

    begin -> write the rows -> add the new vectors -> commit -> remove the old vectors -> acknowledge

So documents can be found before their commit is acknowledged, and a change that fails leaves neither rows nor
vectors. Documents with equal vectors share one in the index: it comes with the first of them and goes with the last.
Searches pass over new vectors until the commit. If the index names a vector that has no row any more, a change came
between, and the search is done again; so a document that is replaced can be found all the time.

All methods block; the pipeline calls them from threads. `_changing` makes changes one at a time, and keeps them
apart from a save of the index; searches and reads do not take it.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed, StorageError, StorageFailed

from . import comparison, documents, generation, generations, unit_vectors
from .comparison import Compared
from .document import Candidate, Document, Origin, Upserted
from .documents import Documents
from .filtered import Among, Filtered
from .filters import AllOf, Filter, From
from .generation import Generation
from .listing import Page
from .measuring import Measured
from .opened import Opened
from .recall import DEFAULT_TARGET
from .remaking import Remaking
from .unit_vectors import Directions
from .upkeep import Upkeep
from .vectors import Vectors

_T = TypeVar("_T")

DOCUMENTS = "documents.sqlite"

_NO_KEYS = np.empty(0, np.uint64)

# Searches that a change may disturb before one waits for the changes.
_SEARCHES = 3

# Numbers of the collections that this process opened: a name may be dropped and made again, and two collections may
# number different documents alike.
_numbers = itertools.count()


class Collection:
    """Documents that are written, found and deleted."""

    def __init__(self, folder: Path) -> None:
        """Open the collection at `folder` and bring its index up to its documents.

        Raises:
            StorageError: the folder holds no collection that this version reads.
        """
        self.name = folder.name
        self._folder = Opened(folder)
        self._documents = Documents(folder / DOCUMENTS)
        self._number = next(_numbers)
        self._changing = threading.Lock()
        self._pending = _NO_KEYS  # in the index, or on their way into it, and not committed yet
        self._use(self._generation(folder))
        self.remaking = Remaking(folder, self._documents, self._changing, self._number, self._use)
        try:
            self._used.upkeep.catch_up()
        except (StorageFailed, ValueError, InferenceFailed) as error:
            self._documents.close()
            raise StorageError(f"{folder} is damaged: {error}; restore a backup of {DOCUMENTS}") from error

    def _generation(self, folder: Path) -> Generation:
        """Return the vectors that the documents have, with the index as it was saved."""
        made_by, number = self._documents.origin, self._documents.generation
        vectors = Vectors(generation.index_of(folder, number), made_by.dimensions)
        upkeep = Upkeep(self.name, self._documents, vectors)
        coming = generations.coming(self._documents.facts())
        generation.remove_others(folder, number, *([coming.number] if coming else []))
        return Generation(made_by, vectors, upkeep, Among(self._documents, vectors, self._number))

    def _use(self, made: Generation) -> None:
        """Search these vectors from now on; changes wait meanwhile."""
        self._used = made
        self.measured = Measured(self.name, self._documents.recall_target, made.among)

    @staticmethod
    def create(folder: Path, origin: Origin, created_at: float, recall_target: float = DEFAULT_TARGET) -> None:
        """Make the files of an empty collection in an existing folder."""
        Documents.create(folder / DOCUMENTS, origin, created_at, recall_target)

    @property
    def origin(self) -> Origin:
        """Return which embedder made the vectors."""
        return self._used.origin

    @property
    def bundle(self) -> str:
        """Return the path of the bundle that made the vectors; empty: the server's own made them."""
        return self._documents.facts()["bundle"]

    @property
    def among(self) -> Among:
        """Return what is asked of the documents that match a filter."""
        return self._used.among

    @property
    def created_at(self) -> datetime:
        """Return when the collection was made."""
        return self._documents.created_at

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._documents.count

    @property
    def in_place(self) -> bool:
        """Return whether its folder is still the one that was opened."""
        return not self._folder.lost()

    @property
    def mean_tokens(self) -> float:
        """Return the mean length of a document, in the embedder's tokens and window; 0 if there is none."""
        return self._documents.tokens / len(self) if len(self) else 0.0

    def compare(self, documents: Sequence[Document], vectors: Mapping[str, NDArray[np.float32]]) -> Compared:
        """Return what differs from what is there; see `comparison.compare`."""
        return comparison.compare(self._documents, documents, vectors)

    def upsert(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        tokens: Sequence[int],
        relabelled: Sequence[Document] = (),
        made_by: str | None = None,
    ) -> Upserted:
        """Write documents with their vectors; all or none of them.

        Args:
            documents: at least one, each id once.
            vectors: float32 [documents, dimensions].
            tokens: length of each document in the embedder's tokens.
            relabelled: others, of which nothing changes but source and metadata.
            made_by: the fingerprint of the embedder that made the vectors; None: they are taken for the collection's.

        Raises:
            Superseded: the collection has another embedder by now; nothing was written.
            InferenceFailed: a vector is not finite.
            UnknownCollection: the collection was dropped meanwhile.
            StorageFailed: the disk is full, or fails.
        """
        made = unit_vectors.of(vectors)
        with self._changing:
            self._used.check(made_by)
            new = self._pending = self._used.vectors.missing(made.keys)
            try:
                with self._documents.writing() as change:
                    updated, old = change.replace(documents, vectors, made.keys, tokens)
                    change.relabel(relabelled)
                    self._used.vectors.add(made)
            except BaseException:
                self._used.vectors.remove(new)
                raise
            finally:
                self._pending = _NO_KEYS
            self._used.vectors.remove(old)
            self._used.upkeep.changed(len(new) + len(old))
        return Upserted(inserted=len(documents) - updated, updated=updated)

    def relabel(self, documents: Sequence[Document]) -> None:
        """Set source and metadata of documents, and change nothing else of them."""
        with self._changing, self._documents.writing() as change:
            change.relabel(documents)

    def describe(self, metadata: Mapping[str, str]) -> list[str]:
        """Set the metadata of documents, by id, or of none if one is not there, and return the ids that are not."""
        with self._changing:
            there = self._documents.sizes(list(metadata))
            if missing := [identifier for identifier in metadata if identifier not in there]:
                return missing
            with self._documents.writing() as change:
                change.describe(metadata)
        return []

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the documents of these ids that are there, and return how many there were."""
        with self._changing:
            with self._documents.writing() as change:
                count, old = change.delete(ids)
            self._used.vectors.remove(old)
            self._used.upkeep.changed(len(old))
        return count

    def delete_where(self, where: Filter) -> int:
        """Delete all documents that match, or none if that fails, and return how many there were."""
        with self._changing:
            found = self._documents.matches(where)
            with self._documents.writing() as change:
                count, old = change.delete_numbered(found.seqs)
            self._used.vectors.remove(old)
            self._used.upkeep.changed(len(old))
        return count

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of these ids that are there, by id."""
        return self._documents.get(ids)

    def vectors_of(self, ids: Sequence[str], made_by: str | None = None) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of the documents of these ids that are there: float32 [dimensions], by id.

        Raises:
            Superseded: the collection has another embedder by now than the one of this fingerprint.
        """
        found = self._documents.vectors_of(ids)
        self._used.check(made_by)
        return found

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many bytes the documents of these ids have that are there, by id."""
        return self._documents.sizes(ids)

    def page(self, wanted: Page, where: Filter | None = None) -> tuple[list[tuple[int, Document]], bool]:
        """Return documents, only those that match, each with its number beside it, and whether more may follow."""
        if where is not None:
            where = AllOf((where, From(wanted.source))) if wanted.source else where
            wanted = replace(wanted, among=self._documents.matches(where).seqs)
        return self._documents.page(wanted)

    def sources(self, below: str, after: str, size: int) -> list[tuple[str, int]]:
        """Return what documents came from, by name, and how many; see `listing.sources`."""
        return self._documents.sources(below, after, size)

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
        """Search until no change comes between, as the search tells; a switch of vectors is a change, too."""
        for _ in range(_SEARCHES):
            used = self._used
            used.check(made_by)
            found, disturbed = search(used)
            if not disturbed:
                return found
        with self._changing:  # changes come one after another: let them wait once
            self._used.check(made_by)
            return search(self._used)[0]

    def _found(self, used: Generation, direction: Directions, count: int) -> tuple[list[Candidate], bool]:
        """Search once, and tell whether the index named a vector that has no row any more."""
        keys, similarities = used.vectors.search(direction, count, hidden=self._pending)
        rows = self._documents.nearest(keys, count)
        named = keys.tolist()
        similarity = dict(zip(named, similarities.tolist(), strict=True))
        candidates = [
            Candidate(row.document, similarity[row.key], rank, (self._number, row.seq))
            for rank, row in enumerate(rows, 1)
        ]
        # Where the nearest have copies enough, the keys behind them are not read.
        read = named[: named.index(rows[-1].key) + 1] if len(rows) == count else named
        return candidates, len({row.key for row in rows}) < len(read)

    def copy(self, path: Path) -> int:
        """Copy the documents as they are at one moment, and return how many they are; see `Documents.copy`."""
        return self._documents.copy(path)

    def close(self) -> None:
        """Save the index if it changed, and close the files."""
        with self._changing:
            self._used.upkeep.save_changes()
            self._documents.close()

    def discard(self) -> None:
        """Close the files of a collection that was dropped; requests still at work on it find it gone."""
        with self._changing:
            self._documents.close()


def fingerprint(folder: Path) -> str:
    """Return which embedder made a collection's vectors; empty where that cannot be read."""
    return documents.fingerprint(folder / DOCUMENTS)
