"""Texts that the caller brings, scored beside a query: by the cross-encoder, or by late interaction."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server import fusion
from shortlist.server.errors import NoTokens, TooLong
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Scorer
from shortlist.server.inference.result import Result, Spent
from shortlist.server.inference.token_embedder import TokenEmbedder
from shortlist.server.runtime.tokens import Truncation

from . import ranking
from .query import Ranked, Score, Timing

Cut = Callable[[Sequence[str], int, Truncation | None], list[str]]


async def by_scorer(
    model: Scorer,
    query: str,
    documents: Sequence[str],
    deadline: float,
    truncation: Truncation | None,
    document_tokens: int | None,
    *,
    whole: bool,
) -> Ranked:
    """Rank all documents by their scores; arguments and errors as `Pipeline.rerank` has them."""
    read = await _first(model.tokenizer.cut, documents, document_tokens, model.tokenizer.max_tokens, truncation)
    scored = await model.score(query, read, deadline, truncation=truncation, whole=whole)
    shortened = _shortened(read, documents)
    return _ranked(scored, ranking.scores(scored), shortened, scored.tokens, scored.spent)


async def by_maxsim(
    model: TokenEmbedder,
    query: str,
    documents: Sequence[str],
    deadline: float,
    truncation: Truncation | None,
    document_tokens: int | None,
    *,
    whole: bool,
) -> Ranked:
    """Rank all documents by MaxSim; arguments and errors as `Pipeline.rerank` has them.

    Raises:
        DeadlineExceeded: also where not even the query's token vectors could be made in time.
    """
    read = await _first(model.reader.cut, documents, document_tokens, model.reader.window("document"), truncation)
    uncut: Truncation | None = "none" if truncation == "none" else None
    with model.reserve(read, deadline):
        try:
            asked = await model.embed([query], "query", Lane.QUERY, deadline, truncation=uncut)
        except (NoTokens, TooLong) as error:
            error.rename("query")
            raise
    vectors = asked.vectors[0]
    if not len(vectors):
        raise NoTokens(0, query, "query")
    try:
        scored = await model.score(vectors, read, deadline, truncation=truncation, whole=whole)
    except (NoTokens, TooLong) as error:
        error.rename(f"documents[{error.index}]")
        raise
    scores = [
        Score(index, one / len(vectors), None, one) if done else Score(index, None, None)
        for index, (one, done) in enumerate(zip(scored.logits.tolist(), scored.done.tolist(), strict=True))
    ]
    tokens = np.concatenate([asked.tokens, scored.tokens])
    return _ranked(scored, scores, _shortened(read, documents), tokens, asked.spent + scored.spent)


async def _first(
    cut: Cut, documents: Sequence[str], most: int | None, window: int, truncation: Truncation | None
) -> Sequence[str]:
    """Return what is read of each document: so many tokens, or all that fit."""
    if most is None or most >= window:
        return documents
    return await asyncio.to_thread(cut, documents, most, truncation)


def _shortened(read: Sequence[str], documents: Sequence[str]) -> NDArray[np.bool_]:
    """Return of which documents less is read than there is: bool [documents]."""
    return np.array([len(one) < len(document) for one, document in zip(read, documents, strict=True)])


def _ranked(
    scored: Result, scores: Sequence[Score], shortened: NDArray[np.bool_], tokens: NDArray[np.int32], spent: Spent
) -> Ranked:
    return Ranked(
        results=[scores[index] for index in fusion.order(scored.logits, scored.done)],
        reranked=int(scored.done.sum()),
        degraded=scored.degraded,
        truncated=int((scored.truncated | shortened).sum()),
        tokens=tokens,
        timing=Timing(spent=spent),
    )
