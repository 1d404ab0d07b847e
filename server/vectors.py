"""The vector index of one collection: usearch, derived from the documents and saved atomically.

Keys are the documents' numbers (`documents.py`): a version's key is never used again, so usearch meets no key a
second time (its issue 753 had ghosts there). `float16` keeps recall@10 at 0.9997 of float32's in half the memory.

Any thread may search while one changes: usearch locks inside. `save` must not race a change; the collection's
lock sees to that.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 (before usearch: usearch 2.26 first makes importing onnxruntime 1.32 a crash)
from numpy.typing import NDArray
from usearch.index import Index

from shortlist.server import durable
from shortlist.server.documents import Seqs

_DTYPE = "f16"
_CONNECTIVITY = 16
# Up to here every vector is compared: it takes well under a millisecond and misses nothing.
_EXACT_COUNT = 1000
# Candidates that a search keeps on its way: twice the default shortlist. usearch raises it to the count asked for.
_EXPANSION = 100
_DIGEST = ".sha256"


class Vectors:
    """Find the nearest vectors by cosine."""

    def __init__(self, path: Path, dimensions: int) -> None:
        """Load the index at `path`, or begin an empty one where there is none that can be used."""
        self._path = path
        self._index = _loaded(path, dimensions) or Index(
            ndim=dimensions,
            metric="cos",
            dtype=_DTYPE,
            connectivity=_CONNECTIVITY,
            expansion_search=_EXPANSION,
        )

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._index)

    def keys(self) -> Seqs:
        """Return all keys, in no order."""
        # A slice is a plain array; the whole is usearch's own class, which numpy 2 warns of.
        return np.array(self._index.keys[: len(self._index)], dtype=np.uint64)

    def add(self, keys: Seqs, vectors: NDArray[np.float32], threads: int = 1) -> None:
        """Add vectors, float32 [keys, dimensions], under new keys."""
        if len(keys):
            self._index.add(keys, vectors, threads=threads)

    def remove(self, keys: Seqs) -> None:
        """Remove keys; those that are not there are no error."""
        if len(keys):
            self._index.remove(keys)

    def search(self, vector: NDArray[np.float32], count: int) -> tuple[Seqs, NDArray[np.float32]]:
        """Return the keys and cosines of the `count` nearest vectors, or fewer, nearest first.

        Args:
            vector: float32 [dimensions].
            count: how many.
        """
        size = len(self._index)
        if not size or count <= 0:
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)
        exact = size <= max(_EXACT_COUNT, count)
        found = self._index.search(vector, min(count, size), exact=exact, threads=1)
        return np.array(found.keys, dtype=np.uint64), 1.0 - np.array(found.distances, dtype=np.float32)

    def save(self) -> None:
        """Replace the file by the index as it is: wholly, or not at all.

        Raises:
            OSError, RuntimeError: it cannot be written; the old file stays.
        """
        beside = self._path.with_suffix(".new")
        self._index.save(str(beside))  # usearch itself would write onto the old file
        digest = self._path.with_suffix(_DIGEST)
        digest_beside = digest.with_suffix(".new-digest")
        digest_beside.write_text(_sha256(beside))
        # Between the two, the digest is another file's: a crash there costs a rebuild.
        durable.put(beside, self._path)
        durable.put(digest_beside, digest)


def _loaded(path: Path, dimensions: int) -> Index | None:
    """Return the saved index, or None where the file is missing, damaged or of another shape: it can be rebuilt."""
    try:
        # usearch follows whatever offsets a damaged file holds, out of its memory.
        if path.with_suffix(_DIGEST).read_text() != _sha256(path):
            return None
        index = Index.restore(str(path), view=False, expansion_search=_EXPANSION)
    except (OSError, RuntimeError, ValueError):
        return None
    usable = index is not None and index.ndim == dimensions and index.dtype.name.lower() == _DTYPE
    return index if usable else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
