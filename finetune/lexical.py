"""BM25 over texts, by bm25s: it finds candidates that share words with a query, and judges passages by them."""

from collections.abc import Iterator, Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

from . import wording

Floats = NDArray[np.float32]

# Lucene's form, with the parameters of Anserini's baselines for passages.
_K1, _B = 0.9, 0.4


class Lexical:
    """An index that scores texts by the words that they share with a query; words as `wording.terms` has them."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts."""
        terms = [wording.terms(text) for text in texts]
        self._count = len(terms)
        self._index = bm25s.BM25(k1=_K1, b=_B) if any(terms) else None  # bm25s takes no vocabulary of nothing
        if self._index is not None:
            self._index.index(terms, show_progress=False)

    def scores(self, query: str) -> Floats:
        """Return the score of every text, float32 [texts]; 0 where no word is shared."""
        if self._index is None or not (known := self._index.get_tokens_ids(wording.terms(query))):
            return np.zeros(self._count, np.float32)
        return np.asarray(self._index.get_scores_from_ids(known), np.float32)

    def search(self, queries: Sequence[str], count: int) -> Iterator[list[int]]:
        """Yield the texts' places that share a word with each query, best first."""
        for query in queries:
            scores = self.scores(query)
            best = np.argsort(-scores, kind="stable")[:count]
            yield [int(row) for row in best if scores[row] > 0]
