"""Shortlist itself: its server as `shortlist serve` starts it, asked through its client over gRPC."""

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from shortlist.bench import local
from shortlist.client import AsyncClient, Document

from .peer import Floats, Kind, Models, Peer, PeersError

_COLLECTION, _INGESTED = "peers", "ingested"
_BATCH = 100  # documents in one upsert
_PATIENCE_S = 120.0


class Shortlist(Peer):
    """Shortlist's server, with its defaults but for the cache."""

    name = "Shortlist"
    loads: ClassVar[frozenset[Kind]] = frozenset({"rerank", "embed", "search", "ingest"})
    version = f"shortlist {version('shortlist')}, onnxruntime {version('onnxruntime')}"

    def __init__(self) -> None:
        """Start nothing yet."""
        self._open = contextlib.ExitStack()
        self._client: AsyncClient | None = None

    @property
    def _ready(self) -> AsyncClient:
        if self._client is None:
            raise PeersError("Shortlist was not started")
        return self._client

    async def start(self, models: Models) -> None:
        """Start the server with a data folder of its own."""
        self.graph = models.variant
        data = self._open.enter_context(tempfile.TemporaryDirectory())
        serving = local.serving(
            *("--embedder", str(models.embedder_bundle), "--reranker", str(models.reranker_bundle)),
            *("--embedder-variant", models.variant, "--reranker-variant", models.variant),
            # What was asked before is computed again, as the peers do.
            *("--cache-mb", "0", "--data", data, "--log-level", "warning"),
        )
        address = await asyncio.to_thread(self._open.enter_context, serving)
        self._client = AsyncClient(address, timeout_s=_PATIENCE_S)
        await self._client.create_collection(_INGESTED)

    async def rerank(self, query: str, passages: Sequence[str]) -> Floats:
        """Return a score for each passage."""
        result = await self._ready.rerank(query, passages)
        if result.degraded:
            raise PeersError(f"Shortlist scored {result.reranked} of {len(passages)} passages: its deadline came")
        scores = np.empty(len(passages), np.float32)
        for ranked in result.results:
            scores[ranked.index] = ranked.score
        return scores

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of queries."""
        return np.array((await self._ready.embed(texts, kind="query")).vectors, np.float32)

    async def index(self, documents: Sequence[Document]) -> None:
        """Upsert the documents, some at a time."""
        await self._ready.create_collection(_COLLECTION)
        for start in range(0, len(documents), _BATCH):
            await self._ready.upsert(_COLLECTION, documents[start : start + _BATCH])

    async def ingest(self, documents: Sequence[Document]) -> None:
        """Upsert the documents into a collection of their own."""
        await self._ready.upsert(_INGESTED, documents)

    async def search(self, query: str, candidates: int, top_k: int) -> list[str]:
        """Search with both stages, in the order of the scores alone, as the peers do."""
        result = await self._ready.search(
            *(_COLLECTION, query), top_k=top_k, candidates=candidates, mode="two-stage", similarity_weight=0.0
        )
        if result.degraded:
            raise PeersError(f"Shortlist scored {result.reranked} of {candidates} candidates: its deadline came")
        return [hit.id for hit in result.hits]

    async def stop(self) -> None:
        """Stop the server."""
        if self._client is not None:
            await self._client.close()
        await asyncio.to_thread(self._open.close)
