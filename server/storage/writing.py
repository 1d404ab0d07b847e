"""Changes of a collection's documents: what one transaction writes, replaces and deletes.

The transaction and its connection are the caller's (`documents.py`), and so is the thread.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from . import attributes
from .document import Document
from .listing import WHOLE
from .matching import Numbers
from .unit_vectors import Keys

_INSERT = f"INSERT INTO documents ({WHOLE}, tokens, vector, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (ours alone)
# Where another call wrote the text meanwhile, that one came later: it stays as that one wrote it.
_RELABEL = """
UPDATE documents SET source = ?, metadata = ? WHERE id = ? AND title = ? AND text = ? RETURNING seq, metadata
"""
_DESCRIBE = "UPDATE documents SET metadata = ? WHERE id = ? RETURNING seq, metadata"
_DELETE = "DELETE FROM documents WHERE id IN (SELECT value FROM json_each(?)) RETURNING key, tokens"
_DELETE_NUMBERED = "DELETE FROM documents WHERE seq IN (SELECT value FROM json_each(?)) RETURNING key, tokens"
_NUMBERS = "SELECT id, seq FROM documents WHERE id IN (SELECT value FROM json_each(?))"
_UNUSED = """
SELECT value FROM json_each(?) AS gone WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.key = gone.value)
"""


class Writing:
    """A transaction that changes documents."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing changed."""
        self._connection = connection
        self.documents = 0  # by how many the collection grows
        self.tokens = 0

    def replace(
        self, documents: Sequence[Document], vectors: NDArray[np.float32], keys: Keys, tokens: Sequence[int]
    ) -> tuple[int, Keys]:
        """Write documents, and return how many were there before, and the keys that no document has any more.

        Args:
            documents: each id once.
            vectors: float32 [documents, dimensions].
            keys: those of the vectors' directions: uint64 [documents].
            tokens: the length of each document.
        """
        old = self._delete(_DELETE, [document.id for document in documents])
        self._connection.executemany(
            _INSERT,
            [
                (one.id, one.text, one.title, one.metadata, one.source, length, vector.tobytes(), key)
                for one, vector, key, length in zip(documents, vectors, keys.tolist(), tokens, strict=True)
            ],
        )
        self._add_attributes([document for document in documents if document.metadata])
        self.documents += len(documents)
        self.tokens += sum(tokens)
        return len(old), self._unused(old)

    def relabel(self, documents: Sequence[Document]) -> None:
        """Set source and metadata of documents, and change nothing else of them."""
        self._label(_RELABEL, [(one.source, one.metadata, one.id, one.title, one.text) for one in documents])

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Set the metadata of documents, by id, and change nothing else of them."""
        self._label(_DESCRIBE, [(text, identifier) for identifier, text in metadata.items()])

    def delete(self, ids: Sequence[str]) -> tuple[int, Keys]:
        """Delete documents, and return how many were there, and the keys that no document has any more."""
        old = self._delete(_DELETE, ids)
        return len(old), self._unused(old)

    def delete_numbered(self, seqs: Numbers) -> tuple[int, Keys]:
        """Delete documents by their numbers, and return the same."""
        old = self._delete(_DELETE_NUMBERED, seqs.tolist())
        return len(old), self._unused(old)

    def _add_attributes(self, documents: Sequence[Document]) -> None:
        """Add what filters find these documents by, which are written already."""
        ids = json.dumps([document.id for document in documents])
        seqs = dict(self._connection.execute(_NUMBERS, [ids]).fetchall())
        attributes.add(self._connection, [(seqs[document.id], document.metadata) for document in documents])

    def _label(self, statement: str, given: Sequence[tuple[str, ...]]) -> None:
        """Write labels, and what filters find by instead of what a trigger deletes."""
        rows = [row for values in given for row in self._connection.execute(statement, values).fetchall()]
        attributes.add(self._connection, rows)

    def _delete(self, statement: str, which: Sequence[str] | Sequence[int]) -> list[int]:
        """Delete documents, and return the key of each."""
        rows = self._connection.execute(statement, [json.dumps(which)]).fetchall()
        self.documents -= len(rows)
        self.tokens -= sum(row[1] for row in rows)
        return [row[0] for row in rows]

    def _unused(self, keys: Sequence[int]) -> Keys:
        rows = self._connection.execute(_UNUSED, [json.dumps(sorted(set(keys)))]).fetchall()
        return np.array([row[0] for row in rows], dtype=np.uint64)
