"""The vectors of a collection in SQLite, a table for each embedder that made them: a *generation*.

`vectors_N` holds of each version of a document its vector, the vector's key in the index, and its length in tokens.
The view `vectors` is the generation that searches use, so that another one takes its place by one statement, in one
transaction, however many vectors there are. A document that is deleted or replaced goes from every generation, by
triggers; a new one comes into the one that is used, and into one that is being made when it is made there.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .document import Origin
from .reading import Read

Row = tuple[int, int, int, bytes]  # a document's number, its vector's key, its length in tokens, and the vector

_TABLE = (
    """
    CREATE TABLE vectors_{number} (
      seq INTEGER PRIMARY KEY, key INTEGER NOT NULL, tokens INTEGER NOT NULL, vector BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX vectors_{number}_key ON vectors_{number} (key)",
    # What is read of many has a place of its own, without the vectors between.
    "CREATE INDEX vectors_{number}_short ON vectors_{number} (seq, key, tokens)",
    """
    CREATE TRIGGER vectors_{number}_deleted AFTER DELETE ON documents BEGIN
      DELETE FROM vectors_{number} WHERE seq = old.seq;
    END
    """,
)
_FIRST = 1
_NAME = re.compile("vectors_([0-9]+)")
_FACTS = ("generation", "embedder", "fingerprint", "dimensions", "bundle")
_NEXT = "next_"  # before the facts of a generation that is being made


def move(connection: sqlite3.Connection) -> None:
    """Give the vectors that stand beside the documents a table of their own."""
    create(connection, _FIRST)
    connection.execute("INSERT INTO vectors_1 SELECT seq, key, tokens, vector FROM documents")
    for index in ("documents_key", "documents_seq_key"):
        connection.execute(f"DROP INDEX {index}")
    for column in ("key", "vector", "tokens"):
        connection.execute(f"ALTER TABLE documents DROP COLUMN {column}")
    use(connection, _FIRST)
    connection.execute("INSERT INTO facts VALUES ('bundle', '')")


def create(connection: sqlite3.Connection, number: int) -> None:
    """Make an empty generation."""
    for statement in _TABLE:
        connection.execute(statement.format(number=number))


def use(connection: sqlite3.Connection, number: int) -> None:
    """Have searches use a generation from this transaction on."""
    connection.execute("DROP VIEW IF EXISTS vectors")
    connection.execute(f"CREATE VIEW vectors AS SELECT seq, key, tokens, vector FROM vectors_{number:d}")  # noqa: S608 (a number)
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('generation', ?)", [str(number)])


def used(connection: sqlite3.Connection) -> int:
    """Return which generation searches use."""
    ((number,),) = connection.execute("SELECT value FROM facts WHERE name = 'generation'").fetchall()
    return int(number)


def add(connection: sqlite3.Connection, number: int, rows: Iterable[Row]) -> None:
    """Add vectors to a generation, of those documents that are there and have none in it."""
    # A document may have been deleted while its vector was made.
    statement = f"""
    INSERT OR IGNORE INTO vectors_{number:d} (seq, key, tokens, vector)
    SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM documents WHERE seq = ?1)
    """  # noqa: S608 (a number)
    connection.executemany(statement, rows)


@dataclass(frozen=True, slots=True)
class Next:
    """A generation that is being made."""

    number: int
    origin: Origin  # what makes it
    bundle: str  # the path of the bundle that it is made with


def begin(connection: sqlite3.Connection, made_by: Origin, bundle: str) -> Next:
    """Begin to make a generation, or go on with the one that is being made where it is of this embedder."""
    found = coming(dict(connection.execute("SELECT name, value FROM facts").fetchall()))
    if found is None or found.origin.fingerprint != made_by.fingerprint:
        number = max(_numbers(_reading(connection))) + 1
        create(connection, number)
    else:
        number = found.number
    _keep(connection, _NEXT, Next(number, made_by, bundle))
    return Next(number, made_by, bundle)


def coming(facts: Mapping[str, str]) -> Next | None:
    """Return the generation that is being made, by a file's facts."""
    if f"{_NEXT}generation" not in facts:
        return None
    return Next(int(facts[f"{_NEXT}generation"]), origin(facts, _NEXT), facts[f"{_NEXT}bundle"])


def origin(facts: Mapping[str, str], prefix: str = "") -> Origin:
    """Return the embedder of the generation that is used, or of the one that is being made."""
    return Origin(facts[f"{prefix}embedder"], facts[f"{prefix}fingerprint"], int(facts[f"{prefix}dimensions"]))


def switch(connection: sqlite3.Connection, made: Next) -> None:
    """Have searches use the generation that was made."""
    abandon(connection)
    _keep(connection, "", made)
    use(connection, made.number)


def abandon(connection: sqlite3.Connection) -> None:
    """Make no generation any more; what was made of one is not used, and `shrink` drops it."""
    connection.executemany("DELETE FROM facts WHERE name = ?", [(f"{_NEXT}{name}",) for name in _FACTS])


def unused(read: Read) -> list[int]:
    """Return the generations that are neither used nor being made."""
    facts = dict(read("SELECT name, value FROM facts"))
    made = coming(facts)
    return sorted(_numbers(read) - {int(facts["generation"]), made.number if made else 0})


def shrink(connection: sqlite3.Connection, most: int) -> bool:
    """Drop so many vectors that are not used any more, and return whether there are more.

    To drop a whole table of 200,000 takes ten seconds, in which nothing can be written.
    """
    numbers = unused(_reading(connection))
    if numbers:
        table = f"vectors_{numbers[0]:d}"
        for index in ("key", "short"):
            connection.execute(f"DROP INDEX IF EXISTS {table}_{index}")
        rows = f"SELECT seq FROM {table} ORDER BY seq LIMIT ?"  # noqa: S608 (ours alone)
        gone = connection.execute(f"DELETE FROM {table} WHERE seq IN ({rows})", [most]).rowcount  # noqa: S608 (ours alone)
        if gone < most:
            connection.execute(f"DROP TRIGGER {table}_deleted")
            connection.execute(f"DROP TABLE {table}")
    return bool(numbers)


def _numbers(read: Read) -> set[int]:
    """Return all generations that there are."""
    names = read("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {int(found[1]) for (name,) in names if (found := _NAME.fullmatch(name))}


def _reading(connection: sqlite3.Connection) -> Read:
    return lambda statement, *values: connection.execute(statement, values).fetchall()


def _keep(connection: sqlite3.Connection, prefix: str, made: Next) -> None:
    """Keep what a generation is."""
    by = made.origin
    values = (str(made.number), by.embedder, by.fingerprint, str(by.dimensions), made.bundle)
    rows = [(f"{prefix}{name}", value) for name, value in zip(_FACTS, values, strict=True)]
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)
