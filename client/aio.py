"""`AsyncClient`: the same calls as `Client`, for asyncio.

A client belongs to the event loop of its first call, and any number of that loop's tasks may share it. A cancelled
task cancels its call, on the server too.
"""

from collections.abc import Iterable

from . import model_requests, requests, responses, signatures
from .async_collections import CollectionCalls
from .async_documents import DocumentCalls
from .filters import Where
from .types import (
    CandidatesFrom,
    Embeddings,
    Mode,
    Model,
    RankFusion,
    RerankModel,
    RerankResult,
    SearchResult,
    TextKind,
    Tokenization,
    Truncation,
)


@signatures.checked
class AsyncClient(CollectionCalls, DocumentCalls):
    """A connection to a Shortlist server, for asyncio: search, index, rerank.

        async with AsyncClient("127.0.0.1:50051") as client:
            result = await client.search("notes", "what is France's capital?")

    Arguments, results, deadlines, retries and errors are those of `Client`, whose methods say more.
    """

    async def search(
        self,
        collection: str,
        query: str,
        top_k: int = 10,
        *,
        candidates: int | None = None,
        rerank_candidates: int | None = None,
        mode: Mode = "auto",
        include_text: bool = True,
        include_metadata: bool = True,
        include_vectors: bool = False,
        similarity_weight: float | None = None,
        margin: float | None = None,
        where: Where | None = None,
        candidates_from: CandidatesFrom | None = None,
        rank_fusion: RankFusion = "distribution",
        fresh: bool = False,
        timeout_s: float | None = None,
    ) -> SearchResult:
        """Find the documents that answer a query, best first; see `Client.search`."""
        request = requests.search(
            collection,
            query,
            top_k,
            candidates,
            rerank_candidates,
            mode,
            include_text,
            include_metadata,
            similarity_weight,
            margin,
            include_vectors,
            where,
            candidates_from,
            rank_fusion,
            fresh,
        )
        return responses.search(await self._call(self._retrieval.Search, request, timeout_s))

    async def embed(
        self,
        texts: Iterable[str],
        kind: TextKind = "document",
        *,
        truncation: Truncation | None = None,
        dimensions: int | None = None,
        normalize: bool = False,
        timeout_s: float | None = None,
    ) -> Embeddings:
        """Turn texts into vectors, with the embedder's prefix for `kind` before each; see `Client.embed`."""
        request = model_requests.embed(texts, kind, truncation=truncation, dimensions=dimensions, normalize=normalize)
        return responses.embed(await self._call(self._inference.Embed, request, timeout_s))

    async def rerank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        *,
        model: RerankModel = "reranker",
        truncation: Truncation | None = None,
        max_document_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> RerankResult:
        """Score texts against a query, best first; see `Client.rerank`."""
        request = model_requests.rerank(
            query, documents, top_k, truncation=truncation, max_document_tokens=max_document_tokens, model=model
        )
        return responses.rerank(request, await self._call(self._inference.Rerank, request, timeout_s))

    async def tokenize(
        self,
        texts: Iterable[str],
        model: Model = "embedder",
        *,
        query: str = "",
        kind: TextKind = "document",
        ends_only: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Tokenization, ...]:
        """Show how a model sees texts, and whether they fit its window; see `Client.tokenize`."""
        request = model_requests.tokenize(texts, model=model, query=query, kind=kind, ends_only=ends_only)
        return responses.tokenize(await self._call(self._inference.Tokenize, request, timeout_s))
