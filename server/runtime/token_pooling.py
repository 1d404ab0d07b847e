"""Token vectors that are alike, merged: Ward's clustering by cosine, as sentence-transformers and PyLate pool.

Half of the vectors keep ColBERT's order (Clavie et al. 2024, arXiv:2409.14683). SciPy is no part of the server: a
text has some hundred vectors, of which those that are nearest are merged until few enough are left.
"""

import numpy as np
from numpy.typing import NDArray

from .manifest import TokenPooling

Floats = NDArray[np.float32]


def pooled(vectors: Floats, pooling: TokenPooling) -> Floats:
    """Merge a text's vectors.

    Args:
        vectors: float32 [vectors, dimensions], of length 1.
        pooling: how.

    Returns:
        float32 [fewer, dimensions]: the protected ones, then the clusters' means in the order of their first vectors.
    """
    rest = vectors[pooling.protected :]
    count = max(int(len(rest) // pooling.factor), 1)
    if count < len(rest):
        means = [rest[labels].mean(axis=0) for labels in clusters(_distances(rest), count)]
        vectors = np.concatenate([vectors[: pooling.protected], np.stack(means)])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if pooling.normalized else vectors


def clusters(distances: NDArray[np.float64], count: int) -> list[NDArray[np.int64]]:
    """Join what is nearest by Ward's criterion until `count` clusters are left; fewer where the last joins tie.

    Args:
        distances: float64 [items, items].
        count: how many.

    Returns:
        Each cluster's items, the clusters in the order of their first ones.
    """
    squares = distances**2
    np.fill_diagonal(squares, np.inf)
    members = [[place] for place in range(len(squares))]
    sizes = np.ones(len(squares))
    left, height = len(squares), -np.inf
    while left > 1:
        first, second = sorted(divmod(int(squares.argmin()), len(squares)))
        nearest = squares[first, second]
        if left <= count and nearest > height:
            break
        height = max(height, nearest)
        _join(squares, sizes, first, second)
        members[first] += members[second]
        members[second] = []
        left -= 1
    return [np.array(sorted(found)) for found in members if found]


def _join(squares: NDArray[np.float64], sizes: NDArray[np.float64], first: int, second: int) -> None:
    """Put a cluster into another's row, with its distances to all others (Lance and Williams 1967)."""
    joined = (
        (sizes[first] + sizes) * squares[first]
        + (sizes[second] + sizes) * squares[second]
        - sizes * squares[first, second]
    ) / (sizes[first] + sizes[second] + sizes)
    joined[[first, second]] = np.inf
    squares[first], squares[:, first] = joined, joined
    squares[second], squares[:, second] = np.inf, np.inf
    sizes[first] += sizes[second]


def _distances(vectors: Floats) -> NDArray[np.float64]:
    """Return 1 - cosine of vectors of length 1, summed in float32 as the libraries do, as float64."""
    distances: NDArray[np.float64] = np.clip(1 - vectors @ vectors.T, 0, 2).astype(np.float64)
    return distances
