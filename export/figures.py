"""What a run of texts is worth, and what changes between two: of vectors, of scores, of an order. Pure functions."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.server.runtime.manifest import Kind

Floats = NDArray[np.float32]

NEIGHBOURS = 10


def vectors(expected: Floats, found: Floats) -> dict[str, float]:
    """Compare vectors, float32 [texts, dimensions] each."""
    directions, others = _directions(expected), _directions(found)
    cosines = (directions * others).sum(axis=1)
    return {
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "element_change_max": change("embedder", expected, found),
        f"top{NEIGHBOURS}_overlap": _overlap(directions, others),
    }


def tokens(expected: Sequence[Floats], found: Sequence[Floats]) -> dict[str, float]:
    """Compare the token vectors of texts, float32 [vectors, dimensions] each."""
    before, after = np.concatenate(expected), np.concatenate(found)
    cosines = (_directions(before) * _directions(after)).sum(axis=1)
    return {
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "element_change_max": change("late-interaction", before, after),
    }


def logits(expected: Floats, found: Floats) -> dict[str, float]:
    """Compare logits, float32 [pairs] each."""
    return {**scores(_sigmoid(expected), found), "logit_change_max": float(np.abs(expected - found).max())}


def scores(expected: NDArray[np.floating[Any]], found: Floats) -> dict[str, float]:
    """Compare scores from 0 to 1, [pairs], with the sigmoid of logits, float32 [pairs]."""
    changes = np.abs(expected - _sigmoid(found))
    return {"score_change_mean": float(changes.mean()), "score_change_max": float(changes.max())}


def change(kind: Kind, first: Floats, second: Floats) -> float:
    """Return the largest change of a score, or of a vector's element relative to the vector's length."""
    if kind == "reranker":
        return float(np.abs(_sigmoid(first) - _sigmoid(second)).max())
    return float((np.abs(first - second) / np.linalg.norm(first, axis=1, keepdims=True)).max())


def relative_square(first: Floats, second: Floats) -> float:
    """Return the mean squared change of vectors, float32 [vectors, dimensions], relative to their lengths."""
    difference, before = (first - second).astype(np.float64), first.astype(np.float64)
    return float(((difference**2).sum(axis=1) / (before**2).sum(axis=1)).mean())


def kendall_tau(expected: Floats, found: Floats) -> float:
    """Return the share of pairs in the same order minus that of pairs in another (Kendall 1938)."""
    upper = np.triu_indices(len(expected), k=1)
    signs = [np.sign(np.subtract.outer(values, values)[upper]) for values in (expected, found)]
    return float(2 * (signs[0] == signs[1]).mean() - 1)


def ndcg(ranked: Sequence[int], judged: Iterable[int], cut: int = 10) -> float:
    """Return nDCG@cut of one query with linear gain (Jarvelin and Kekalainen 2002), as trec_eval has it.

    DCG is the sum of grade / log2(place + 1), and nDCG its share of the best order's; 0 where nothing is relevant.

    Args:
        ranked: grades in the ranking's order, best place first.
        judged: grades of all documents, in any order.
        cut: places that count.
    """

    def gain(grades: Sequence[int]) -> float:
        return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades[:cut], 1))

    best = gain(sorted(judged, reverse=True))
    return gain(ranked) / best if best else 0.0


def ndcg_by(scores: Floats, grades: Sequence[int]) -> float:
    """Return nDCG@10 of ordering a query's documents by their scores, float32 [documents]."""
    return ndcg([grades[place] for place in np.argsort(-scores, kind="stable")], grades)


def _directions(values: Floats) -> NDArray[np.float64]:
    exact = values.astype(np.float64)
    return np.asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))


def _sigmoid(values: Floats) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-values.astype(np.float64))))


def _overlap(directions: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return which share of a text's nearest neighbours among the texts stays the same."""

    def nearest(found: NDArray[np.float64]) -> NDArray[np.int64]:
        similarities = found @ found.T
        np.fill_diagonal(similarities, -np.inf)
        return np.argsort(-similarities, axis=1)[:, :NEIGHBOURS]

    rows = zip(nearest(directions), nearest(others), strict=True)
    count = min(NEIGHBOURS, len(directions) - 1)
    return float(np.mean([len(np.intersect1d(first[:count], second[:count])) / count for first, second in rows]))
