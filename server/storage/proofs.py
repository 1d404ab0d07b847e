"""Whether a document's row is sound, and whether an index finds what it holds."""

import json
import sqlite3
from collections.abc import Iterator

import numpy as np

from shortlist.server.errors import InferenceFailed

from . import maxsim, unit_vectors
from .token_vectors import TokenVectors
from .unit_vectors import Directions
from .vectors import Vectors

_ROWS_OF_TOKENS = """
SELECT seq, id, vectors, rows FROM token_vectors LEFT JOIN documents USING (seq) WHERE generation = ? ORDER BY seq
"""
_SAME = 1e-3  # of a cosine: a direction in float16, from this machine or another


def fault(vector: bytes | None, metadata: str, dimensions: int) -> str:
    """Return what is wrong with a document's row; empty where nothing is."""
    if vector is None:
        return "it has no vector"
    if len(vector) != 4 * dimensions:
        return f"its vector has {len(vector)} bytes and not {4 * dimensions}"
    try:
        unit_vectors.of(np.frombuffer(vector, np.float32)[None])
    except InferenceFailed:
        return "its vector is not finite"
    try:
        whole = not metadata or isinstance(json.loads(metadata), dict)
    except ValueError:
        whole = False
    return "" if whole else "its metadata is no JSON object"


def unlike(index: Vectors, directions: Directions) -> Iterator[int]:
    """Yield the places of those directions in the index that a search for them does not find."""
    there = np.flatnonzero(~np.isin(directions.keys, index.missing(directions.keys)))
    keys, units = directions.keys[there], directions.units[there].astype(np.float32)
    cosines = (units * index.read(keys).units.astype(np.float32)).sum(axis=1)
    lost = np.isin(keys, index.lost(keys))
    has_direction = units.any(axis=1)
    for place, cosine, unreached in zip(
        there[has_direction], cosines[has_direction], lost[has_direction], strict=True
    ):
        one = Directions(directions.keys[[place]], directions.units[[place]])
        if cosine < 1 - _SAME or (unreached and index.search(one, 1, np.empty(0, np.uint64))[1][0] < 1 - _SAME):
            yield int(place)


def token_faults(connection: sqlite3.Connection, wanted: TokenVectors) -> Iterator[str]:
    """Yield what is wrong with documents' token vectors, and which documents it is."""
    for seq, identifier, vectors, blob in connection.execute(_ROWS_OF_TOKENS, [wanted.generation]):
        if identifier is None:
            yield f"token vectors of document number {seq}, which is not there; restore a snapshot or a backup of it"
        elif found := maxsim.fault(blob, vectors, wanted.dimensions):
            yield f"document {identifier!r}: its token vectors have {found}; delete it, and send it again"
