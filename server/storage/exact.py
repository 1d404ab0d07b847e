"""A query compared with vectors one by one: those that a filter matches, and those that a quantized index found."""

from collections.abc import Callable

import numpy as np
import onnxruntime  # noqa: F401 (before usearch, as in `index_file.py`)
from numpy.typing import NDArray
from usearch.compiled import MetricKind
from usearch.index import search as compared

from .unit_vectors import Directions, Keys

Read = Callable[[Keys], Directions]  # the directions under those of some keys that are there

_AT_ONCE = 500  # vectors; reading them takes a millisecond


def among(read: Read, direction: Directions, keys: Keys, count: int) -> tuple[Keys, NDArray[np.float32], bool]:
    """Return the keys and cosines of the `count` nearest of some vectors, and whether all of them are there.

    Args:
        read: what reads vectors.
        direction: the query, a single one.
        keys: those of the vectors to compare, each once.
        count: how many; at least 1.
    """
    nearest, distances, whole = keys[:0], np.empty(0, np.float32), True
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        there, units = read(some)
        whole = whole and len(there) == len(some)
        if len(units):
            most = min(count, len(units))  # usearch refuses more
            found = compared(units, direction.units[0], most, MetricKind.Cos, exact=True, threads=1)
            nearest = np.concatenate([nearest, there[np.array(found.keys, np.int64)]])
            distances = np.concatenate([distances, np.array(found.distances, np.float32)])
            order = np.argsort(distances, kind="stable")[:count]
            nearest, distances = nearest[order], distances[order]
    return nearest, 1.0 - distances, whole


def rescored(
    read: Read, direction: Directions, keys: Keys, cosines: NDArray[np.float32]
) -> tuple[Keys, NDArray[np.float32]]:
    """Return keys by their cosines as the vectors themselves have them, nearest first.

    Args:
        read: what reads vectors.
        direction: the query, a single one.
        keys: each once; one that is not there any more keeps its cosine, for the caller to notice.
        cosines: about those of the vectors: float32 [keys].
    """
    there, units = read(keys)
    exact = dict(zip(there.tolist(), (units.astype(np.float32) @ direction.units[0]).tolist(), strict=True))
    cosines = np.array([exact.get(key, about) for key, about in zip(keys.tolist(), cosines.tolist(), strict=True)])
    nearest = np.argsort(-cosines, kind="stable")
    return keys[nearest], cosines[nearest].astype(np.float32)
