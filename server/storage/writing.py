"""Changes of a collection's documents: what one transaction writes, replaces and deletes.

The transaction and its connection are the caller's (`documents.py`), and so is the thread.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from . import attributes, generations, token_vectors
from .document import Document
from .listing import WHOLE
from .matching import Numbers
from .maxsim import Packed
from .token_vectors import TokenVectors
from .unit_vectors import Keys

_INSERT = f"INSERT INTO documents ({WHOLE}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 (ours alone)
# Where another call wrote the text meanwhile, that one came later: it stays as that one wrote it.
_RELABEL = """
UPDATE documents SET source = ?, metadata = ? WHERE id = ? AND title = ? AND text = ? RETURNING seq, metadata
"""
_DESCRIBE = "UPDATE documents SET metadata = ? WHERE id = ? RETURNING seq, metadata"
_VECTORS = "SELECT key, tokens FROM vectors WHERE seq IN (SELECT value FROM json_each(?))"
_DELETE = "DELETE FROM documents WHERE seq IN (SELECT value FROM json_each(?))"
_NUMBERS = "SELECT id, seq FROM documents WHERE id IN (SELECT value FROM json_each(?))"
_UNUSED = """
SELECT value FROM json_each(?) AS gone WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.key = gone.value)
"""


class Writing:
    """A transaction that changes documents."""

    def __init__(self, connection: sqlite3.Connection, there: TokenVectors) -> None:
        """Begin with nothing changed; `there` is what documents have of token vectors."""
        self._connection = connection
        self.token_vectors = there  # as they are then
        self.documents = 0  # by how many the collection grows
        self.tokens = 0
        self.added: list[int] = []  # numbers of the documents that were written, in their order
        self.removed: list[int] = []  # numbers of those that are gone

    def replace(
        self,
        documents: Sequence[Document],
        vectors: NDArray[np.float32],
        keys: Keys,
        tokens: Sequence[int],
        packed: Sequence[Packed] | None = None,
    ) -> tuple[int, Keys]:
        """Write documents, and return how many were there before, and the keys that no document has any more.

        Args:
            documents: each id once.
            vectors: float32 [documents, dimensions].
            keys: those of the vectors' directions: uint64 [documents].
            tokens: the length of each document.
            packed: the token vectors of each, of the generation that is wanted; None: they have none yet.
        """
        ids = [document.id for document in documents]
        old = self._delete(list(self._numbers(ids).values()))
        self._connection.executemany(
            _INSERT, [(one.id, one.text, one.title, one.metadata, one.source) for one in documents]
        )
        numbers = self._numbers(ids)
        self.added = seqs = [numbers[identifier] for identifier in ids]
        rows = list(zip(seqs, keys.tolist(), tokens, (vector.tobytes() for vector in vectors), strict=True))
        generations.add(self._connection, generations.used(self._connection), rows)
        metadata = [(seq, one.metadata) for seq, one in zip(seqs, documents, strict=True) if one.metadata]
        attributes.add(self._connection, metadata)
        if packed is not None:
            token_vectors.add(self._connection, self.token_vectors.generation, seqs, packed)
            self._count(len(packed), sum(one.vectors for one in packed))
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
        old = self._delete(list(self._numbers(ids).values()))
        return len(old), self._unused(old)

    def delete_numbered(self, seqs: Numbers) -> tuple[int, Keys]:
        """Delete documents by their numbers, and return the same."""
        old = self._delete(seqs.tolist())
        return len(old), self._unused(old)

    def _numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of the documents of these ids that are there."""
        return dict(self._connection.execute(_NUMBERS, [json.dumps(ids)]).fetchall())

    def _label(self, statement: str, given: Sequence[tuple[str, ...]]) -> None:
        """Write labels, and what filters find by instead of what a trigger deletes."""
        rows = [row for values in given for row in self._connection.execute(statement, values).fetchall()]
        attributes.add(self._connection, rows)

    def _delete(self, seqs: Sequence[int]) -> list[int]:
        """Delete documents by their numbers, and return the key of each that was there."""
        which = [json.dumps(seqs)]
        rows = self._connection.execute(_VECTORS, which).fetchall()
        if self.token_vectors.wanted:
            gone, vectors = token_vectors.some(self._connection, self.token_vectors.generation, seqs)
            self._count(-gone, -vectors)
        self._connection.execute(_DELETE, which)
        self.documents -= len(rows)
        self.tokens -= sum(row[1] for row in rows)
        self.removed += seqs
        return [row[0] for row in rows]

    def _count(self, documents: int, vectors: int) -> None:
        """Count documents that got token vectors, or lost them."""
        there = self.token_vectors
        self.token_vectors = replace(there, documents=there.documents + documents, vectors=there.vectors + vectors)

    def _unused(self, keys: Sequence[int]) -> Keys:
        rows = self._connection.execute(_UNUSED, [json.dumps(sorted(set(keys)))]).fetchall()
        return np.array([row[0] for row in rows], dtype=np.uint64)
