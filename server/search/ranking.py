"""The final order of candidates, as hits: pure functions of what both stages found."""

from collections.abc import Sequence

from shortlist.server import fusion
from shortlist.server.inference.result import Result
from shortlist.server.storage.document import Candidate

from .query import Hit


def hits(candidates: Sequence[Candidate], scored: Result, similarity_weight: float) -> list[Hit]:
    """Order the candidates: those that stage two read, by score and similarity, then the rest as stage one had it."""
    read = len(scored.done)
    similarities = [candidate.similarity for candidate in candidates[:read]]
    order = fusion.order(scored.logits, scored.done, similarities, similarity_weight)
    by_index = scores(scored)
    return [
        *(_hit(candidates[index], by_index[index]) for index in order),
        *(_hit(candidate, None) for candidate in candidates[read:]),
    ]


def scores(scored: Result) -> list[float | None]:
    """Return the score of each item; None where it was not run."""
    found = fusion.scores(scored.logits).tolist()
    return [score if done else None for score, done in zip(found, scored.done, strict=True)]


def _hit(candidate: Candidate, score: float | None) -> Hit:
    return Hit(candidate.document, score, candidate.similarity, candidate.rank)
