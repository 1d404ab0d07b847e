"""usearch's graph of some vectors, and what it finds: by a walk, or by comparing all.

Up to 50,000 vectors a search compares all of them, for no more time than a walk of the graph takes. Above that it
walks. Where a walk does not find the very vector that it looks for, and it is there, all vectors are compared after
all.

usearch lets one call in at a time, so its owner (`vectors.py`) lets one thread in at a time.
"""

import math

import numpy as np
import onnxruntime  # noqa: F401 (before usearch, as in `index_file.py`)
from numpy.typing import NDArray
from usearch.index import Index

from shortlist.server import cores

from .recall import DEPTH
from .unit_vectors import Directions, Keys

# Comparing 50,000 vectors of 384 numbers takes 2.7 ms at best.
_EXACT_COUNT = 50_000
# By a narrow beam nearly all vectors find themselves, and the rest are looked for by a wide one. Distances up to the
# last are rounding.
_NARROW_BEAM = 64
_WIDE_BEAM = 800
_SAME = 1e-5
# usearch fills the place of a removed vector again, but never frees it.
_EMPTY_SHARE = 1 / 3
_FEW_PLACES = 1000


class Graph:
    """Vectors by their keys, all different, and the ways from each to those near it."""

    def __init__(self, index: Index, dimensions: int) -> None:
        """Take usearch's index, with whatever is in it."""
        self._index = index
        self._dimensions = dimensions
        self._places = index.stats.nodes

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._index)

    @property
    def sparse(self) -> bool:
        """Return whether so many places are empty that it would pay to make it anew."""
        return self._places > _FEW_PLACES and self._places - len(self) > _EMPTY_SHARE * self._places

    @property
    def large(self) -> bool:
        """Return whether a walk costs less than comparing all vectors."""
        return len(self) > _EXACT_COUNT

    @property
    def index(self) -> Index:
        """Return usearch's index, to save it."""
        return self._index

    def keys(self) -> Keys:
        """Return all keys, in no order."""
        # A slice is a plain array; the whole is usearch's own class, which numpy 2 warns of.
        return np.array(self._index.keys[: len(self._index)], dtype=np.uint64)

    def get(self, keys: Keys) -> NDArray[np.float16] | NDArray[np.int8]:
        """Return what is held under keys that are there: [keys, dimensions]."""
        return np.array(self._index.get(keys)).reshape(len(keys), self._dimensions)

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """Return for each key whether it is there."""
        return np.array(self._index.contains(keys) if len(keys) else [], np.bool_)

    def add(self, directions: Directions) -> None:
        """Add directions that are not there yet.

        With one thread: usearch's graph loses vectors that several threads add at once (its issue 735).
        """
        self._index.add(*directions, threads=1)
        self._places = max(self._places, len(self))  # empty ones are filled first

    def remove(self, keys: Keys) -> None:
        """Remove keys; those that are not there are no error."""
        self._index.remove(keys)

    def lost(self, keys: Keys) -> Keys:
        """Return those keys whose vectors walks do not find: by a narrow beam first, which finds nearly all."""
        for beam in (_NARROW_BEAM, _WIDE_BEAM):
            if len(keys):
                self._widen(beam)
                found = self._index.search(self.get(keys), 1, threads=cores.usable())  # reading, each core may help
                keys = keys[np.array(found.distances).ravel() > _SAME]
        return keys

    def nearest(self, direction: Directions, count: int, beam: int | None) -> tuple[Keys, NDArray[np.float32]]:
        """Return the keys and distances of the nearest vectors, nearest first.

        Args:
            direction: a single one.
            count: how many; no more than there are.
            beam: candidates that a walk for DEPTH hits keeps on its way; None: the graph may not be walked.
        """
        unit, wide = direction.units[0], math.ceil((beam or 0) * max(1, count / DEPTH))
        if beam is not None and self.large and len(self) > wide:
            self._widen(wide)
            keys, distances = self._found(unit, count, exact=False)
            itself = direction.keys[0]
            if len(keys) == count and (itself in keys or not self._index.contains(itself)):
                return keys, distances
        return self._found(unit, count, exact=True)

    def _widen(self, beam: int) -> None:
        self._index.expansion_search = beam  # type: ignore[misc]  # usearch's stub lacks the setter

    def _found(self, unit: NDArray[np.float16], count: int, *, exact: bool) -> tuple[Keys, NDArray[np.float32]]:
        found = self._index.search(unit, count, exact=exact, threads=1)
        return np.array(found.keys, dtype=np.uint64), np.array(found.distances, dtype=np.float32)
