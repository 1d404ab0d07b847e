"""Maximal marginal relevance: hits that answer a query and are not alike (Carbonell and Goldstein, 1998)."""

import math
import operator
from collections.abc import Sequence

from shortlist.client import Hit


def diverse(hits: Sequence[Hit], k: int, lambda_mult: float) -> list[Hit]:
    """Return the hit that is most similar to the query, then each time the one that adds most to those before it.

    It adds `lambda_mult * cosine with the query - (1 - lambda_mult) * largest cosine with those before it`.

    Args:
        hits: with vectors.
        k: how many at most.
        lambda_mult: 1 is similarity to the query alone, 0 is difference alone.
    """
    left = [(hit, _unit(hit.vector), -1.0) for hit in hits]  # the last: the cosine with the most alike before it
    chosen: list[Hit] = []
    while left and len(chosen) < k:
        weight = lambda_mult if chosen else 1.0
        worth = [weight * hit.similarity - (1 - weight) * alike for hit, _, alike in left]
        best, vector, _ = left.pop(worth.index(max(worth)))
        left = [(hit, other, max(alike, _dot(vector, other))) for hit, other, alike in left]
        chosen.append(best)
    return chosen


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector) or 1.0
    return [element / length for element in vector]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, one, other))
