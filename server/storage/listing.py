"""What a collection holds, page by page: its documents, and the sources that they came from.

Statements and their parameters; the connection and its lock are the caller's.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Read = Callable[..., list[Any]]  # a statement and its parameters to rows

_FIELDS = ("id", "text", "title", "metadata", "source")  # in the order of a Document's
WHOLE = ", ".join(_FIELDS)
_BARE = "id, '', '', '', source"
BYTES = " + ".join(f"length(CAST({name} AS BLOB))" for name in _FIELDS)
# What lies below a/b begins with "a/b/" and so is less than "a/b0": 0 is the character after /.
_SOURCES = """
SELECT source, count(*) FROM documents
WHERE source > ?1 AND source >= ?2 AND (?2 = '' OR source < ?2 || '0')
  AND (?2 = '' OR source = ?2 OR source > ?2 || '/')
GROUP BY source ORDER BY source LIMIT ?3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which documents are asked for, in the order in which they were written."""

    size: int
    most_bytes: int  # of all together; there is one at least
    after: int = 0  # a document's number: those that were written later
    source: str = ""  # only those from there; empty: all
    ids_only: bool = False  # without text, title and metadata


def page(read: Read, wanted: Page) -> tuple[list[Any], bool]:
    """Return the rows of a page, each a number and a document's fields, and whether more may follow."""
    where = "seq > ? ORDER BY seq LIMIT ?"
    values: tuple[str | int, ...] = (wanted.after,)
    if wanted.source:
        where, values = f"source = ? AND {where}", (wanted.source, wanted.after)
    if wanted.ids_only:
        rows = read(f"SELECT seq, {_BARE} FROM documents WHERE {where}", *values, wanted.size)  # noqa: S608 (ours alone)
        return rows, len(rows) == wanted.size
    sizes = [found for (found,) in read(f"SELECT {BYTES} FROM documents WHERE {where}", *values, wanted.size)]  # noqa: S608
    fit = max(1, sum(total <= wanted.most_bytes for total in itertools.accumulate(sizes)))
    rows = read(f"SELECT seq, {WHOLE} FROM documents WHERE {where}", *values, fit)  # noqa: S608 (the same)
    return rows, fit < len(sizes) or len(sizes) == wanted.size


def sources(read: Read, below: str, after: str, size: int) -> list[tuple[str, int]]:
    """Return the sources that documents came from, by name, each with how many came from it.

    Args:
        read: what runs statements.
        below: this one, and those below it as files are below a folder; empty: all.
        after: those whose name comes later.
        size: how many at most.
    """
    return read(_SOURCES, after, below, size)
