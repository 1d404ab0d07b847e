"""Token vectors merged as SciPy's Ward clustering merges them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from shortlist.server.runtime.manifest import TokenPooling
from shortlist.server.runtime.token_pooling import clusters, pooled


def unit(count: int, seed: int, dimensions: int = 6) -> np.ndarray:
    """Return random vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_scipy(distances: np.ndarray, count: int) -> set[frozenset[int]]:
    """Return SciPy's clusters."""
    tree = hierarchy.linkage(squareform(distances, checks=False), method="ward")
    labels = hierarchy.fcluster(tree, t=count, criterion="maxclust")
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


@given(st.integers(2, 40), st.floats(1, 4), st.integers(0, 10_000))
@settings(max_examples=60)
def test_clusters_are_those_of_scipy(count: int, factor: float, seed: int) -> None:
    """Any number of vectors falls into the clusters that the libraries' own code finds, ordered by their first."""
    vectors = unit(count, seed)
    distances = np.clip(1 - vectors @ vectors.T, 0, 2).astype(np.float64)
    wanted = max(int(count // factor), 1)
    found = clusters(distances, wanted)
    assert {frozenset(one.tolist()) for one in found} == by_scipy(distances, wanted)
    assert [one[0] for one in found] == sorted(one[0] for one in found)


def test_joins_that_tie_are_made_together() -> None:
    """Where the last join is as near as the next, both are made, and fewer clusters are left, as in SciPy."""
    distances = np.array([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]], np.float64)
    assert [one.tolist() for one in clusters(distances, 3)] == [[0, 1], [2, 3]]
    assert by_scipy(distances, 3) == {frozenset({0, 1}), frozenset({2, 3})}


@pytest.mark.parametrize(("factor", "left"), [(1.0, 9), (2.0, 5), (1.5, 6), (100.0, 2)])
def test_so_many_are_left(factor: float, left: int) -> None:
    """One of so many is left of those behind the protected one, and one at least."""
    found = pooled(unit(9, 3), TokenPooling(factor, 1, normalized=True))
    assert len(found) == left
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_means_keep_their_length_unless_normalized() -> None:
    """A mean of vectors that differ is shorter than 1, as the first versions of sentence-transformers leave it."""
    vectors = unit(9, 3)
    found = pooled(vectors, TokenPooling(4.0, 0, normalized=False))
    assert len(found) == 2
    assert np.linalg.norm(found, axis=1).max() < 1
    assert pooled(vectors[:1], TokenPooling(4.0, 1, normalized=False)).tolist() == vectors[:1].tolist()
