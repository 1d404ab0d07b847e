"""Maximal marginal relevance, held against LangChain's own."""

import numpy as np
import pytest
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from langchain_shortlist.diversity import diverse
from shortlist.client import Hit


def hits(query: np.ndarray, vectors: np.ndarray) -> list[Hit]:
    """Return hits with these vectors."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return [
        Hit(str(place), None, None, float(vector @ query / length), place + 1, "", "text", {}, tuple(vector.tolist()))
        for place, (vector, length) in enumerate(zip(vectors, lengths, strict=True))
    ]


@pytest.mark.parametrize("lambda_mult", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 4, 12, 20])
def test_it_chooses_what_langchain_chooses(k: int, lambda_mult: float):
    """The same hits in the same order, of random vectors of any length."""
    rng = np.random.default_rng(k)
    query, vectors = rng.normal(size=8), rng.normal(size=(12, 8))
    expected = maximal_marginal_relevance(query, list(vectors), lambda_mult=lambda_mult, k=k)
    found = [int(hit.id) for hit in diverse(hits(query, vectors), k, lambda_mult)]
    assert found == expected


def test_nothing_comes_of_nothing():
    """No hits, no choice."""
    assert diverse([], 4, 0.5) == []
