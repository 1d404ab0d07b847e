"""Token vectors as a collection keeps them, and MaxSim over them.

    blob    a row a vector: int8 [dimensions], then the row's scale, float16

A number times its row's scale is the vector's own, and the largest of a row is 127. One scale a vector costs two
bytes and halves the error beside one a model: of 2,067 passages and 100 questions (96 dimensions), scores correlate
0.999998 with those in float32 and not 0.999992, at worst 0.999986 and not 0.999944 for one question, and 0.27% of the
pairs among the best 100 change places and not 0.50%. Nor is there a scale to be chosen before all vectors are known.

A text may have no vector, where all of its tokens are skipped: its MaxSim is 0, as if nothing of it were alike.
Pure functions; know neither SQLite nor models.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed

Floats = NDArray[np.float32]

SCALE_BYTES = 2


class Packed(NamedTuple):
    """A document's token vectors as they are written."""

    vectors: int
    rows: bytes


_SCALE = np.dtype("<f2")
_MOST = 127
# Vectors that are scored at once: 0.8 MB in float32 for 96 dimensions, which a core's own cache holds. 400 texts in
# one piece take a third longer.
_AT_ONCE = 2048


def packed(vectors: Floats) -> bytes:
    """Return the blob of a text's vectors, float32 [vectors, dimensions].

    Raises:
        InferenceFailed: one is not finite, or too large.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    with np.errstate(over="ignore", invalid="ignore"):
        scales = (largest / _MOST).astype(_SCALE)
    if not np.isfinite(scales).all():
        raise InferenceFailed(
            "a token vector is not finite, so nothing can be near it; the model's graph overflows: export it again,"
            " in another variant"
        )
    steps = np.divide(vectors, scales, out=np.zeros_like(vectors), where=scales > 0)
    rows = np.clip(np.rint(steps), -_MOST, _MOST).astype(np.int8)
    return np.concatenate([rows, scales.view(np.int8)], axis=1).tobytes()


def packed_all(texts: Sequence[Floats]) -> list[Packed]:
    """Return the vectors of texts, float32 [vectors, dimensions] each, as a collection writes them.

    Raises:
        InferenceFailed: as `packed`.
    """
    return [Packed(len(vectors), packed(vectors)) for vectors in texts]


def unpacked(blob: bytes, dimensions: int) -> Floats:
    """Return the vectors of a blob, to its precision: float32 [vectors, dimensions]."""
    rows = _rows(blob, dimensions)
    vectors: Floats = rows[:, :dimensions].astype(np.float32) * _scales(rows, dimensions)
    return vectors


def fault(blob: bytes, vectors: int, dimensions: int) -> str:
    """Return what is wrong with a blob of so many vectors; empty where nothing is."""
    if len(blob) != vectors * (dimensions + SCALE_BYTES):
        return f"{len(blob)} bytes and not {vectors} times {dimensions + SCALE_BYTES}"
    rows = _rows(blob, dimensions)
    scales = _scales(rows, dimensions)
    if not (np.isfinite(scales).all() and (scales >= 0).all()):
        return "a scale that is not finite, or below 0"
    return "a number below -127" if (rows[:, :dimensions] < -_MOST).any() else ""


def scores(query: Floats, blobs: Sequence[bytes]) -> Floats:
    """Return the MaxSim of texts: the sum over the query's vectors of the largest product with one of the text's.

    Khattab and Zaharia 2020, arXiv:2004.12832.

    Args:
        query: float32 [vectors, dimensions].
        blobs: of one text each.

    Returns:
        float32 [texts].
    """
    dimensions = query.shape[1]
    lengths = np.array([len(blob) for blob in blobs], np.int64) // (dimensions + SCALE_BYTES)
    found = np.zeros(len(blobs), np.float32)
    places = np.flatnonzero(lengths)
    across = np.ascontiguousarray(query.T)
    for some in _batches(places, lengths):
        rows = _rows(b"".join([blobs[place] for place in some]), dimensions)
        products = rows[:, :dimensions].astype(np.float32) @ across  # [vectors of all, query's vectors]
        products *= _scales(rows, dimensions)
        starts = np.cumsum(lengths[some]) - lengths[some]
        found[some] = np.maximum.reduceat(products, starts, axis=0).sum(axis=1)
    return found


def _batches(places: NDArray[np.intp], lengths: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield places of texts that are scored at once: of some more vectors than `_AT_ONCE` at most."""
    if len(places):
        batches = (np.cumsum(lengths[places]) - 1) // _AT_ONCE
        yield from np.split(places, np.flatnonzero(np.diff(batches)) + 1)


def _rows(blob: bytes, dimensions: int) -> NDArray[np.int8]:
    return np.frombuffer(blob, np.int8).reshape(-1, dimensions + SCALE_BYTES)


def _scales(rows: NDArray[np.int8], dimensions: int) -> Floats:
    """Return the scales of rows: float32 [vectors, 1]."""
    return np.ascontiguousarray(rows[:, dimensions:]).view(_SCALE).astype(np.float32)
