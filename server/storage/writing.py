"""Changes of a collection's documents: what one transaction writes, replaces and deletes.

The transaction and its connection are the caller's (`documents.py`), and so is the thread.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .document import Document
from .listing import WHOLE
from .unit_vectors import Keys

_INSERT = f"INSERT INTO documents ({WHOLE}, tokens, vector, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (ours alone)
# Where another call wrote the text meanwhile, that one came later: it stays as that one wrote it.
_RELABEL = "UPDATE documents SET source = ?, metadata = ? WHERE id = ? AND title = ? AND text = ?"
_DESCRIBE = "UPDATE documents SET metadata = ? WHERE id = ?"
_DELETE = "DELETE FROM documents WHERE id IN (SELECT value FROM json_each(?)) RETURNING key, tokens"
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
        old = self._delete([document.id for document in documents])
        self._connection.executemany(
            _INSERT,
            [
                (one.id, one.text, one.title, one.metadata, one.source, length, vector.tobytes(), key)
                for one, vector, key, length in zip(documents, vectors, keys.tolist(), tokens, strict=True)
            ],
        )
        self.documents += len(documents)
        self.tokens += sum(tokens)
        return len(old), self._unused(old)

    def relabel(self, documents: Sequence[Document]) -> None:
        """Set source and metadata of documents, and change nothing else of them."""
        self._connection.executemany(
            _RELABEL, [(one.source, one.metadata, one.id, one.title, one.text) for one in documents]
        )

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Set the metadata of documents, by id, and change nothing else of them."""
        self._connection.executemany(_DESCRIBE, [(text, identifier) for identifier, text in metadata.items()])

    def delete(self, ids: Sequence[str]) -> tuple[int, Keys]:
        """Delete documents, and return how many were there, and the keys that no document has any more."""
        old = self._delete(ids)
        return len(old), self._unused(old)

    def _delete(self, ids: Sequence[str]) -> list[int]:
        """Delete documents, and return the key of each."""
        rows = self._connection.execute(_DELETE, [json.dumps(ids)]).fetchall()
        self.documents -= len(rows)
        self.tokens -= sum(row[1] for row in rows)
        return [row[0] for row in rows]

    def _unused(self, keys: Sequence[int]) -> Keys:
        rows = self._connection.execute(_UNUSED, [json.dumps(sorted(set(keys)))]).fetchall()
        return np.array([row[0] for row in rows], dtype=np.uint64)
