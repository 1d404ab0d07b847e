"""The final order of candidates, as hits: pure functions of what both stages found."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.server.fusion import Fusion, order
from shortlist.server.fusion import scores as fusion_scores
from shortlist.server.inference.result import Result
from shortlist.server.storage.document import Candidate

from .query import Hit, Score


def hits(candidates: Sequence[Candidate], scored: Result, fusion: Fusion) -> list[Hit]:
    """Order the candidates: those that stage two read, by their relevance, then the rest as they stand.

    Args:
        candidates: those that stage two read, then the rest, both in the order of the stage before it.
        scored: what it made of the first.
        fusion: what their relevance is of.
    """
    read = len(scored.done)
    similarities = [candidate.similarity for candidate in candidates[:read]]
    fused = fusion.logits(scored.logits, similarities)
    relevances, by_index = probabilities(fused, scored.done), scores(scored)
    return [
        *(_hit(candidates[index], by_index[index], relevances[index]) for index in order(fused, scored.done)),
        *(_hit(candidate, Score(index, None, None), None) for index, candidate in enumerate(candidates[read:], read)),
    ]


def scores(scored: Result) -> list[Score]:
    """Return the score of each item."""
    logits = zip(scored.logits.tolist(), scored.done, strict=True)
    return [
        Score(index, score, logit if done else None)
        for index, (score, (logit, done)) in enumerate(
            zip(probabilities(scored.logits, scored.done), logits, strict=True)
        )
    ]


def probabilities(logits: NDArray[np.float32], done: NDArray[np.bool_]) -> list[float | None]:
    """Return the sigmoid of each logit, 0 to 1; None where there is none."""
    found = fusion_scores(logits).tolist()
    return [one if there else None for one, there in zip(found, done, strict=True)]


def _hit(candidate: Candidate, found: Score, relevance: float | None) -> Hit:
    return Hit(
        candidate.document,
        relevance,
        found.score,
        candidate.similarity,
        candidate.rank,
        dense_rank=candidate.dense_rank,
        lexical_rank=candidate.lexical_rank,
        logit=found.logit,
        maxsim=candidate.maxsim,
        maxsim_rank=candidate.maxsim_rank,
    )
