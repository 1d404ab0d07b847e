"""The SQLite file of a collection as a file: made, connected to, copied while it is written, asked what it is."""

import contextlib
import sqlite3
from pathlib import Path

from shortlist.server.errors import StorageFailed

from . import generations, schema, token_vectors
from .choices import DEFAULTS, Choices
from .document import Origin
from .token_vectors import NONE, TokenVectors

_DROPPED = 10_000  # vectors at once, of those that a copy leaves out


def connected(path: Path) -> sqlite3.Connection:
    """Return a connection to a file, which SQLite makes if it is not there.

    Transactions are begun by hand, and threads are kept apart by its owner's lock.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def create(
    path: Path, origin: Origin, created_at: float, choices: Choices = DEFAULTS, wanted: TokenVectors = NONE
) -> None:
    """Make an empty file for a collection.

    Args:
        path: where to.
        origin: the embedder that makes its vectors.
        created_at: in seconds since the epoch.
        choices: what is chosen of it.
        wanted: the token vectors that its documents are to have.
    """
    connection = connected(path)
    with connection:
        connection.execute("BEGIN")
        schema.create(connection)
        connection.executemany(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)",
            [
                ("embedder", origin.embedder),
                ("fingerprint", origin.fingerprint),
                ("dimensions", str(origin.dimensions)),
                ("created_at", repr(created_at)),
                *choices.facts().items(),
            ],
        )
        token_vectors.keep(connection, wanted)
    connection.close()


def copy(path: Path, target: Path) -> int:
    """Copy a file as it is at one moment, while it is read and written, and return how many documents it has.

    Raises:
        StorageFailed: the copy cannot be written, or the file is damaged.
    """
    try:
        # A reader of its own: searches go on, and in WAL mode writers do too.
        with (
            contextlib.closing(connected(path)) as source,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as made,
        ):
            source.backup(made)
            generations.abandon(made)  # what is not used yet is made again where it is wanted
            while generations.shrink(made, _DROPPED):
                pass
            ((generation,),) = made.execute("SELECT value FROM facts WHERE name = 'token_generation'").fetchall()
            while token_vectors.shrink(made, int(generation), _DROPPED):
                pass
            made.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            ((fault,),) = made.execute("PRAGMA quick_check(1)").fetchall()
            ((count,),) = made.execute("SELECT count(*) FROM documents").fetchall()
    except sqlite3.Error as error:
        raise StorageFailed(f"the copy cannot be written: {error}; nothing was kept of it") from error
    if fault != "ok":
        raise StorageFailed(f"{path} is damaged: {fault}; nothing was kept of its copy; restore a backup")
    return int(count)


def facts(path: Path) -> dict[str, str]:
    """Return what a file says of itself, by name; nothing if that cannot be read: opening it will tell why."""
    if not path.is_file():  # SQLite would make it
        return {}
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return dict(connection.execute("SELECT name, value FROM facts").fetchall())
    except sqlite3.Error:
        return {}
