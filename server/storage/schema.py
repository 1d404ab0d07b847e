"""The tables of a collection's SQLite file, and the steps from each format to the next.

A new file takes every step, an older one those that it lacks: there is one way to the tables of today. To change
them, add a step at the end. A file's format is the number of steps that it has taken.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shortlist.server.errors import StorageError

from . import attributes, generations, token_vectors, unit_vectors
from .choices import DEFAULTS

_DOCUMENTS = """
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
INSERT INTO facts VALUES ('format', '0');
"""


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables."""
    for statement in _DOCUMENTS.split(";"):
        connection.execute(statement)


def _add_keys(connection: sqlite3.Connection) -> None:
    """Give each document its vector's key in the index, which copies share."""
    connection.execute("ALTER TABLE documents ADD COLUMN key INTEGER NOT NULL DEFAULT 0")
    connection.create_function("key_of", 1, _key_of, deterministic=True)
    connection.execute("UPDATE documents SET key = key_of(vector)")
    connection.execute("CREATE INDEX documents_key ON documents (key)")


def _key_of(vector: bytes) -> int:
    return int(unit_vectors.of(np.frombuffer(vector, np.float32)[None]).keys[0])


def _add_sources(connection: sqlite3.Connection) -> None:
    """Keep where each document came from; those from before have no source."""
    connection.execute("ALTER TABLE documents ADD COLUMN source TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE INDEX documents_source ON documents (source)")


def _add_recall_target(connection: sqlite3.Connection) -> None:
    """Keep the recall that searches are held to."""
    connection.execute("INSERT OR IGNORE INTO facts VALUES ('recall_target', ?)", [repr(DEFAULTS.recall_target)])


def _add_quantization(connection: sqlite3.Connection) -> None:
    """Keep how small the numbers of the vector index are."""
    connection.execute("INSERT OR IGNORE INTO facts VALUES ('quantization', ?)", [DEFAULTS.quantization])


def _add_language(connection: sqlite3.Connection) -> None:
    """Keep the language by which texts are taken apart into words."""
    connection.execute("INSERT OR IGNORE INTO facts VALUES ('language', ?)", [DEFAULTS.language])


_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _create,
    _add_keys,
    _add_sources,
    attributes.create,
    generations.move,
    _add_recall_target,
    _add_language,
    _add_quantization,
    token_vectors.create,
)
FORMAT = len(_STEPS)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of today in an empty file, inside the caller's transaction."""
    _take(connection, 0)


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file's tables to those of today: all of it, or nothing.

    Raises:
        StorageError: a newer version made the file.
        sqlite3.Error: it is damaged, or cannot be written.
    """
    found = int(facts(connection, path)["format"])
    if found < FORMAT:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            _take(connection, found)


def facts(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """Return what a file says of itself.

    Raises:
        StorageError: a newer version made the file.
        sqlite3.Error, KeyError, ValueError: it is damaged.
    """
    found = dict(connection.execute("SELECT name, value FROM facts").fetchall())
    if not 0 < int(found["format"]) <= FORMAT:
        raise StorageError(
            f"{path} has format {found['format']}, this version reads 1 to {FORMAT};"
            " use the shortlist that made it, or index the documents again"
        )
    return found


def _take(connection: sqlite3.Connection, taken: int) -> None:
    for step in _STEPS[taken:]:
        step(connection)
    connection.execute("UPDATE facts SET value = ? WHERE name = 'format'", [str(FORMAT)])
