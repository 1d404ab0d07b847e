"""A search among the documents that a filter matches, in the way that costs less.

Few are compared with the query one by one. Of many, the index is asked for more than is wanted, in proportion to
those that do not match, and for twice as many until enough match; where that would cost more than comparing all that
match, they are compared after all. So the nearest `count` that match are found whenever so many do.

Whatever the index names that has no row, or a row from after the filter was asked, tells that a change came between:
the search is to be done again (`collection.py`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import exact
from .document import Candidate
from .documents import Documents
from .filters import Filter, Kind
from .matching import Matches, Numbers
from .rows import Row
from .unit_vectors import Directions, Keys
from .vectors import Vectors

Plan = Literal["exact", "index"]

# Comparing takes 2 us a document, the least search of the index 3 ms, and a hit more of it 2.5 us where it compares
# all that it holds, or 30 us where it walks.
_FEW = 2000
_DOCUMENTS_PER_HIT = 15
_OVERSAMPLING = 1.5


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a search found, with a filter or without."""

    candidates: list[Candidate]
    matched: int | None = None  # documents; None: there was no filter
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest documents that match, nearest first."""

    seqs: Numbers
    keys: Keys
    similarities: NDArray[np.float32]
    disturbed: bool  # by a change


@dataclass(frozen=True, slots=True)
class Among:
    """The documents of a collection and its index, for what is asked of those that match a filter."""

    documents: Documents
    vectors: Vectors
    number: int  # the collection's, in this process

    def search(self, direction: Directions, count: int, where: Filter, hidden: Keys) -> tuple[Filtered, bool]:
        """Search once, and tell whether a change came between.

        Args:
            direction: a single one.
            count: how many documents; at least 1.
            where: what they have to match.
            hidden: keys that are not committed yet.
        """
        matches = self.documents.matches(where)
        count = min(count, len(matches))
        if not count:
            return Filtered([], 0, "exact"), False
        plan: Plan = "index"
        nearest = self.by_index(direction, count, matches, hidden)
        if nearest is None:
            plan, nearest = "exact", self._exact(direction, count, matches)
        rows = self.documents.rows(nearest.seqs)
        found = Filtered(self._candidates(nearest, rows), len(matches), plan)
        return found, nearest.disturbed or len(rows) < len(nearest.seqs)

    def count(self, where: Filter) -> int:
        """Return how many documents match."""
        return len(self.documents.matches(where))

    def kinds(self, paths: Iterable[str]) -> dict[str, set[Kind]]:
        """Return of which kinds these fields of the metadata are, by path; only those that are there."""
        return self.documents.kinds(paths)

    def paths(self, most: int) -> list[str]:
        """Return the first fields of the metadata by name."""
        return self.documents.paths(most)

    def by_index(
        self, direction: Directions, count: int, matches: Matches, hidden: Keys, beam: int | None = None
    ) -> Nearest | None:
        """Return what the index finds, or None where comparing all that match costs less; see `Vectors.search`."""
        asked = math.ceil(_OVERSAMPLING * count * max(1.0, len(self.vectors) / len(matches)))
        while len(matches) > max(_FEW, asked * (_DOCUMENTS_PER_HIT if self.vectors.walks else 1)):
            keys, similarities = self.vectors.search(direction, asked, hidden, beam)
            seqs, places = self.documents.copies(keys)
            inside = np.flatnonzero(matches.holds(seqs))[:count]
            if len(inside) == count:
                read = inside[-1] + 1
                # Of the keys up to the last that is taken, each has documents, and none that is newer.
                there = len(np.unique(places[:read])) == places[inside[-1]] + 1
                disturbed = not there or bool((seqs[:read] > matches.last).any())
                chosen = places[inside]
                return Nearest(seqs[inside], keys[chosen], similarities[chosen], disturbed)
            asked *= 2
        return None

    def _exact(self, direction: Directions, count: int, matches: Matches) -> Nearest:
        """Compare all that match."""
        seqs, keys = self.documents.keys_of(matches.seqs)
        named, similarities, whole = exact.among(self.vectors.read, direction, np.unique(keys), count)
        near = np.isin(keys, named)
        ranks = {key: rank for rank, key in enumerate(named.tolist())}
        rank = np.array([ranks[key] for key in keys[near].tolist()], np.int64)
        chosen = np.lexsort((seqs[near], rank))[:count]
        disturbed = not whole or len(seqs) < len(matches)
        return Nearest(seqs[near][chosen], keys[near][chosen], similarities[rank[chosen]], disturbed)

    def _candidates(self, nearest: Nearest, rows: list[Row]) -> list[Candidate]:
        similarity = dict(zip(nearest.seqs.tolist(), nearest.similarities.tolist(), strict=True))
        by_seq = {row.seq: row.document for row in rows}
        return [
            Candidate(by_seq[seq], similarity[seq], rank, (self.number, seq), dense_rank=rank)
            for rank, seq in enumerate((seq for seq in similarity if seq in by_seq), 1)
        ]
