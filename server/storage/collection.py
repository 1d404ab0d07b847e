"""A collection: documents in SQLite and the index derived from them, kept together.

A change goes through SQLite's transaction, with the index of vectors inside it:

    begin -> write the rows -> add the new vectors -> commit -> remove the old vectors, tell the words -> acknowledge

So documents can be found before their commit is acknowledged, and a change that fails leaves neither rows nor
vectors. Documents with equal vectors share one in the index: it comes with the first of them and goes with the last.
Searches (`vector_search.py`, `word_search.py`) pass over new vectors until the commit.

All methods block; the pipeline calls them from threads. `_changing` makes changes one at a time; searches and reads
do not take it.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed, StorageError, StorageFailed

from . import comparison, database, maxsim, sizes, unit_vectors
from .choices import DEFAULTS, Choices
from .comparison import Compared
from .document import Document, Origin, Upserted
from .documents import Documents
from .filtered import Among
from .filters import Filter
from .indexes import Indexes
from .listing import Page
from .matching import Numbers
from .measuring import Measured
from .opened import Opened
from .remaking import Remaking
from .token_making import TokenMaking
from .token_vectors import NONE, TokenVectors
from .unit_vectors import Keys
from .writing import Writing

DOCUMENTS = "documents.sqlite"

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
        self._path, self._folder = folder, Opened(folder)
        self._documents = Documents(folder / DOCUMENTS)
        number = next(_numbers)
        self._changing = threading.Lock()
        self._indexes = Indexes(folder, self._documents, number, self._changing)
        self.by_vectors, self.by_words = self._indexes.by_vectors, self._indexes.by_words
        self.remaking = Remaking(folder, self._documents, self._changing, number, self._indexes.use)
        self.token_making = TokenMaking(self._documents, self._changing)
        try:
            self._indexes.catch_up()
        except (StorageFailed, ValueError, InferenceFailed) as error:
            self._documents.close()
            raise StorageError(f"{folder} is damaged: {error}; restore a backup of {DOCUMENTS}") from error

    @staticmethod
    def create(
        folder: Path, origin: Origin, created_at: float, choices: Choices = DEFAULTS, wanted: TokenVectors = NONE
    ) -> None:
        """Make the files of an empty collection in an existing folder; see `database.create`."""
        database.create(folder / DOCUMENTS, origin, created_at, choices, wanted)

    @property
    def origin(self) -> Origin:
        """Return which embedder made the vectors."""
        return self._indexes.used.origin

    @property
    def bundle(self) -> str:
        """Return the path of the bundle that made the vectors; empty: the server's own made them."""
        return self._documents.facts()["bundle"]

    @property
    def choices(self) -> Choices:
        """Return what was chosen of it when it was made."""
        return self._documents.choices

    @property
    def token_vectors(self) -> TokenVectors:
        """Return what its documents have of token vectors."""
        return self._documents.token_vectors

    @property
    def measured(self) -> Measured:
        """Return the recall that searches by vectors are held to."""
        return self._indexes.measured

    @property
    def among(self) -> Among:
        """Return what is asked of the documents that match a filter."""
        return self._indexes.used.among

    @property
    def created_at(self) -> datetime:
        """Return when the collection was made."""
        return self._documents.created_at

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._documents.count

    @property
    def indexed(self) -> int:
        """Return the number of different vectors in its index."""
        return len(self._indexes.used.vectors)

    def disk_bytes(self) -> Mapping[str, int]:
        """Return what its files take, by what they hold."""
        return sizes.disk_bytes(self._path)

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
        token_vectors: Sequence[NDArray[np.float32]] | None = None,
        token_vectors_by: int | None = None,
    ) -> Upserted:
        """Write documents with their vectors; all or none of them.

        Args:
            documents: at least one, each id once.
            vectors: float32 [documents, dimensions].
            tokens: length of each document in the embedder's tokens.
            relabelled: others, of which nothing changes but source and metadata.
            made_by: the fingerprint of the embedder that made the vectors; None: they are taken for the collection's.
            token_vectors: those of each document, float32 [vectors, dimensions]; None: it has none yet.
            token_vectors_by: the generation that they are of; where another is wanted by now, they have none yet.

        Raises:
            Superseded: the collection has another embedder by now; nothing was written.
            InferenceFailed: a vector is not finite.
            UnknownCollection: the collection was dropped meanwhile.
            StorageFailed: the disk is full, or fails.
        """
        made = unit_vectors.of(vectors)
        words = self._indexes.words.analysed(documents)
        packed = None if token_vectors is None else maxsim.packed_all(token_vectors)
        with self._changing:
            self._indexes.used.check(made_by)
            if token_vectors_by != self.token_vectors.generation:
                packed = None
            with self._indexes.adding(made), self._documents.writing() as change:
                updated, old = change.replace(documents, vectors, made.keys, tokens, packed)
                change.relabel(relabelled)
                self._indexes.used.vectors.add(made)
            self._indexes.follow(change, old, words)
        self._indexes.words.follow()
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
        return self._delete(lambda change: change.delete(ids))

    def delete_where(self, where: Filter) -> int:
        """Delete all documents that match, or none if that fails, and return how many there were."""
        return self._delete(lambda change: change.delete_numbered(self._documents.matches(where).seqs))

    def _delete(self, delete: Callable[[Writing], tuple[int, Keys]]) -> int:
        with self._changing:
            with self._documents.writing() as change:
                count, old = delete(change)
            self._indexes.follow(change, old)
        self._indexes.words.follow()
        return count

    def settle(self) -> None:
        """Have the lexical index hold what was told: nothing more is written to its folder until the next change."""
        self._indexes.words.commit()

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of these ids that are there, by id."""
        return self._documents.get(ids)

    def vectors_of(self, ids: Sequence[str], made_by: str | None = None) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of the documents of these ids that are there: float32 [dimensions], by id.

        Raises:
            Superseded: the collection has another embedder by now than the one of this fingerprint.
        """
        found = self._documents.vectors_of(ids)
        self._indexes.used.check(made_by)
        return found

    def maxsim(self, query: NDArray[np.float32], numbers: Numbers) -> tuple[Numbers, NDArray[np.float32]]:
        """Return those documents that have token vectors, and their MaxSim; see `TokenMaking.maxsim`."""
        return self.token_making.maxsim(query, numbers)

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many bytes the documents of these ids have that are there, by id."""
        return self._documents.sizes(ids)

    def page(self, wanted: Page, where: Filter | None = None) -> tuple[list[tuple[int, Document]], bool]:
        """Return documents, only those that match, each with its number beside it, and whether more may follow."""
        return self._documents.page(wanted, where)

    def sources(self, below: str, after: str, size: int) -> list[tuple[str, int]]:
        """Return what documents came from, by name, and how many; see `listing.sources`."""
        return self._documents.sources(below, after, size)

    def copy(self, path: Path) -> int:
        """Copy the documents as they are at one moment, and return how many they are; see `Documents.copy`."""
        return self._documents.copy(path)

    def close(self) -> None:
        """Save the indexes if they changed, and close the files."""
        self._indexes.used.upkeep.stop()
        self.remaking.stop()
        with self._changing:
            self._indexes.used.upkeep.save_changes()
        self.settle()
        self._indexes.words.close()  # its thread reads documents
        self._documents.close()

    def discard(self) -> None:
        """Close the files of a collection that was dropped; requests still at work on it find it gone."""
        self._indexes.used.upkeep.stop()
        self.remaking.stop()
        self._indexes.words.close()
        with self._changing:
            self._documents.close()
