"""A collection as one of LangChain's vector stores. The server embeds what is stored and what is asked.

Each call is there twice, for threads and for asyncio; what both share is in `searching.py`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from shortlist.client import SearchResult

from . import searching
from .diversity import diverse
from .stored import StoredDocuments


class ShortlistVectorStore(StoredDocuments):
    """A collection of a Shortlist server.

        store = ShortlistVectorStore("notes", address="127.0.0.1:50051")
        store.add_texts(["Paris is the capital of France."], [{"year": 2024}])
        store.similarity_search("what is France's capital?", k=1, filter={"year": {"gte": 2020}})

    What LangChain calls a similarity search runs both stages here, unless it is told `mode="dense"`. Searches take
    what `SearchOptions` lists, and refuse any other name. The first addition makes the collection.
    """

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make the collection, unless it is there, and add texts; `kwargs` are the constructor's."""
        store = cls(embedding=embedding, **kwargs)
        store.clients.blocking().create_collection(store.collection, exist_ok=True, timeout_s=store.timeout_s)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make the collection, unless it is there, and add texts; `kwargs` are the constructor's."""
        store = cls(embedding=embedding, **kwargs)
        await store.clients.of_loop().create_collection(store.collection, exist_ok=True, timeout_s=store.timeout_s)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def from_documents(cls, documents: list[Document], embedding: Embeddings | None = None, **kwargs: Any) -> Self:
        """Make the collection, unless it is there, and add documents; `kwargs` are the constructor's."""
        return super().from_documents(documents, embedding, **kwargs)  # type: ignore[arg-type] # passed to from_texts

    @classmethod
    async def afrom_documents(
        cls, documents: list[Document], embedding: Embeddings | None = None, **kwargs: Any
    ) -> Self:
        """Make the collection, unless it is there, and add documents; `kwargs` are the constructor's."""
        return await super().afrom_documents(documents, embedding, **kwargs)  # type: ignore[arg-type] # the same

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the documents that answer a query, best first."""
        return [searching.found(hit) for hit in self._search(query, k, kwargs).hits]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the documents that answer a query, best first."""
        return [searching.found(hit) for hit in (await self._asearch(query, k, kwargs)).hits]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return documents, best first, with the number by which they are ordered; more is better.

        It is the score of stage two, 0 to 1 (together with the similarity where that has a weight), and NaN for
        documents that stage two did not read; in mode `dense` it is the cosine, in mode `late-interaction` MaxSim as
        a mean cosine.
        """
        return _scored(self._search(query, k, kwargs))

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Return what `similarity_search_with_score` does."""
        return _scored(await self._asearch(query, k, kwargs))

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Raise NotImplementedError: a search begins with the query's text."""
        raise NotImplementedError(_BY_TEXT)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Raise NotImplementedError: a search begins with the query's text."""
        raise NotImplementedError(_BY_TEXT)

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Return documents that answer a query and are not alike.

        Args:
            query: what to look for.
            k: documents to return.
            fetch_k: documents to choose from: the best of both stages.
            lambda_mult: 1 is similarity to the query alone, 0 is difference alone.
            kwargs: as for other searches.
        """
        hits = self._search(query, max(k, fetch_k), kwargs, include_vectors=True).hits
        return [searching.found(hit) for hit in diverse(hits, k, lambda_mult)]

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Return what `max_marginal_relevance_search` does."""
        answer = await self._asearch(query, max(k, fetch_k), kwargs, include_vectors=True)
        return [searching.found(hit) for hit in diverse(answer.hits, k, lambda_mult)]

    def _search(
        self, query: str, k: int, options: Mapping[str, Any], *, include_vectors: bool = False
    ) -> SearchResult:
        arguments = searching.arguments(k, options, self.timeout_s)
        client = self.clients.blocking()
        return client.search(self.collection, query, include_vectors=include_vectors, **arguments)

    async def _asearch(
        self, query: str, k: int, options: Mapping[str, Any], *, include_vectors: bool = False
    ) -> SearchResult:
        arguments = searching.arguments(k, options, self.timeout_s)
        client = self.clients.of_loop()
        return await client.search(self.collection, query, include_vectors=include_vectors, **arguments)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return _relevance


_BY_TEXT = (
    "a search by a vector: Shortlist's begin with the query's text, which stage two reads and the server embeds;"
    " use similarity_search or max_marginal_relevance_search"
)


def _scored(answer: SearchResult) -> list[tuple[Document, float]]:
    return [(searching.found(hit), searching.score(hit, answer)) for hit in answer.hits]


def _relevance(score: float) -> float:
    """Return a score from 0 to 1: those of stage two are, and cosines below 0 are as good as 0; NaN stays."""
    return score if math.isnan(score) else min(1.0, max(0.0, score))
