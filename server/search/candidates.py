"""Stage one's candidates: by similarity, by words, or by both rankings together.

Before a reranker the two rankings are united, half and half: who is a candidate is all that they decide. Without one
they are fused, by scores or by places, since their order is the answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import NotServing
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate
from shortlist.server.storage.filtered import Filtered
from shortlist.server.storage.filters import Filter

CandidatesFrom = Literal["dense", "lexical", "hybrid"]
RankFusion = Literal["distribution", "rrf"]

# Cormack, Clarke and Buettcher (SIGIR 2009).
_RRF = 60

Floats = NDArray[np.float64]


def find(
    collection: Collection,
    text: str,
    vector: NDArray[np.float32],
    where: Filter | None,
    *,
    source: CandidatesFrom,
    count: int,
    fusion: RankFusion | None,
    made_by: str | None = None,
) -> tuple[Filtered, CandidatesFrom]:
    """Return candidates in stage one's order, and what they came from: dense for both while words are indexed.

    Args:
        collection: where to look.
        text: the query.
        vector: its vector, float32 [dimensions].
        where: what documents have to match.
        source: what they are to come from.
        count: how many; of a fusion, of each ranking.
        fusion: how two rankings become one; None: their union.
        made_by: the fingerprint of the embedder that made the vector; None: it is taken for the collection's.

    Raises:
        NotServing: words alone are asked for while they are indexed.
        Superseded: the collection has another embedder by now.
    """
    lexical = Filtered([])
    if source != "dense":
        try:
            lexical = collection.by_words.search(text, vector, count, where, made_by)
        except NotServing:
            if source == "lexical":
                raise
            source = "dense"
    if source == "lexical":
        return lexical, source
    dense = _by_vectors(collection, vector, count, where, made_by)
    if source == "dense":
        return dense, source
    both = dense.candidates, lexical.candidates
    return replace(dense, candidates=fused(*both, fusion) if fusion else union(*both, count)), source


def _by_vectors(
    collection: Collection, vector: NDArray[np.float32], count: int, where: Filter | None, made_by: str | None
) -> Filtered:
    return (
        Filtered(collection.by_vectors.search(vector, count, made_by))
        if where is None
        else collection.by_vectors.search_where(vector, count, where, made_by)
    )


def union(dense: Sequence[Candidate], lexical: Sequence[Candidate], count: int) -> list[Candidate]:
    """Return the first `count` of two rankings, taken in turns, each document once."""
    turns = (one for one in chain.from_iterable(zip_longest(dense, lexical)) if one)
    names = list(dict.fromkeys(one.document.id for one in turns))[:count]
    return _ranked(names, dense, lexical)


def fused(dense: Sequence[Candidate], lexical: Sequence[Candidate], how: RankFusion) -> list[Candidate]:
    """Return all of two rankings in one order, each document once."""
    names = list(dict.fromkeys(one.document.id for one in (*dense, *lexical)))
    if not names:
        return []
    total = (_by_distribution if how == "distribution" else _by_place)(names, dense, lexical)
    order = np.argsort(-total, kind="stable")
    return _ranked([names[place] for place in order], dense, lexical)


def _by_distribution(names: Sequence[str], dense: Sequence[Candidate], lexical: Sequence[Candidate]) -> Floats:
    """Return the sum of both scores of each, in standard deviations from the mean of all.

    What words alone found has its cosine as well, and what they did not find counts as without a word: so the only
    one among many that has a code stands out by far.
    """
    cosines = {one.document.id: one.similarity for one in (*lexical, *dense)}
    words = {one.document.id: one.lexical_score for one in lexical}
    return _standard([cosines[name] for name in names]) + _standard([words.get(name, 0.0) for name in names])


def _standard(scores: Sequence[float]) -> Floats:
    found = np.array(scores, np.float64)
    spread = np.std(found)
    return (found - np.mean(found)) / spread if spread else np.zeros(len(found))


def _by_place(names: Sequence[str], dense: Sequence[Candidate], lexical: Sequence[Candidate]) -> Floats:
    """Return the sum of 1 / (60 + place) of each."""
    places = [{one.document.id: rank for rank, one in enumerate(ranking, 1)} for ranking in (dense, lexical)]
    return np.array([sum(1 / (_RRF + place[name]) for place in places if name in place) for name in names])


def _ranked(names: Sequence[str], dense: Sequence[Candidate], lexical: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates of these ids in this order, each with its place in both rankings."""
    by_words = {one.document.id: one for one in lexical}
    # Of a document that was replaced between the two searches, the later version.
    newest = by_words | {
        one.document.id: max(one, by_words.get(one.document.id, one), key=lambda which: which.version)
        for one in dense
    }
    near = {one.document.id: one.rank for one in dense}
    return [
        replace(
            newest[name],
            rank=rank,
            dense_rank=near.get(name),
            lexical_rank=by_words[name].rank if name in by_words else None,
            lexical_score=by_words[name].lexical_score if name in by_words else 0.0,
        )
        for rank, name in enumerate(names, 1)
    ]
