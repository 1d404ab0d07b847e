"""The vectors of one generation (`generations.py`), read: what an index is derived from, and what is missing.

Statements and their parameters; the connection and its lock are the caller's.
"""

import json
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .document import Document
from .listing import WHOLE
from .reading import Read
from .unit_vectors import Keys

_KEYS = "SELECT DISTINCT key FROM {table} ORDER BY key"
_VECTORS = "SELECT key, vector FROM {table} WHERE key IN (SELECT value FROM json_each(?)) GROUP BY key"
_COUNT = "SELECT count(*) FROM {table}"
_MISSING = f"""
SELECT seq, {WHOLE} FROM documents
WHERE seq > ? AND NOT EXISTS (SELECT 1 FROM {{table}} AS made WHERE made.seq = documents.seq)
ORDER BY seq LIMIT ?
"""  # noqa: S608 (ours alone)


class Truth(Protocol):
    """What an index is brought up to."""

    @property
    def count(self) -> int:
        """Return the number of documents."""

    def keys(self) -> Keys:
        """Return the keys of all vectors, each once, ascending."""

    def vectors(self, keys: Keys) -> tuple[Keys, NDArray[np.float32]]:
        """Return a vector of each of these keys: float32 [found, dimensions], beside the keys found."""


class Made:
    """The vectors of one generation."""

    def __init__(self, read: Read, table: str, dimensions: int, documents: Callable[[], int]) -> None:
        """Take a generation's table.

        Args:
            read: runs a statement.
            table: the table's name.
            dimensions: of a vector.
            documents: returns how many documents there are.
        """
        self._read = read
        self._table = table
        self._dimensions = dimensions
        self._documents = documents

    @property
    def count(self) -> int:
        """Return the number of documents."""
        return self._documents()

    def made(self) -> int:
        """Return the number of documents that have a vector, by reading an index of them all."""
        ((count,),) = self._read(_COUNT.format(table=self._table))
        return int(count)

    def keys(self) -> Keys:
        """Return the keys of all vectors, each once, ascending."""
        rows = self._read(_KEYS.format(table=self._table))
        return np.fromiter((row[0] for row in rows), dtype=np.uint64, count=len(rows))

    def vectors(self, keys: Keys) -> tuple[Keys, NDArray[np.float32]]:
        """Return a vector of each of these keys: float32 [found, dimensions], beside the keys found."""
        rows = self._read(_VECTORS.format(table=self._table), json.dumps(keys.tolist()))
        vectors = [np.frombuffer(row[1], dtype=np.float32) for row in rows]
        found = np.array([row[0] for row in rows], dtype=np.uint64)
        return found, np.array(vectors, dtype=np.float32).reshape(len(rows), self._dimensions)

    def missing(self, after: int, most: int) -> list[tuple[int, Document]]:
        """Return the first documents behind a number that have no vector here, each beside its number."""
        rows = self._read(_MISSING.format(table=self._table), after, most)
        return [(row[0], Document(*row[1:])) for row in rows]
