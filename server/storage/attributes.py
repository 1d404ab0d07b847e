"""What filters find documents by: the values in their metadata, as rows beside them.

Each value that is no object, list or null is a row: its field, which is its path and kind (`filters.py`), the value,
and the document's number. The elements of a list are rows of one field. A string that is a date or a time in RFC
3339's form is a second row, the time. Rows come in the transaction that writes their document's metadata, and go with
the document or its metadata, by triggers.

A field stays known when its last document is gone, so that a filter that has matched goes on to be taken.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .filters import MAX_COMPARED_BYTES, Kind

_TABLES = (
    """
    CREATE TABLE fields (
      number INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, UNIQUE (path, kind)
    ) STRICT
    """,
    """
    CREATE TABLE attributes (
      field INTEGER NOT NULL, value ANY NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (field, value, seq)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX attributes_seq ON attributes (seq)",
    """
    CREATE TRIGGER documents_deleted AFTER DELETE ON documents BEGIN
      DELETE FROM attributes WHERE seq = old.seq;
    END
    """,
    """
    CREATE TRIGGER documents_described AFTER UPDATE OF metadata ON documents BEGIN
      DELETE FROM attributes WHERE seq = old.seq;
    END
    """,
    # A document's key lies behind its text and vector: to read many, they need a place of their own.
    "CREATE INDEX documents_seq_key ON documents (seq, key)",
)
_ADD_FIELD = "INSERT OR IGNORE INTO fields (path, kind) VALUES (?, ?)"
_FIELD = "SELECT number FROM fields WHERE path = ? AND kind = ?"
_ADD = "INSERT INTO attributes (field, value, seq) VALUES (?, ?, ?)"
_LARGEST_WHOLE = 2**53  # up to which a double holds each whole number

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = re.compile(rf"{_DATE}([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?")
_SHORTEST_TIME, _LONGEST_TIME = len("2024-05-01"), 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US, _DAY_S = 1_000_000, 86_400


class Attribute(NamedTuple):
    """A value of a document's metadata."""

    path: str
    kind: Kind
    value: str | int | float


def create(connection: sqlite3.Connection) -> None:
    """Make the tables beside the documents that are there, and fill them from their metadata."""
    for statement in _TABLES:
        connection.execute(statement)
    rows = connection.execute("SELECT seq, metadata FROM documents WHERE metadata != ''")
    add(connection, rows)


def add(connection: sqlite3.Connection, documents: Iterable[tuple[int, str]]) -> None:
    """Add the rows of documents, each a number and its metadata."""
    numbers: dict[tuple[str, str], int] = {}

    def number(path: str, kind: str) -> int:
        """Return the number of a field, which is made where it is new."""
        if (path, kind) not in numbers:
            connection.execute(_ADD_FIELD, (path, kind))
            ((numbers[path, kind],),) = connection.execute(_FIELD, (path, kind)).fetchall()
        return numbers[path, kind]

    for seq, metadata in documents:
        rows = {(number(one.path, one.kind), one.value) for one in of(metadata)}
        connection.executemany(_ADD, [(field, value, seq) for field, value in rows])


def of(metadata: str) -> Iterator[Attribute]:
    """Yield the values of metadata, a JSON object or nothing."""
    if metadata:
        yield from _within("", json.loads(metadata))


def microseconds(text: str) -> int | None:
    """Return the time that a string is, in microseconds since 1970; None where it is none.

    Times are in RFC 3339's form, also without seconds or an offset, which is UTC then; a date is its midnight.
    """
    if not _SHORTEST_TIME <= len(text) <= _LONGEST_TIME or not _TIME.fullmatch(text):
        return None
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:  # such as a 13th month
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * _DAY_S + since.seconds) * _SECOND_US + since.microseconds


def _within(path: str, value: Any) -> Iterator[Attribute]:
    """Yield what a value of a path holds."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _within(f"{path}.{key}" if path else key, inner)
        case list():
            for inner in value:
                yield from _within(path, inner)
        case bool():
            yield Attribute(path, "truth", int(value))
        case str():
            yield from _text(path, value)
        case int() | float():
            yield Attribute(path, "number", _number(value))


def _text(path: str, value: str) -> Iterator[Attribute]:
    if len(value.encode()) > MAX_COMPARED_BYTES:
        yield Attribute(path, "long", 0)
        return
    yield Attribute(path, "text", value)
    if (time := microseconds(value)) is not None:
        yield Attribute(path, "time", time)


def _number(value: float) -> float:
    """Return a number that came as a double as the whole one that it is, which takes less room."""
    return int(value) if float(value).is_integer() and abs(value) < _LARGEST_WHOLE else value
