"""A collection's documents in SQLite: the source of truth, and what an acknowledgement rests on.

Every version of a document has a number of its own (`seq`), which grows and is never used twice, and its vector's
key in the index (`unit_vectors.py`), which it shares with its copies. So an index that is behind, for any reason, is
put right by comparing its keys with those of this table: nothing is remembered about what the index has seen.

WAL mode with `synchronous=FULL`: a commit is on disk before it is acknowledged. One connection writes, and its
owner (`collection.py`) calls it from one thread at a time; one reads, behind a lock (`reading.py`). Its
tables are in `schema.py`, its changes in `writing.py`. Knows neither the vector index nor models.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import StorageError, StorageFailed

from . import database, generations, listing, matching, rows, schema, token_vectors
from .choices import Choices
from .document import Document
from .filters import AllOf, Filter, From, Kind
from .listing import BYTES, WHOLE, Page
from .made import Made
from .matching import Cache, Matches, Numbers
from .opened import Opened
from .reading import Reading
from .rows import Row
from .unit_vectors import Keys
from .writing import Writing

_DAMAGE = (sqlite3.Error, KeyError, ValueError, TypeError, OverflowError, OSError)

# The columns after the number are in the order of Document's fields. `json_each` makes one parameter of a list.
_BY_ID = f"SELECT seq, {WHOLE} FROM documents WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 (ours alone)
_SIZES = f"SELECT id, {BYTES} FROM documents WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 (ours alone)
_VECTORS_OF = """
SELECT id, vector FROM documents JOIN vectors USING (seq) WHERE id IN (SELECT value FROM json_each(?))
"""
_NUMBERS = "SELECT seq FROM documents"
_TOTALS = "SELECT count(*), coalesce(sum(tokens), 0) FROM vectors"


class Documents:
    """One collection's documents in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the file that `database.create` made.

        Raises:
            StorageError: it is not such a file.
        """
        if not path.is_file():
            raise StorageError(f"{path} is not there: {path.parent} is no collection; move it out of the data folder")
        self._path = path
        self._version = 0  # of what was committed
        self._matches = Cache()
        try:
            self._writer = database.connected(path)
            schema.upgrade(self._writer, path)
            self._reader = Reading(database.connected(path))
            facts = self.facts()
            self.created_at = datetime.fromtimestamp(float(facts["created_at"]), tz=UTC)
            self.choices = Choices.read(facts)
            self.refresh()
            self._opened = Opened(path, path.with_name(f"{path.name}-wal"))
        except _DAMAGE as error:
            raise StorageError(f"{path} cannot be read as a collection: {error!r}; restore a backup of it") from error

    def refresh(self) -> None:
        """Look up which generation of vectors is used, and what collections report of it and keep in memory."""
        facts = self.facts()
        self.origin = generations.origin(facts)
        self.generation = int(facts["generation"])
        self._made = self.made(self.generation, self.origin.dimensions)
        self.count: int
        self.tokens: int
        ((self.count, self.tokens),) = self._reader.read(_TOTALS)
        self.token_vectors = token_vectors.counted(self._reader.read, token_vectors.named(facts), self.count)

    def facts(self) -> dict[str, str]:
        """Return what the file says of itself, by name."""
        return dict(self._reader.read("SELECT name, value FROM facts"))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Open a transaction that changes documents: committed at the end of the block, undone if it raises.

        Raises:
            UnknownCollection, StorageFailed: as of `transaction`.
        """
        with self.transaction() as connection:
            change = Writing(connection, self.token_vectors)
            yield change
        self._version += 1
        self.check_kept()  # what was committed meanwhile went into a file that nobody finds again
        self.count += change.documents
        self.tokens += change.tokens
        self.token_vectors = replace(change.token_vectors, of=self.count)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction: committed at the end of the block, undone if it raises.

        Raises:
            UnknownCollection: the file was closed, since the collection was dropped meanwhile.
            StorageFailed: the disk is full, or fails, or the file was removed; nothing was changed.
        """
        self._reader.check_open()
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self.check_kept()
        except sqlite3.Error as error:
            raise StorageFailed(f"the data folder cannot be written: {error}; nothing was changed") from error

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of these ids that are there, by id."""
        return {row[1]: Document(*row[1:]) for row in self._reader.read(_BY_ID, json.dumps(ids))}

    def vectors_of(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of the documents of these ids that are there: float32 [dimensions], by id."""
        found = self._reader.read(_VECTORS_OF, json.dumps(ids)) if ids else []
        return {identifier: np.frombuffer(vector, dtype=np.float32) for identifier, vector in found}

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many bytes the documents of these ids have that are there, by id."""
        return dict(self._reader.read(_SIZES, json.dumps(ids)))

    def nearest(self, keys: Keys, count: int) -> list[Row]:
        """Return the first `count` documents of these keys; see `rows.nearest`."""
        return rows.nearest(self._reader.read, keys, count)

    def rows(self, seqs: Numbers) -> list[Row]:
        """Return the documents of these numbers that are there, in no order."""
        return rows.numbered(self._reader.read, seqs)

    def keys_of(self, seqs: Numbers) -> tuple[Numbers, Keys]:
        """Return the numbers of these that are there, ascending, and the key of each."""
        return rows.keys_of(self._reader.read, seqs)

    def copies(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """Return the numbers of all documents of these keys, key by key, beside the place of each one's key."""
        return rows.copies(self._reader.read, keys)

    def matches(self, where: Filter) -> Matches:
        """Return the documents that a filter matches."""
        version = self._version
        found = self._matches.get(where, version)
        if found is None:
            with self._reader.one_state() as read:
                found = matching.matches(read, where)
            self._matches.put(where, version, found)
        return found

    def kinds(self, paths: Iterable[str]) -> dict[str, set[Kind]]:
        """Return of which kinds these fields of the metadata are, by path; only those that are there."""
        return matching.kinds(self._reader.read, paths)

    def paths(self, most: int) -> list[str]:
        """Return the first fields of the metadata by name."""
        return matching.paths(self._reader.read, most)

    def page(self, wanted: Page, where: Filter | None = None) -> tuple[list[tuple[int, Document]], bool]:
        """Return documents, only those that match, each with its number beside it, and whether more may follow."""
        if where is not None:
            where = AllOf((where, From(wanted.source))) if wanted.source else where
            wanted = replace(wanted, among=self.matches(where).seqs)
        page, more = listing.page(self._reader.read, wanted)
        return [(row[0], Document(*row[1:])) for row in page], more

    def sources(self, below: str, after: str, size: int) -> list[tuple[str, int]]:
        """Return what documents came from, by name, and how many; see `listing.sources`."""
        return listing.sources(self._reader.read, below, after, size)

    def numbers(self) -> list[int]:
        """Return the numbers of all documents."""
        return [number for (number,) in self._reader.read(_NUMBERS)]

    def last_number(self) -> int:
        """Return the greatest number that any document has had."""
        return matching.last(self._reader.read)

    def made(self, number: int, dimensions: int) -> Made:
        """Return the vectors of a generation."""
        return Made(self._reader.read, f"vectors_{number:d}", dimensions, lambda: self.count)

    def has_unused(self) -> bool:
        """Return whether there are vectors that are neither used nor being made."""
        with self._reader.one_state() as read:
            return bool(generations.unused(read))

    def token_rows(self, seqs: Numbers) -> tuple[Numbers, list[bytes]]:
        """Return the numbers of those documents that have token vectors, and the blob of each."""
        return token_vectors.rows(self._reader.read, self.token_vectors.generation, seqs)

    def without_token_vectors(self, after: int, most: int) -> list[tuple[int, Document]]:
        """Return the first documents behind a number that have no token vectors, each beside its number."""
        return token_vectors.missing(self._reader.read, self.token_vectors.generation, after, most)

    def has_old_token_vectors(self) -> bool:
        """Return whether there are token vectors that are not wanted any more."""
        return token_vectors.untidy(self._reader.read, self.token_vectors.generation)

    def keys(self) -> Keys:
        """Return the keys of all vectors, each once, ascending."""
        return self._made.keys()

    def vectors(self, keys: Keys) -> tuple[Keys, NDArray[np.float32]]:
        """Return a vector of each of these keys: float32 [found, dimensions], beside the keys found."""
        return self._made.vectors(keys)

    def copy(self, path: Path) -> int:
        """Copy the file as it is at one moment, while it is read and written, and return how many documents it has.

        Raises:
            UnknownCollection: the file was closed, since the collection was dropped meanwhile.
            StorageFailed: the copy cannot be written, or the file is damaged.
        """
        self._reader.check_open()
        self.check_kept()
        return database.copy(self._path, path)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()

    def check_kept(self) -> None:
        """Refuse to go on in a file that is not in its place any more.

        Raises:
            StorageFailed: it was removed or replaced.
        """
        if lost := self._opened.lost():
            raise StorageFailed(
                f"{lost[0]} was removed or replaced while the server had it open; nothing was changed; put it back as"
                " it was, or start the server again with what is there, or drop the collection"
            )
