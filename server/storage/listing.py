"""What a collection holds, page by page: its documents, and the sources that they came from.

Statements and their parameters; the connection and its lock are the caller's.
"""

import itertools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .matching import Numbers
from .reading import Read

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
    among: Numbers | None = None  # only documents of these numbers, ascending


def page(read: Read, wanted: Page) -> tuple[list[Any], bool]:
    """Return the rows of a page, each a number and a document's fields, and whether more may follow."""
    if wanted.among is not None:
        return _page_among(read, wanted, wanted.among)
    where = "seq > ? ORDER BY seq LIMIT ?"
    if wanted.source:
        return _page(read, wanted, f"source = ? AND {where}", (wanted.source, wanted.after, wanted.size))
    return _page(read, wanted, where, (wanted.after, wanted.size))


def _page_among(read: Read, wanted: Page, among: Numbers) -> tuple[list[Any], bool]:
    """Return a page of the documents of these numbers, and whether more may follow."""
    rows: list[Any] = []
    more = True
    after = int(np.searchsorted(among, wanted.after, "right"))
    while more and not rows:  # else all of a page were deleted meanwhile
        seqs, after = among[after : after + wanted.size], after + wanted.size
        where = "seq IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?"
        rows, cut = _page(read, wanted, where, (json.dumps(seqs.tolist()), wanted.size))
        more = cut or after < len(among)
    return rows, more


def _page(read: Read, wanted: Page, where: str, values: tuple[str | int, ...]) -> tuple[list[Any], bool]:
    """Return the rows of a condition whose last value is how many at most, and whether there were so many."""
    if wanted.ids_only:
        rows = read(f"SELECT seq, {_BARE} FROM documents WHERE {where}", *values)  # noqa: S608 (ours alone)
        return rows, len(rows) == wanted.size
    sizes = [found for (found,) in read(f"SELECT {BYTES} FROM documents WHERE {where}", *values)]  # noqa: S608 (the same)
    fit = max(1, sum(total <= wanted.most_bytes for total in itertools.accumulate(sizes)))
    rows = read(f"SELECT seq, {WHOLE} FROM documents WHERE {where}", *values[:-1], fit)  # noqa: S608 (the same)
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
