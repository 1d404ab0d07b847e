"""The vector index of one collection: usearch, derived from the documents and saved atomically.

It holds each direction once, under its key (`unit_vectors.py`). `float16` keeps recall@10 at 0.9997 of float32's in
half the memory.

Up to 50,000 vectors a search compares all of them, for no more time than a walk of the graph takes. Above that it
walks, as widely as samples of searches have shown to be enough (`measuring.py`, which sets `beam`). Where a walk does
not find the very vector that it looks for, and it is there, all vectors are compared after all.

Any thread may search while one changes the index. usearch lets one call in at a time, so vectors are added a few at
a time, and a search that waits goes before the next few. `save` must not race a change; the collection's lock sees
to that.
"""

import contextlib
import hashlib
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 (before usearch: usearch 2.26 first makes importing onnxruntime 1.32 a crash)
from numpy.typing import NDArray
from usearch.compiled import MetricKind
from usearch.index import Index
from usearch.index import search as compared

from shortlist.server import cores, durable
from shortlist.server.errors import first_line

from .recall import DEPTH, FIRST_BEAM
from .unit_vectors import Directions, Keys

_DTYPE = "f16"
_CONNECTIVITY = 16
_EXPANSION_ADD = 128
# Comparing 50,000 vectors of 384 numbers takes 2.7 ms at best.
_EXACT_COUNT = 50_000
# Of the check after a rebuild: vectors a turn, rounds, the beam with which nearly all find themselves, and that with
# which the rest are looked for. Distances up to the last are rounding.
_CHECKED = 1000
_MENDINGS = 3
_NARROW_BEAM = 64
_WIDE_BEAM = 800
_SAME = 1e-5
# Vectors that are added while searches wait: 4 take about a millisecond. And that are read: 500 do.
_SLICE = 4
_READ = 500
# usearch fills the space of a removed vector again, but never frees it.
_EMPTY_SHARE = 1 / 3
_DIGEST = ".sha256"


class Vectors:
    """The vectors of a collection, searched by cosine."""

    def __init__(self, path: Path, dimensions: int) -> None:
        """Load the index at `path`, or begin an empty one where there is none that can be used."""
        self._path = path
        self._dimensions = dimensions
        self._next, self._busy = threading.Lock(), threading.Lock()
        found = _loaded(path, dimensions)
        self.fault = found if isinstance(found, str) else ""  # why the file was of no use
        self._index = _empty(dimensions) if isinstance(found, str) else found
        self.beam = FIRST_BEAM  # candidates that a walk for DEPTH hits keeps on its way

    def __len__(self) -> int:
        """Return the number of vectors, which are all different."""
        return len(self._index)

    def keys(self) -> Keys:
        """Return all keys, in no order."""
        # A slice is a plain array; the whole is usearch's own class, which numpy 2 warns of.
        return np.array(self._index.keys[: len(self._index)], dtype=np.uint64)

    def read(self, keys: Keys) -> Directions:
        """Return the directions under those of these keys that are there."""
        with self._turn():
            there = keys[np.isin(keys, self.missing(keys), invert=True)]
            units = np.array(self._index.get(there), np.float16)
            return Directions(there, units.reshape(len(there), self._dimensions))

    def missing(self, keys: Keys) -> Keys:
        """Return those of these keys that are not there, each once."""
        keys = np.unique(keys)
        return keys[~self._index.contains(keys)] if len(keys) else keys

    def keep(self, wanted: Keys) -> Keys:
        """Remove all but the wanted keys, and return those that are missing.

        An index with too many empty places is emptied: all are missing then.
        """
        left_over = np.setdiff1d(self.keys(), wanted)
        places = self._index.stats.nodes
        if places - len(self) + len(left_over) > _EMPTY_SHARE * places:
            self._index = _empty(self._dimensions)
        else:
            self.remove(left_over)
        return self.missing(wanted)

    def add(self, directions: Directions) -> None:
        """Add the directions that are not there yet.

        With one thread: usearch's graph loses vectors that several threads add at once (its issue 735).
        """
        keys, units = directions
        first = np.flatnonzero(np.isin(keys, self.missing(keys)))
        first = first[np.sort(np.unique(keys[first], return_index=True)[1])]
        for start in range(0, len(first), _SLICE):
            some = first[start : start + _SLICE]
            with self._turn():
                self._index.add(keys[some], units[some], threads=1)

    def mend(self, keys: Keys) -> None:
        """Add again those of these vectors that walks do not find.

        Near copies that come later push a vector out of its neighbours' links, with a single thread too: of
        54,000 vectors, with 5,000 near copies at the end, 350 were lost, and 5 after they were added again.
        """
        for _ in range(_MENDINGS if len(self) > _EXACT_COUNT else 0):
            keys = np.concatenate([self.lost(keys[at : at + _CHECKED]) for at in range(0, len(keys), _CHECKED)])
            if not len(keys):
                return
            units = np.array(self._index.get(keys), np.float16)
            self.remove(keys)
            self.add(Directions(keys, units))

    def lost(self, keys: Keys) -> Keys:
        """Return those keys whose vectors walks do not find: by a narrow beam first, which finds nearly all."""
        for beam in (_NARROW_BEAM, _WIDE_BEAM):
            if len(keys):
                with self._turn():
                    self._widen(beam)
                    units = np.array(self._index.get(keys), np.float16)
                    found = self._index.search(units, 1, threads=cores.usable())  # reading, each core may help
                keys = keys[np.array(found.distances).ravel() > _SAME]
        return keys

    def remove(self, keys: Keys) -> None:
        """Remove keys; those that are not there are no error."""
        if len(keys):
            with self._turn():
                self._index.remove(keys)

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
        with self._turn():
            asked = count
            while size := len(self._index):
                keys, distances = self._nearest(direction, min(asked, size), beam)
                shown = np.flatnonzero(~np.isin(keys, hidden))[:count]
                if len(shown) == count or asked >= size:
                    return keys[shown], 1.0 - distances[shown]
                asked *= 2
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32)

    @property
    def walks(self) -> bool:
        """Return whether searches walk the graph, and do not compare all vectors."""
        return len(self._index) > _EXACT_COUNT

    def among(self, direction: Directions, keys: Keys, count: int) -> tuple[Keys, NDArray[np.float32], bool]:
        """Return the keys and cosines of the `count` nearest of some vectors, and whether all of them are there.

        Args:
            direction: a single one.
            keys: those of the vectors to compare, each once.
            count: how many; at least 1.
        """
        nearest, distances, whole = keys[:0], np.empty(0, np.float32), True
        for start in range(0, len(keys), _READ):
            some = keys[start : start + _READ]
            there, units = self.read(some)
            whole = whole and len(there) == len(some)
            if len(units):
                most = min(count, len(units))  # usearch refuses more
                found = compared(units, direction.units[0], most, MetricKind.Cos, exact=True, threads=1)
                nearest = np.concatenate([nearest, there[np.array(found.keys, np.int64)]])
                distances = np.concatenate([distances, np.array(found.distances, np.float32)])
                order = np.argsort(distances, kind="stable")[:count]
                nearest, distances = nearest[order], distances[order]
        return nearest, 1.0 - distances, whole

    def _nearest(self, direction: Directions, count: int, beam: int) -> tuple[Keys, NDArray[np.float32]]:
        """Return the keys and distances of the nearest vectors, as many as asked for."""
        unit, beam = direction.units[0], math.ceil(beam * max(1, count / DEPTH))
        if self.walks and len(self._index) > beam:
            self._widen(beam)
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

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the index alone for a moment; the next in line goes before the one that just had it."""
        with self._next:
            self._busy.acquire()
        try:
            yield
        finally:
            self._busy.release()

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


def _empty(dimensions: int) -> Index:
    return Index(
        ndim=dimensions, metric="cos", dtype=_DTYPE, connectivity=_CONNECTIVITY, expansion_add=_EXPANSION_ADD
    )


def _loaded(path: Path, dimensions: int) -> Index | str:
    """Return the saved index, or why there is none that can be used: it can be rebuilt."""
    try:
        # usearch follows the offsets of a damaged file out of its memory.
        if path.with_suffix(_DIGEST).read_text() != _sha256(path):
            return "its SHA-256 is not the one beside it"
        index = Index.restore(str(path), view=False, expansion_add=_EXPANSION_ADD)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is not there"
    except (OSError, RuntimeError, ValueError) as error:
        return f"it cannot be read: {first_line(error)}"
    if index is None:
        return "it is no index"
    shape = (index.ndim, index.dtype.name.lower(), index.connectivity)
    wanted = (dimensions, _DTYPE, _CONNECTIVITY)
    return index if shape == wanted else f"it is of shape {shape} and not {wanted}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
