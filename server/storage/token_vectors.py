"""The token vectors of a collection in SQLite: a blob a document (`maxsim.py`), for late interaction.

They are of one model and one pooling, which the file's facts name, and stand in one table under the documents'
numbers: written in the transaction that writes the document, and gone with it by a trigger. Where other ones are
wanted, a new *generation* begins: rows of another number count as missing, are replaced as new ones come, and what is
left of them is dropped little by little.

Statements and their parameters; the connection, its lock and its thread are the caller's.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .choices import TOKEN_POOLINGS, TokenPooling
from .document import Document, Origin
from .listing import WHOLE
from .matching import Numbers
from .maxsim import SCALE_BYTES, Packed
from .reading import Read

_TABLE = (
    """
    CREATE TABLE token_vectors (
      seq INTEGER PRIMARY KEY, generation INTEGER NOT NULL, vectors INTEGER NOT NULL, rows BLOB NOT NULL
    ) STRICT
    """,
    # What is read of many has a place of its own, without the rows between.
    "CREATE INDEX token_vectors_short ON token_vectors (generation, seq, vectors)",
    """
    CREATE TRIGGER token_vectors_deleted AFTER DELETE ON documents BEGIN
      DELETE FROM token_vectors WHERE seq = old.seq;
    END
    """,
)
# A document may have been deleted while its vectors were made.
_ADD = """
INSERT INTO token_vectors (seq, generation, vectors, rows)
SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM documents WHERE seq = ?1)
ON CONFLICT (seq) DO UPDATE SET generation = excluded.generation, vectors = excluded.vectors, rows = excluded.rows
"""
_TOTALS = "SELECT count(*), coalesce(sum(vectors), 0) FROM token_vectors WHERE generation = ?"
_SOME = f"{_TOTALS} AND seq IN (SELECT value FROM json_each(?))"  # noqa: S608 (ours alone)
_ROWS = """
SELECT seq, rows FROM token_vectors WHERE seq IN (SELECT value FROM json_each(?)) AND generation = ?
"""
_MISSING = f"""
SELECT seq, {WHOLE} FROM documents WHERE seq > ? AND NOT EXISTS (
  SELECT 1 FROM token_vectors AS made WHERE made.generation = ? AND made.seq = documents.seq
) ORDER BY seq LIMIT ?
"""  # noqa: S608 (ours alone)
_OLD = "SELECT seq FROM token_vectors WHERE generation < ? LIMIT ?"
_DROP = f"DELETE FROM token_vectors WHERE seq IN ({_OLD})"  # noqa: S608 (ours alone)


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """What a collection has of token vectors."""

    pooling: TokenPooling = "no-vectors"
    model: str = ""  # that makes them, for people
    fingerprint: str = ""  # of the model
    dimensions: int = 0
    generation: int = 0  # grows whenever other ones are wanted
    documents: int = 0  # that have them
    vectors: int = 0  # of all documents together
    of: int = 0  # documents that there are

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all vectors; the file has about a tenth more for them."""
        return self.vectors * (self.dimensions + SCALE_BYTES)

    @property
    def wanted(self) -> bool:
        """Return whether documents are to have them."""
        return self.pooling != "no-vectors"

    @property
    def ready(self) -> bool:
        """Return whether every document has them."""
        return self.wanted and self.documents == self.of

    def facts(self) -> dict[str, str]:
        """Return what a collection's file has of it."""
        return {
            "token_pooling": self.pooling,
            "token_model": self.model,
            "token_fingerprint": self.fingerprint,
            "token_dimensions": str(self.dimensions),
            "token_generation": str(self.generation),
        }


NONE = TokenVectors()


def create(connection: sqlite3.Connection) -> None:
    """Make the table, for a collection that has none."""
    for statement in _TABLE:
        connection.execute(statement)
    keep(connection, NONE)


def begun(pooling: TokenPooling | None, made_by: Origin | None, before: TokenVectors = NONE) -> TokenVectors:
    """Return a new generation that no document has yet; only where there is a model do documents get any."""
    generation = before.generation + 1
    if pooling is None or pooling == "no-vectors" or made_by is None:
        return TokenVectors(generation=generation, of=before.of)
    return TokenVectors(pooling, made_by.embedder, made_by.fingerprint, made_by.dimensions, generation, of=before.of)


def keep(connection: sqlite3.Connection, wanted: TokenVectors) -> None:
    """Have a file's facts say which vectors documents are to have."""
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", wanted.facts().items())


def named(facts: Mapping[str, str]) -> TokenVectors:
    """Return which vectors documents are to have, by a file's facts.

    Raises:
        KeyError, ValueError: it is damaged.
    """
    pooling = TOKEN_POOLINGS[TOKEN_POOLINGS.index(facts["token_pooling"])]
    dimensions, generation = int(facts["token_dimensions"]), int(facts["token_generation"])
    return TokenVectors(pooling, facts["token_model"], facts["token_fingerprint"], dimensions, generation)


def counted(read: Read, wanted: TokenVectors, of: int) -> TokenVectors:
    """Return the same with what so many documents have, by reading an index of them all."""
    ((documents, vectors),) = read(_TOTALS, wanted.generation)
    return replace(wanted, documents=documents, vectors=vectors, of=of)


def some(connection: sqlite3.Connection, generation: int, seqs: Sequence[int]) -> tuple[int, int]:
    """Return how many of these documents have vectors, and how many vectors."""
    ((documents, vectors),) = connection.execute(_SOME, [generation, json.dumps(seqs)]).fetchall()
    return documents, vectors


def add(connection: sqlite3.Connection, generation: int, seqs: Sequence[int], packed: Sequence[Packed]) -> None:
    """Add documents' vectors, of those that are there."""
    connection.executemany(_ADD, [(seq, generation, *one) for seq, one in zip(seqs, packed, strict=True)])


def missing(read: Read, generation: int, after: int, most: int) -> list[tuple[int, Document]]:
    """Return the first documents behind a number that have no vectors, each beside its number."""
    return [(row[0], Document(*row[1:])) for row in read(_MISSING, after, generation, most)]


def rows(read: Read, generation: int, seqs: Numbers) -> tuple[Numbers, list[bytes]]:
    """Return the numbers of those documents that have vectors, and the blob of each."""
    found = read(_ROWS, json.dumps(seqs.tolist()), generation)
    return np.array([seq for seq, _ in found], np.int64), [blob for _, blob in found]


def untidy(read: Read, generation: int) -> bool:
    """Return whether there are vectors of a generation before."""
    return bool(read(_OLD, generation, 1))


def shrink(connection: sqlite3.Connection, generation: int, most: int) -> bool:
    """Drop so many vectors of generations before, and return whether there may be more."""
    return connection.execute(_DROP, [generation, most]).rowcount == most
