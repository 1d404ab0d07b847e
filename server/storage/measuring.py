"""Searches that are done again exactly, to see what walks of the index miss: the samples of `recall.py`.

Several searches share one pass over the vectors, since reading them is what costs: 2 to 4 us each, and comparing one
with a query 0.1. The pass goes in slices of a millisecond or two, each with a rest behind it, so that it takes a
small share of the machine and has the index for no longer than a slice at a time. No copy of the vectors is kept.

A vector is missed if it is in the exact answer, still in the index, nearer than the last that a walk found, and not
among what it found. So copies and ties count as found, and nothing that a change took away counts as missed.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import onnxruntime  # noqa: F401 (before usearch, as in `vectors.py`)
from numpy.typing import NDArray
from usearch.compiled import MetricKind
from usearch.index import search as compared

from . import unit_vectors
from .filtered import Among
from .filters import Filter
from .recall import BEAMS, DEPTH, Recall, Report, Sample
from .unit_vectors import Directions, Keys
from .vectors import Vectors

_SLICE = 500  # vectors
_ROUNDING = 1e-5  # of a cosine in float32
_NO_KEYS = np.empty(0, np.uint64)

Floats = NDArray[np.float32]
Walk = Callable[[int], tuple[Keys, Floats] | None]  # what a walk with a beam finds: keys and cosines, nearest first
_Number = TypeVar("_Number", np.uint64, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """A search to do again."""

    vector: Floats  # float32 [dimensions]
    where: Filter | None = None
    count: int = DEPTH  # hits that a filter has to find; without one they are DEPTH, since fewer miss no more


class Pace:
    """The share of one core that work in the background keeps to."""

    def __init__(self, share: float) -> None:
        """Allow so much of a core; 1: do not rest."""
        self._rest = 1 / share - 1
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Have the work end soon."""
        self._stopping.set()

    @property
    def stopped(self) -> bool:
        """Return whether the work is to end."""
        return self._stopping.is_set()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Work for a moment, and rest in proportion."""
        began_s = time.perf_counter()
        yield
        self._stopping.wait(self._rest * (time.perf_counter() - began_s))


class Measured:
    """The index of a collection, with the recall that it is held to."""

    def __init__(self, name: str, target: float, among: Among) -> None:
        """Begin without a sample.

        Args:
            name: the collection's, for the log.
            target: the recall to hold.
            among: its documents and index.
        """
        self.recall = Recall(name, target)
        self._among = among

    @property
    def lacks(self) -> int:
        """Return how many searches must be done again before the recall is known."""
        return self.recall.lacks if self._among.vectors.walks else 0

    @property
    def walks(self) -> bool:
        """Return whether a search may miss anything."""
        return self._among.vectors.walks

    def begin(self, beam: int) -> None:
        """Begin anew with one of BEAMS, and without a sample."""
        self.recall.begin(beam)
        self._among.vectors.beam = beam

    def measure(self, searches: Sequence[Search], pace: Pace, bound_s: float) -> None:
        """Do searches again, and have the index walked as widely as they show to be needed.

        Args:
            searches: what to do again.
            pace: of the work.
            bound_s: of a core's time, that a walk may take.
        """
        if samples := measure(self._among, searches, pace, bound_s):
            self.recall.add(samples, bound_s)
            self._among.vectors.beam = self.recall.beam

    def report(self) -> Report:
        """Return what is known of the recall; where no walk is made, every search finds all."""
        target = self.recall.target
        return self.recall.report() if self.walks else Report(target, "exact", 0, 0, 1.0, 0.0)


class _Nearest:
    """The nearest of some vectors to several queries, as they are compared slice by slice."""

    def __init__(self, units: NDArray[np.float16], depth: int) -> None:
        """Begin with nothing compared.

        Args:
            units: the directions of queries, float16 [queries, dimensions].
            depth: how many vectors are wanted.
        """
        self._units, self.depth = units, depth
        self.keys = np.empty((len(units), 0), np.uint64)
        self.cosines = np.empty((len(units), 0), np.float32)

    def add(self, keys: Keys, units: NDArray[np.float16]) -> None:
        """Compare further vectors: float16 [keys, dimensions]."""
        count = min(self.depth, len(keys))  # usearch refuses more
        if not count:
            return
        found = compared(units, self._units, count, MetricKind.Cos, exact=True, threads=1)
        shape = len(self._units), count
        named = keys[np.array(found.keys, np.int64).reshape(shape)]
        cosines = 1 - np.array(found.distances, np.float32).reshape(shape)
        named, cosines = np.hstack([self.keys, named]), np.hstack([self.cosines, cosines])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : self.depth]
        self.keys, self.cosines = np.take_along_axis(named, best, 1), np.take_along_axis(cosines, best, 1)


def measure(among: Among, searches: Sequence[Search], pace: Pace, bound_s: float) -> list[Sample]:
    """Do searches again, exactly and by walks, and return a sample of each that tells something; none if stopped.

    Args:
        among: documents and index.
        searches: what to do again.
        pace: of the work.
        bound_s: of a core's time, that a walk may take: after one that took longer no wider beam is tried.
    """
    samples: list[Sample | None] = []
    if plain := [one.vector for one in searches if one.where is None]:
        made = unit_vectors.of(np.array(plain, np.float32))
        nearest = _Nearest(made.units, DEPTH)
        _compare(among.vectors, _sliced(among.vectors.keys()), nearest, pace)
        for place in range(len(plain)):
            direction = Directions(made.keys[place : place + 1], made.units[place : place + 1])
            walk = partial(among.vectors.search, direction, DEPTH, _NO_KEYS)
            samples.append(_sample(among.vectors, walk, nearest, place, pace, bound_s))
    filtered = [_filtered(among, one, one.where, pace, bound_s) for one in searches if one.where is not None]
    return [] if pace.stopped else [one for one in (*samples, *filtered) if one is not None]


def _filtered(among: Among, search: Search, where: Filter, pace: Pace, bound_s: float) -> Sample | None:
    """Return a sample of a search with a filter; None where the index has no part in it."""
    direction, matches = unit_vectors.of(search.vector[None]), among.documents.matches(where)
    if len(matches) < search.count:  # they were more when they were searched
        return None

    def walk(beam: int) -> tuple[Keys, Floats] | None:
        found = among.by_index(direction, search.count, matches, _NO_KEYS, beam)
        return None if found is None else (found.keys, found.similarities)

    if walk(among.vectors.beam) is None:
        return None
    keys = (among.documents.keys_of(seqs)[1] for seqs in _sliced(matches.seqs))
    nearest = _Nearest(direction.units, search.count)
    _compare(among.vectors, keys, nearest, pace)
    sample = _sample(among.vectors, walk, nearest, 0, pace, bound_s)
    # It asks for more hits than others do, so what it took is no measure of a beam.
    return sample and replace(sample, took_s=np.full(len(BEAMS), np.nan))


def _sliced(values: NDArray[_Number]) -> Iterator[NDArray[_Number]]:
    return (values[start : start + _SLICE] for start in range(0, len(values), _SLICE))


def _compare(vectors: Vectors, slices: Iterable[Keys], nearest: _Nearest, pace: Pace) -> None:
    """Compare with all vectors of these keys that are there."""
    for keys in slices:
        if pace.stopped:
            break
        with pace.working():
            nearest.add(*vectors.read(np.setdiff1d(keys, nearest.keys)))  # copies may come in several slices


def _sample(vectors: Vectors, walk: Walk, nearest: _Nearest, place: int, pace: Pace, bound_s: float) -> Sample | None:
    """Walk with one beam after another until all is found, and with the one in use in any case."""
    found, took_s, share, slow = [], [], 0.0, False
    for beam in BEAMS:
        took_s.append(np.nan)
        if beam == vectors.beam or (share < 1 and not slow):
            if pace.stopped:
                return None
            with pace.working():
                began_s = time.thread_time()  # a walk that waits for a core is no wider for that
                answer = walk(beam)
                took_s[-1] = time.thread_time() - began_s
            if answer is None:
                return None
            share, slow = _share(vectors, nearest, place, *answer), took_s[-1] > bound_s
        found.append(share)
    return Sample(np.array(found), np.array(took_s), len(vectors))


def _share(vectors: Vectors, nearest: _Nearest, place: int, named: Keys, near: Floats) -> float:
    """Return the share of what is nearest that a walk has not missed."""
    keys, cosines = nearest.keys[place], nearest.cosines[place]
    least = near[-1] if len(near) >= nearest.depth else -np.inf
    missed = keys[(cosines > least + _ROUNDING) & ~np.isin(keys, named)]
    return 1 - (len(missed) - len(vectors.missing(missed))) / max(1, len(keys))
