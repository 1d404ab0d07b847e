"""`ShortlistDocumentStore`: Haystack's documents in a collection of a Shortlist server.

Each call is there twice, for threads and for asyncio; what both share is in `documents.py` and `filters.py`. Here are
those that read; `changes.py` has the others.
"""

from typing import Any

from haystack import Document, default_from_dict, default_to_dict

from . import documents as converted
from . import filters as translated
from .changes import Changes
from .connection import WHOLE_BATCH, batches


class ShortlistDocumentStore(Changes):
    """Documents in a collection, which the server embeds, indexes and finds.

        store = ShortlistDocumentStore("notes", address="127.0.0.1:50051")
        store.write_documents([Document(content="Paris is the capital of France.")])

    Documents need no embedding: the server makes one of the text. One that a document brings is stored as it is, and
    must come from the collection's embedder (`ShortlistDocumentEmbedder`).
    """

    def to_dict(self) -> dict[str, Any]:
        """Serialize the store to a dictionary."""
        return default_to_dict(
            self,
            collection=self.collection,
            address=self.address,
            timeout_s=self.timeout_s,
            language=self.language,
            return_embedding=self.return_embedding,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ShortlistDocumentStore":
        """Make a store out of a dictionary."""
        return default_from_dict(cls, data)

    def count_documents(self) -> int:
        """Return how many documents there are."""
        return self._client().count(self.collection)

    async def count_documents_async(self) -> int:
        """Return how many documents there are."""
        return await (await self._client_async()).count(self.collection)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """Return how many documents match."""
        with translated.refusals():
            return self._client().count(self.collection, where=translated.where(filters))

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """Return how many documents match."""
        with translated.refusals():
            return await (await self._client_async()).count(self.collection, where=translated.where(filters))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the documents that match, in the order in which the server wrote them last.

        Raises:
            FilterError: the filter is malformed, or says what Shortlist's filters cannot.
        """
        client, where = self._client(), translated.where(filters)
        with translated.refusals():
            if not self.return_embedding:
                return [converted.document(one) for one in client.list(self.collection, where=where)]
            ids = [one.id for one in client.list(self.collection, where=where, ids_only=True)]
        parts = [
            client.get(self.collection, part, skip_missing=True, include_vectors=True)
            for part in batches(ids, WHOLE_BATCH)
        ]
        return [converted.document(one) for part in parts for one in part]

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the documents that match; see `filter_documents`."""
        client, where = await self._client_async(), translated.where(filters)
        with translated.refusals():
            if not self.return_embedding:
                return [converted.document(one) async for one in client.list(self.collection, where=where)]
            ids = [one.id async for one in client.list(self.collection, where=where, ids_only=True)]
        parts = [
            await client.get(self.collection, part, skip_missing=True, include_vectors=True)
            for part in batches(ids, WHOLE_BATCH)
        ]
        return [converted.document(one) for part in parts for one in part]

    def search(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int = 10, **options: Any
    ) -> list[Document]:
        """Return the documents that answer a query, best first; what `ShortlistRetriever` runs.

        Args:
            query: what to look for.
            filters: which documents.
            top_k: how many to return.
            options: those of `shortlist.client.Client.search`, such as `mode` and `candidates`.

        Raises:
            NotFound: the collection is not there; no search makes one.
            FilterError: the filter is malformed, or says what Shortlist's filters cannot.
        """
        wanted = {"include_vectors": self.return_embedding, **options}
        with translated.refusals():
            client, where = self._clients.blocking(), translated.where(filters)
            result = client.search(self.collection, query, top_k, where=where, **wanted)
        return [converted.found(hit, result) for hit in result.hits]

    async def search_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int = 10, **options: Any
    ) -> list[Document]:
        """Return the documents that answer a query, best first; see `search`."""
        client, wanted = self._clients.of_loop(), {"include_vectors": self.return_embedding, **options}
        with translated.refusals():
            result = await client.search(self.collection, query, top_k, where=translated.where(filters), **wanted)
        return [converted.found(hit, result) for hit in result.hits]
