"""A collection's documents by their numbers, and by their vectors' keys in the index.

Statements and their parameters; the connection and its lock are the caller's.
"""

import json
from typing import NamedTuple

import numpy as np

from .document import Document
from .listing import WHOLE
from .matching import Numbers
from .reading import Read
from .unit_vectors import Keys

# The copies of one text are up to all rows, so the first are chosen in the index of keys, before any row is read.
_NEAREST = f"""
SELECT key, seq, {WHOLE} FROM documents JOIN vectors USING (seq) WHERE seq IN (
  SELECT copy.seq FROM json_each(?) AS wanted CROSS JOIN vectors AS copy ON copy.key = wanted.value
  ORDER BY wanted.key, copy.seq LIMIT ?
)
"""  # noqa: S608 (ours alone)
_NUMBERED = f"""
SELECT key, seq, {WHOLE} FROM documents JOIN vectors USING (seq) WHERE seq IN (SELECT value FROM json_each(?))
"""  # noqa: S608 (ours alone)
_KEYS_OF = "SELECT seq, key FROM vectors WHERE seq IN (SELECT value FROM json_each(?))"
_COPIES = """
SELECT copy.seq, wanted.key FROM json_each(?) AS wanted CROSS JOIN vectors AS copy ON copy.key = wanted.value
ORDER BY wanted.key, copy.seq
"""


class Row(NamedTuple):
    """A version of a document as the table has it."""

    key: int
    seq: int
    document: Document


def nearest(read: Read, keys: Keys, count: int) -> list[Row]:
    """Return the first `count` documents of these keys: key by key, the copies of one as they were written."""
    rank = {key: rank for rank, key in enumerate(keys.tolist())}
    rows = [Row(key, seq, Document(*fields)) for key, seq, *fields in read(_NEAREST, json.dumps(list(rank)), count)]
    return sorted(rows, key=lambda row: (rank[row.key], row.seq))


def numbered(read: Read, seqs: Numbers) -> list[Row]:
    """Return the documents of these numbers that are there, in no order."""
    return [Row(key, seq, Document(*fields)) for key, seq, *fields in read(_NUMBERED, json.dumps(seqs.tolist()))]


def keys_of(read: Read, seqs: Numbers) -> tuple[Numbers, Keys]:
    """Return the numbers of these that are there, ascending, and the key of each."""
    rows = np.array(read(_KEYS_OF, json.dumps(seqs.tolist())), np.int64).reshape(-1, 2)
    rows = rows[np.argsort(rows[:, 0])]
    return rows[:, 0], rows[:, 1].astype(np.uint64)


def copies(read: Read, keys: Keys) -> tuple[Numbers, Numbers]:
    """Return the numbers of all documents of these keys, key by key, beside the place of each one's key."""
    rows = np.array(read(_COPIES, json.dumps(keys.tolist())), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]
