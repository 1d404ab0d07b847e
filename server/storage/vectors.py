"""The vector index of one collection: a graph, derived from the documents and saved atomically.

It holds each direction once, under its key (`unit_vectors.py`). `float16` keeps recall@10 at 0.9997 of float32's in
half the memory. Quantized to int8 it takes 0.6 of that; then twice as many as are wanted are looked for, and compared
again by the documents' own vectors: among 18,891 passages recall@50 is 0.9987 both ways, and 0.965 without that.

It is walked as widely as samples of searches have shown to be enough (`measuring.py`, which sets `beam`).

Any thread may search while one changes the index. usearch lets one call in at a time, so vectors are added a few at
a time, and a search that waits goes before the next few.

A successor may be built beside it and then take its place (`rebuild.py`).
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import StorageFailed

from . import exact, unit_vectors
from .choices import Quantization
from .graph import Graph
from .index_file import NOT_WHOLE, IndexFile, Loaded
from .made import Truth
from .recall import FIRST_BEAM
from .unit_vectors import Directions, Keys

# Of the check after a rebuild: vectors a turn, and rounds.
_CHECKED = 1000
_MENDINGS = 3
# Of a quantized index so many times as many are compared again. Three or four times find no more.
_RESCORED = 2
# Vectors that are added while searches wait: 4 take about a millisecond.
_SLICE = 4
# An index that holds a smaller share of what it should is emptied.
_LEAST_SHARE = 1 / 3


class Vectors:
    """The vectors of a collection, searched by cosine."""

    def __init__(
        self, path: Path, dimensions: int, quantization: Quantization, truth: Truth, *, anew: bool = False
    ) -> None:
        """Load the index at `path`, or begin an empty one where there is none that can be used.

        Args:
            path: of its file.
            dimensions: elements of a vector.
            quantization: of what it holds.
            truth: the vectors that it is derived from.
            anew: begin an empty one in any case.
        """
        self._file = IndexFile(path, dimensions, quantization)
        self._quantization, self._truth = quantization, truth
        found = Loaded(None) if anew else self._file.load()
        self.fault = found.fault  # why the file was of no use
        self._dimensions = dimensions
        self.graph = Graph(self._file.empty() if found.index is None else found.index, dimensions)
        # usearch follows the links of a damaged graph out of its memory.
        self._proved: bool | None = True if found.proved else None  # None: not known yet
        self._proving = threading.Lock()
        self._next, self._busy = threading.Lock(), threading.Lock()
        self.beam = FIRST_BEAM  # candidates that a walk for DEPTH hits keeps on its way
        self._noted: list[Keys] | None = None  # what changed since a successor was begun

    def __len__(self) -> int:
        """Return the number of vectors, which are all different."""
        return len(self.graph)

    @property
    def walks(self) -> bool:
        """Return whether searches walk the graph, and do not compare all vectors."""
        return self.proved and self.graph.large

    @property
    def proved(self) -> bool:
        """Return whether the graph is known to be as it was written: until then it is not walked."""
        return self._proved is True

    @property
    def unproved(self) -> bool:
        """Return whether the SHA-256 of the file that was loaded is still to be compared."""
        return self._proved is None

    def prove(self) -> bool:
        """Compare the SHA-256 of the file that was loaded, unless that was done, and return whether it is right."""
        with self._proving:
            if self._proved is None:
                try:
                    self._proved = self._file.whole()
                except OSError:
                    self._proved = False
                if not self._proved:
                    self.fault = NOT_WHOLE
            return self._proved

    def keys(self) -> Keys:
        """Return all keys, in no order."""
        with self._turn():
            return self.graph.keys()

    def read(self, keys: Keys) -> Directions:
        """Return the directions under those of these keys that are there."""
        with self._turn():
            there = keys[self.graph.holds(keys)]
            if self._quantization == "none":
                return Directions(there, self.graph.get(there).astype(np.float16, copy=False))
        found, vectors = self._truth.vectors(there)
        return unit_vectors.of(vectors)._replace(keys=found)

    def missing(self, keys: Keys) -> Keys:
        """Return those of these keys that are not there, each once."""
        keys = np.unique(keys)
        with self._turn():
            return keys[~self.graph.holds(keys)]

    def keep(self, wanted: Keys) -> Keys:
        """Remove all but the wanted keys, and return those that are missing.

        An index that has few of them is emptied: it is another collection's, or from long ago.
        """
        left_over = np.setdiff1d(self.keys(), wanted)
        if len(self) - len(left_over) < _LEAST_SHARE * len(wanted):
            self.take_over(self.succeed())
        else:
            self.remove(left_over)
        return self.missing(wanted)

    def add(self, directions: Directions) -> None:
        """Add the directions that are not there yet.

        Raises:
            StorageFailed: the file that was loaded turned out to be damaged.
        """
        if not self.prove():
            raise StorageFailed("the collection's index is damaged and is made anew; try again later")
        keys, units = directions
        first = np.flatnonzero(np.isin(keys, self.missing(keys)))
        first = first[np.sort(np.unique(keys[first], return_index=True)[1])]
        for start in range(0, len(first), _SLICE):
            some = first[start : start + _SLICE]
            with self._turn():
                self.graph.add(Directions(keys[some], units[some]))
                self._note(keys[some])

    def remove(self, keys: Keys) -> None:
        """Remove keys; those that are not there are no error."""
        if len(keys):
            with self._turn():
                self.graph.remove(keys)
                self._note(keys)

    def mend(self, keys: Keys) -> None:
        """Add again those of these vectors that walks do not find.

        Near copies that come later push a vector out of its neighbours' links, with a single thread too: of
        54,000 vectors, with 5,000 near copies at the end, 350 were lost, and 5 after they were added again.
        """
        for _ in range(_MENDINGS if self.walks else 0):
            keys = np.concatenate([self.lost(keys[at : at + _CHECKED]) for at in range(0, len(keys), _CHECKED)])
            if not len(keys):
                return
            lost = self.read(keys)
            self.remove(keys)
            self.add(lost)

    def lost(self, keys: Keys) -> Keys:
        """Return those keys whose vectors walks do not find."""
        with self._turn():
            return self.graph.lost(keys)

    def search(
        self, direction: Directions, count: int, hidden: Keys, beam: int | None = None
    ) -> tuple[Keys, NDArray[np.float32]]:
        """Return the keys and cosines of the `count` nearest vectors, or of all if they are fewer, nearest first.

        Args:
            direction: a single one.
            count: how many; at least 1.
            hidden: keys that are passed over.
            beam: see `beam`; in proportion for more hits.
        """
        beam = self.beam if beam is None else beam
        if self._quantization == "none":
            return self._found(direction, count, hidden, beam)
        keys, cosines = self._found(direction, _RESCORED * count, hidden, beam)
        keys, cosines = exact.rescored(self.read, direction, keys, cosines)
        return keys[:count], cosines[:count]

    def _found(self, direction: Directions, count: int, hidden: Keys, beam: int) -> tuple[Keys, NDArray[np.float32]]:
        with self._turn():
            asked = count
            while size := len(self.graph):
                keys, distances = self.graph.nearest(direction, min(asked, size), beam if self.proved else None)
                shown = np.flatnonzero(~np.isin(keys, hidden))[:count]
                if len(shown) == count or asked >= size:
                    return keys[shown], 1.0 - distances[shown]
                asked *= 2
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)

    def succeed(self) -> "Vectors":
        """Return an empty successor, and note from now on which keys change."""
        self._noted = []
        return Vectors(self._file.path, self._dimensions, self._quantization, self._truth, anew=True)

    def changed(self) -> Keys:
        """Return the keys that may have changed since a successor was begun, or the last call, each once."""
        with self._turn():
            noted, self._noted = self._noted or [], []
        return np.unique(np.concatenate([np.empty(0, np.uint64), *noted]))

    def take_over(self, successor: "Vectors") -> None:
        """Go on with a successor's vectors."""
        before = self.graph  # freed where nobody waits: a million vectors take a while
        with self._turn():
            self.graph, self._proved, self._noted = successor.graph, True, None
        del before

    def give_up(self) -> None:
        """Note no more which keys change: there will be no successor."""
        self._noted = None

    def _note(self, keys: Keys) -> None:
        if self._noted is not None:
            self._noted.append(keys)

    def save(self) -> None:
        """Replace the file by the index as it is at this moment: wholly, or not at all.

        Raises:
            OSError, RuntimeError: it cannot be written; the old file stays.
        """
        with self._turn():
            end = self._file.write(self.graph.index)
        end()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the index alone for a moment; the next in line goes before the one that just had it."""
        with self._next:
            self._busy.acquire()
        try:
            yield
        finally:
            self._busy.release()
