"""How much of what is nearest a server's stage one finds: its first fifty against those of an exact search.

A hit counts if it is as near as the fiftieth of an exact search: among copies any of them will do.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.bench.concurrency import each
from shortlist.client import AsyncClient
from shortlist.server.storage import unit_vectors
from shortlist.server.storage.documents import Documents

_NEAREST = 50
_BLOCK = 20_000  # documents that are compared at once
_UNDER_WAY = 4  # calls
_ROUNDING = 1e-5  # of a cosine in float32


def measure(address: str, collection: str, path: Path, queries: Sequence[str]) -> dict[str, float]:
    """Return recall@50 of a server's dense search: the mean, the worst query's, and the share of those without any.

    Args:
        address: the server's.
        collection: that is searched.
        path: its documents.
        queries: at least one.
    """
    answers = asyncio.run(_asked(address, collection, queries))
    wanted = nearest(path, np.array([vector for vector, _ in answers], np.float32))
    recalls = [
        sum(one >= min(best) - _ROUNDING for one in found) / len(best)
        for (_, found), best in zip(answers, wanted, strict=True)
    ]
    nothing = sum(one == 0 for one in recalls) / len(recalls)
    return {"recall_at_50": sum(recalls) / len(recalls), "worst_recall": min(recalls), "nothing_found": nothing}


async def _asked(address: str, collection: str, queries: Sequence[str]) -> list[tuple[Sequence[float], list[float]]]:
    """Return the vectors of queries as the server makes them, and the cosines of what it finds."""
    async with AsyncClient(address) as client:

        async def ask(query: str) -> tuple[Sequence[float], list[float]]:
            embedded = await client.embed([query], kind="query")
            found = await client.search(collection, query, top_k=_NEAREST, mode="dense", include_text=False)
            return embedded.vectors[0], [hit.similarity for hit in found.hits]

        return await each(ask, queries, _UNDER_WAY)


def nearest(path: Path, vectors: NDArray[np.float32]) -> list[list[float]]:
    """Return the cosines of the fifty documents that are nearest to each vector, by comparing with all of them.

    Args:
        path: a collection's documents.
        vectors: float32 [queries, dimensions].
    """
    rows, asked = Documents(path), _units(vectors)
    try:
        keys = rows.keys()
        best = np.empty((len(vectors), 0), np.uint64)
        cosines = np.empty((len(vectors), 0))
        for start in range(0, len(keys), _BLOCK):
            found, block = rows.vectors(keys[start : start + _BLOCK])
            near = asked @ _units(block).T
            cosines = np.concatenate([cosines, near], axis=1)
            best = np.concatenate([best, np.broadcast_to(found, near.shape)], axis=1)
            order = np.argsort(-cosines, axis=1)[:, :_NEAREST]
            cosines, best = np.take_along_axis(cosines, order, 1), np.take_along_axis(best, order, 1)
        of = [dict(zip(*both, strict=True)) for both in zip(best.tolist(), cosines.tolist(), strict=True)]
        # Copies share a key: of fifty keys there may be more documents, and the nearest fifty count.
        return [[near[row.key] for row in rows.nearest(keys, _NEAREST)] for near, keys in zip(of, best, strict=True)]
    finally:
        rows.close()


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return directions as the index holds them, at full length: float16 rounds each number, and so the length."""
    exact = unit_vectors.of(vectors).units.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)  # type: ignore[no-any-return]  # NumPy's division
