"""How much of what is nearest a server's stage one finds: its first ten against those of an exact search."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.client import AsyncClient
from shortlist.server.storage.documents import Documents

from .study import each

_NEAREST = 10
_BLOCK = 20_000  # documents that are compared at once
_UNDER_WAY = 4  # calls


def measure(address: str, collection: str, path: Path, queries: Sequence[str]) -> float:
    """Return recall@10 of a server's dense search, the mean over queries.

    Args:
        address: the server's.
        collection: that is searched.
        path: its documents.
        queries: at least one.
    """
    answers = asyncio.run(_asked(address, collection, queries))
    wanted = nearest(path, np.array([vector for vector, _ in answers], np.float32))
    hits = [len(set(ids) & set(other)) / len(other) for (_, ids), other in zip(answers, wanted, strict=True)]
    return sum(hits) / len(hits)


async def _asked(address: str, collection: str, queries: Sequence[str]) -> list[tuple[Sequence[float], list[str]]]:
    """Return the vectors of queries as the server makes them, and the ids that it finds."""
    async with AsyncClient(address) as client:

        async def ask(query: str) -> tuple[Sequence[float], list[str]]:
            embedded = await client.embed([query], kind="query")
            found = await client.search(collection, query, top_k=_NEAREST, mode="dense")
            return embedded.vectors[0], [hit.id for hit in found.hits]

        return await each(ask, queries, _UNDER_WAY)


def nearest(path: Path, vectors: NDArray[np.float32]) -> list[list[str]]:
    """Return the ids of the ten documents that are nearest to each vector by cosine, by comparing with all of them.

    Args:
        path: a collection's documents.
        vectors: float32 [queries, dimensions].
    """
    rows = Documents(path)
    try:
        keys = rows.keys()
        best = np.empty((len(vectors), 0), np.uint64)
        scores = np.empty((len(vectors), 0), np.float32)
        for start in range(0, len(keys), _BLOCK):
            found, block = rows.vectors(keys[start : start + _BLOCK])
            # A query's own length does not change its order.
            cosines = vectors @ (block / np.linalg.norm(block, axis=1, keepdims=True)).T
            scores = np.concatenate([scores, cosines], axis=1)
            best = np.concatenate([best, np.broadcast_to(found, cosines.shape)], axis=1)
            order = np.argsort(-scores, axis=1)[:, :_NEAREST]
            scores, best = np.take_along_axis(scores, order, 1), np.take_along_axis(best, order, 1)
        return [[row.document.id for row in rows.nearest(ten, _NEAREST)] for ten in best]
    finally:
        rows.close()
