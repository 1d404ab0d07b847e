"""A collection's documents in SQLite: the source of truth, and what an acknowledgement rests on.

Every version of a document has a number of its own (`seq`), which grows and is never used twice; it is the
document's key in the vector index. So an index that is behind, by whatever has happened, is put right by comparing
its keys with the numbers in this table: nothing needs to be remembered about what the index has seen.

WAL mode with `synchronous=FULL`: a commit is on disk before it is acknowledged. One connection writes, and its
owner (`collection.py`) calls it from one thread at a time; one reads, behind a lock. Knows neither the vector index
nor models.
"""

import contextlib
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import StorageError, StorageFailed, UnknownCollection

Seqs = NDArray[np.uint64]

_FORMAT = "1"
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE documents (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  metadata TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  vector BLOB NOT NULL
) STRICT;
INSERT INTO sqlite_sequence (name, seq) VALUES ('documents', 0);
"""
_DAMAGE = (sqlite3.Error, KeyError, ValueError, TypeError, OverflowError, OSError)

# The columns after the number are in the order of Document's fields. `json_each` makes one parameter of a list.
_BY_ID = "SELECT seq, id, text, title, metadata FROM documents WHERE id IN (SELECT value FROM json_each(?))"
_BY_SEQ = "SELECT seq, id, text, title, metadata FROM documents WHERE seq IN (SELECT value FROM json_each(?))"
_BYTES = " + ".join(f"length(CAST({name} AS BLOB))" for name in ("id", "text", "title", "metadata"))
_SIZES = f"SELECT id, {_BYTES} FROM documents WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 (ours alone)
_PAGE_SIZES = f"SELECT {_BYTES} FROM documents WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 (ours alone)
_PAGE = "SELECT seq, id, text, title, metadata FROM documents WHERE seq > ? ORDER BY seq LIMIT ?"
_VECTORS = "SELECT seq, vector FROM documents WHERE seq IN (SELECT value FROM json_each(?))"
_TOTALS = "SELECT count(*), coalesce(sum(tokens), 0) FROM documents"
# Numbers go on from the time of the start, in microseconds: after an older file was put back, too, no number is used
# that an index may know from before.
_NEVER_AGAIN = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'documents'"
_INSERT = "INSERT INTO documents (id, title, text, metadata, tokens, vector) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM documents WHERE id IN (SELECT value FROM json_each(?)) RETURNING seq, tokens"


@dataclass(frozen=True, slots=True)
class Document:
    """Be a document as the caller gave it."""

    id: str
    text: str
    title: str = ""
    metadata: str = ""  # a JSON object with sorted keys, or empty

    @property
    def content(self) -> str:
        """Return what both models read: the title, if there is one, before the text."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Origin:
    """Say which embedder made a collection's vectors."""

    embedder: str  # for people: source and variant
    fingerprint: str  # what is compared
    dimensions: int


class Documents:
    """Keep one collection's documents in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the file that `create` made.

        Raises:
            StorageError: it is not such a file.
        """
        if not path.is_file():
            raise StorageError(f"{path} is not there: {path.parent} is no collection; move it out of the data folder")
        self._reading = threading.Lock()
        self._closed = False
        self._numbering = False  # whether numbers go on from this start
        try:
            self._writer = _connected(path)
            self._reader = _connected(path)
            facts = dict(self._reader.execute("SELECT name, value FROM facts").fetchall())
            if facts.get("format") != _FORMAT:
                raise StorageError(
                    f"{path} has format {facts.get('format')}, this version reads {_FORMAT};"
                    " use the shortlist that made it, or index the documents again"
                )
            self.origin = Origin(facts["embedder"], facts["fingerprint"], int(facts["dimensions"]))
            self.created_at = datetime.fromtimestamp(float(facts["created_at"]), tz=UTC)
            # What collections report is kept in memory: counting rows reads the whole table.
            self.count: int
            self.tokens: int
            self.count, self.tokens = self._reader.execute(_TOTALS).fetchone()
        except _DAMAGE as error:
            raise StorageError(f"{path} cannot be read as a collection: {error!r}; restore a backup of it") from error

    @staticmethod
    def create(path: Path, origin: Origin, created_at: float) -> None:
        """Make an empty file for a collection; `created_at` is in seconds since the epoch."""
        connection = _connected(path)
        with connection:
            connection.executescript(_SCHEMA)
            connection.executemany(
                "INSERT INTO facts VALUES (?, ?)",
                [
                    ("format", _FORMAT),
                    ("embedder", origin.embedder),
                    ("fingerprint", origin.fingerprint),
                    ("dimensions", str(origin.dimensions)),
                    ("created_at", repr(created_at)),
                ],
            )
        connection.close()

    @contextmanager
    def writing(self) -> Iterator["Writing"]:
        """Open a transaction: committed at the end of the block, undone if it raises.

        Raises:
            UnknownCollection: the file was closed, since the collection was dropped meanwhile.
            StorageFailed: the disk is full, or fails; nothing was changed.
        """
        self._check_open()
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                if not self._numbering:
                    self._writer.execute(_NEVER_AGAIN, [time.time_ns() // 1000])
                change = Writing(self._writer)
                yield change
        except sqlite3.OperationalError as error:
            raise StorageFailed(f"the data folder cannot be written: {error}; nothing was changed") from error
        self._numbering = True
        self.count += change.documents
        self.tokens += change.tokens

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of these ids that are there, by id."""
        rows = self._read(_BY_ID, json.dumps(ids))
        return {row[1]: Document(*row[1:]) for row in rows}

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many bytes the documents of these ids have that are there, by id."""
        return dict(self._read(_SIZES, json.dumps(ids)))

    def by_seq(self, seqs: Seqs) -> dict[int, Document]:
        """Return the documents of these numbers that are there, by number."""
        rows = self._read(_BY_SEQ, json.dumps(seqs.tolist()))
        return {row[0]: Document(*row[1:]) for row in rows}

    def page(self, after: int, size: int, most_bytes: int) -> tuple[list[tuple[int, Document]], bool]:
        """Return up to `size` documents that were written after number `after`, and whether more may follow.

        Each has its number beside it. They have `most_bytes` together at most, or there is one.
        """
        sizes = [found for (found,) in self._read(_PAGE_SIZES, after, size)]
        fit = max(1, sum(total <= most_bytes for total in itertools.accumulate(sizes)))
        rows = self._read(_PAGE, after, fit)
        return [(row[0], Document(*row[1:])) for row in rows], fit < len(sizes) or len(sizes) == size

    def seqs(self) -> Seqs:
        """Return every document's number, ascending."""
        rows = self._read("SELECT seq FROM documents ORDER BY seq")
        return np.fromiter((row[0] for row in rows), dtype=np.uint64, count=len(rows))

    def vectors(self, seqs: Seqs) -> tuple[Seqs, NDArray[np.float32]]:
        """Return the vectors of these numbers: float32 [found, dimensions], beside the numbers found."""
        rows = self._read(_VECTORS, json.dumps(seqs.tolist()))
        vectors = [np.frombuffer(row[1], dtype=np.float32) for row in rows]
        found = np.array([row[0] for row in rows], dtype=np.uint64)
        return found, np.array(vectors, dtype=np.float32).reshape(len(rows), self.origin.dimensions)

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._closed = True
            self._reader.close()
        self._writer.close()

    def _read(self, statement: str, *values: str | int) -> list[Any]:
        with self._reading:
            self._check_open()
            return self._reader.execute(statement, values).fetchall()

    def _check_open(self) -> None:
        if self._closed:
            raise UnknownCollection("collection: it was dropped while this request ran")


class Writing:
    """Change documents inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing changed."""
        self._connection = connection
        self.documents = 0  # by how many the collection grows
        self.tokens = 0

    def replace(
        self, documents: Sequence[Document], vectors: NDArray[np.float32], tokens: Sequence[int]
    ) -> tuple[Seqs, Seqs]:
        """Write documents, and return their new numbers and those of the versions they replace."""
        old = self.delete([document.id for document in documents])
        new = [
            self._connection.execute(
                _INSERT,
                (document.id, document.title, document.text, document.metadata, length, vector.tobytes()),
            ).lastrowid
            for document, vector, length in zip(documents, vectors, tokens, strict=True)
        ]
        self.documents += len(new)
        self.tokens += sum(tokens)
        return np.array(new, dtype=np.uint64), old

    def delete(self, ids: Sequence[str]) -> Seqs:
        """Delete the documents of these ids that are there, and return their numbers."""
        rows = self._connection.execute(_DELETE, [json.dumps(ids)]).fetchall()
        self.documents -= len(rows)
        self.tokens -= sum(row[1] for row in rows)
        return np.array([row[0] for row in rows], dtype=np.uint64)


def fingerprint(path: Path) -> str:
    """Return which embedder made the vectors in a file; empty where that cannot be read: opening it will say why."""
    if not path.is_file():  # SQLite would make it
        return ""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT value FROM facts WHERE name = 'fingerprint'").fetchone()
    except sqlite3.Error:
        return ""
    return str(found[0]) if found else ""


def _connected(path: Path) -> sqlite3.Connection:
    # Transactions are begun by hand (isolation_level=None); every connection is behind its owner's lock.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def canonical(metadata: dict[str, Any]) -> str:
    """Return metadata as JSON with sorted keys, so that equal objects are equal texts.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
