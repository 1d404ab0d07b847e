"""A collection's documents found by their words: the lexical index names them, and SQLite has the rest.

Each is told with its cosine as well: the order and the margin of stage two go by it, whatever found a document.

Among the documents that match a filter, the index is asked for more than is wanted and twice as many until enough of
them match, or for those that match alone, whichever costs less. If a document that is named has no row any more, or
the filter and the index know another document as the newest, a change came between, and the search is done again.
"""

import math
import threading

import numpy as np
from numpy.typing import NDArray

from . import exact, unit_vectors
from .changing import undisturbed
from .document import Candidate
from .documents import Documents
from .filtered import Filtered, Plan
from .filters import Filter
from .generation import Generation
from .matching import Matches
from .unit_vectors import Directions
from .vector_search import VectorSearch
from .word_upkeep import WordUpkeep

# A hit of the index takes 1 us, a number that it has to be among 30.
_HITS_PER_NUMBER = 30
_OVERSAMPLING = 1.5

_Scores = list[tuple[int, float]]  # number and score, best first


class WordSearch:
    """The search by words of one collection."""

    def __init__(
        self, documents: Documents, words: WordUpkeep, by_vectors: VectorSearch, number: int, changing: threading.Lock
    ) -> None:
        """Search documents by an index that is kept up with them.

        Args:
            documents: the truth.
            words: the index.
            by_vectors: what has the documents' vectors.
            number: the collection's, in this process.
            changing: what is held while documents are changed.
        """
        self._documents = documents
        self._words = words
        self._by_vectors = by_vectors
        self._number = number
        self._changing = changing

    def search(
        self,
        text: str,
        vector: NDArray[np.float32],
        count: int,
        where: Filter | None = None,
        made_by: str | None = None,
    ) -> Filtered:
        """Return the `count` documents that have most of a text's words, by BM25, best first.

        Args:
            text: what is asked.
            vector: its vector, float32 [dimensions].
            count: how many; fewer, if no more have a word of the text.
            where: what they have to match.
            made_by: the fingerprint of the embedder that made the vector; None: it is taken for the collection's.

        Raises:
            NotServing: the index does not hold all documents yet.
            InferenceFailed: the vector is not finite.
            Superseded: the collection has another embedder by now.
        """
        direction = unit_vectors.of(vector[None])

        def once() -> tuple[Filtered, bool]:
            used = self._by_vectors.used
            used.check(made_by)
            return self._found(used, text, direction, count, where)

        return undisturbed(once, self._changing) if count > 0 else Filtered([])

    def _found(
        self, used: Generation, text: str, direction: Directions, count: int, where: Filter | None
    ) -> tuple[Filtered, bool]:
        """Search once, and tell whether a change came between."""
        matches = None if where is None else self._documents.matches(where)
        plan: Plan | None = None
        last = self._words.last
        if matches is None:
            ranked = self._words.search(text, count)
        else:
            ranked, plan = self._among(text, count, matches)
        candidates = self._candidates(used, ranked, direction)
        disturbed = len(candidates) < len(ranked) or (
            matches is not None and not last == self._words.last == matches.last
        )
        return Filtered(candidates, None if matches is None else len(matches), plan), disturbed

    def _among(self, text: str, count: int, matches: Matches) -> tuple[_Scores, Plan]:
        """Return the `count` best of the documents that match."""
        asked = math.ceil(_OVERSAMPLING * count * max(1.0, self._documents.count / max(1, len(matches))))
        while asked < _HITS_PER_NUMBER * len(matches):
            ranked = self._words.search(text, asked)
            inside = matches.holds(np.array([number for number, _ in ranked], np.int64))
            found = [one for one, is_inside in zip(ranked, inside, strict=True) if is_inside]
            if len(found) >= count or len(ranked) < asked:
                return found[:count], "index"
            asked *= 2
        return (self._words.search(text, count, matches.seqs.tolist()) if len(matches) else []), "exact"

    def _candidates(self, used: Generation, ranked: _Scores, direction: Directions) -> list[Candidate]:
        """Return those that have a row and, of this generation, a vector."""
        rows = {row.seq: row for row in self._documents.rows(np.array([number for number, _ in ranked], np.int64))}
        keys = np.unique(np.array([row.key for row in rows.values()], np.uint64))
        near, similarities, _ = exact.among(used.vectors.read, direction, keys, len(keys))
        similarity = dict(zip(near.tolist(), similarities.tolist(), strict=True))
        there = [(rows[number], score) for number, score in ranked if number in rows]
        there = [(row, score) for row, score in there if row.key in similarity]
        return [
            Candidate(
                document=row.document,
                similarity=similarity[row.key],
                rank=rank,
                version=(self._number, row.seq),
                lexical_rank=rank,
                lexical_score=score,
            )
            for rank, (row, score) in enumerate(there, 1)
        ]
