"""Vectors drawn at random from an index, by which a walk of its graph is checked.

A walk does not know what it missed. But if it missed many vectors, some of them are in the sample, and all of that is
compared. A vector of the sample that is nearer than the last one found, and was not found, proves a miss. So a walk
that found all is never blamed, and the more one missed, the surer it is caught.

A key is a hash of its vector, so the vectors with the least keys are a random draw, in whatever order they
come. The owner (`vectors.py`) lets one thread in at a time.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime  # noqa: F401 (before usearch, as in `vectors.py`)
from numpy.typing import NDArray
from usearch.index import Index

from .unit_vectors import KEY_BITS, Keys

# Up to twice as many: comparing them takes a quarter of a millisecond.
_SIZE = 4000


class Sample:
    """The vectors of an index that have the least keys."""

    def __init__(self, dimensions: int) -> None:
        """Begin with all vectors of an index that is empty."""
        # All are compared, so the graph is the least that usearch makes.
        self._index = Index(ndim=dimensions, metric="cos", dtype="f16", connectivity=2, expansion_add=1)
        self._limit = 1 << KEY_BITS  # keys below it are in the sample

    def fill(self, keys: Keys, vectors: Callable[[Keys], NDArray[np.float16]]) -> None:
        """Draw from all keys of an index.

        Args:
            keys: uint64 [keys].
            vectors: returns those of some keys, float16 [keys, dimensions].
        """
        if len(keys) > _SIZE:
            self._limit = int(np.partition(keys, _SIZE)[_SIZE])
            keys = keys[keys < self._limit]
        if len(keys):
            self._index.add(keys, vectors(keys), threads=1)

    def add(self, keys: Keys, units: NDArray[np.float16]) -> None:
        """Take what belongs into the sample of new vectors, float16 [keys, dimensions]."""
        drawn = keys < self._limit
        if drawn.any():
            self._index.add(keys[drawn], units[drawn], threads=1)
        if len(self._index) > 2 * _SIZE:
            there = np.array(self._index.keys[: len(self._index)], dtype=np.uint64)
            self._limit = int(np.partition(there, _SIZE)[_SIZE])
            self._index.remove(there[there >= self._limit])

    def remove(self, keys: Keys) -> None:
        """Forget keys; those that are not there are no error."""
        if len(drawn := keys[keys < self._limit]):
            self._index.remove(drawn)

    def misses(self, unit: NDArray[np.float16], keys: Keys, distances: NDArray[np.float32]) -> bool:
        """Return whether a walk to the nearest of a vector has missed one, of those that are here.

        Args:
            unit: float16 [dimensions], what is looked for.
            keys: what the walk found, at least one.
            distances: how far that is, ascending.
        """
        near = self._index.search(unit, len(keys), exact=True, threads=1)
        nearer = near.keys[near.distances < distances[-1]]
        return not np.isin(nearer, keys).all()
