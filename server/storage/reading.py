"""The connection by which a collection's documents are read, one caller at a time."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shortlist.server.errors import StorageFailed, UnknownCollection

Read = Callable[..., list[Any]]  # a statement and its parameters to rows


class Reading:
    """A connection that reads, behind a lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take the connection, which this closes."""
        self._connection = connection
        self._lock = threading.Lock()
        self._closed = False

    def read(self, statement: str, *values: str | float) -> list[Any]:
        """Return the rows of a statement.

        Raises:
            UnknownCollection, StorageFailed: as of `one_state`.
        """
        with self.one_state() as read:
            return read(statement, *values)

    @contextmanager
    def one_state(self) -> Iterator[Read]:
        """Yield what runs statements that all see one state of the tables.

        Raises:
            UnknownCollection: the file was closed, since the collection was dropped meanwhile.
            StorageFailed: the disk fails.
        """

        def read(statement: str, *values: str | float) -> list[Any]:
            return self._connection.execute(statement, values).fetchall()

        with self._lock:
            self.check_open()
            try:
                self._connection.execute("BEGIN")
                try:
                    yield read
                finally:
                    self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StorageFailed(f"the data folder cannot be read: {error}; see to the disk") from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def check_open(self) -> None:
        """Refuse to go on with a connection that was closed.

        Raises:
            UnknownCollection: it was, since the collection was dropped.
        """
        if self._closed:
            raise UnknownCollection("collection: it was dropped while this request ran")
