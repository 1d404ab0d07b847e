"""What `AsyncClient` does with the documents of a collection."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

from . import arguments, requests, responses
from .async_connection import Connection
from .async_ingest import AsyncIngest
from .filters import Where
from .ingest import Ledger
from .types import (
    Document,
    IngestResult,
    Metadata,
    Source,
    UpsertResult,
)


class DocumentCalls(Connection):
    """The calls on documents."""

    async def upsert(
        self, collection: str, documents: Iterable[Document], *, timeout_s: float | None = None
    ) -> UpsertResult:
        """Insert documents, or replace those whose id is there already; see `Client.upsert`."""
        request = requests.upsert(collection, documents)
        return responses.upsert(await self._call(self._retrieval.Upsert, request, timeout_s))

    def ingest(
        self,
        collection: str,
        documents: Iterable[Document] | AsyncIterable[Document],
        *,
        create: bool = False,
        timeout_s: float | None = None,
    ) -> AsyncIterator[IngestResult]:
        """Insert or replace any number of documents, with `async for`; see `Client.ingest`."""
        start, deadline_s = requests.ingest_start(collection, create=create), self._deadline_s(timeout_s)
        if not isinstance(documents, AsyncIterable):
            documents = arguments.several("documents", documents, "documents")
        ledger = Ledger(start, deadline_s, self.address, self._note)
        return AsyncIngest(self._retrieval.Ingest, self._metadata, ledger).results(documents)

    async def delete(
        self,
        collection: str,
        ids: Iterable[str] = (),
        *,
        where: Where | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Delete documents by id, or all that match a filter; return how many of them were there."""
        response = await self._call(self._retrieval.Delete, requests.delete(collection, ids, where), timeout_s)
        return response.deleted

    async def count(self, collection: str, *, where: Where | None = None, timeout_s: float | None = None) -> int:
        """Return how many documents a collection holds, or how many of them match a filter."""
        response = await self._call(self._retrieval.Count, requests.count(collection, where), timeout_s)
        return response.documents

    async def update_metadata(
        self, collection: str, metadata: Mapping[str, Metadata], *, timeout_s: float | None = None
    ) -> None:
        """Set the metadata of documents, by id, and nothing else; see `Client.update_metadata`."""
        await self._call(self._retrieval.UpdateMetadata, requests.update_metadata(collection, metadata), timeout_s)

    async def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        skip_missing: bool = False,
        include_vectors: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Document, ...]:
        """Return documents by id, in the order of the ids; see `Client.get`."""
        request = requests.get(collection, ids, skip_missing=skip_missing, include_vectors=include_vectors)
        response = await self._call(self._retrieval.Get, request, timeout_s)
        return tuple(responses.document(one) for one in response.documents)

    async def list(
        self,
        collection: str,
        *,
        source: str = "",
        ids_only: bool = False,
        where: Where | None = None,
        page_size: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Document]:
        """Go through the documents of a collection with `async for`; see `Client.list`."""
        token = ""
        while True:
            request = requests.list_page(collection, page_size, token, source=source, ids_only=ids_only, where=where)
            page = await self._call(self._retrieval.List, request, timeout_s)
            for one in page.documents:
                yield responses.document(one)
            token = page.next_page_token
            if not token:
                return

    async def list_sources(
        self, collection: str, *, below: str = "", page_size: int | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Source]:
        """Go through what documents came from with `async for`; see `Client.list_sources`."""
        token = ""
        while True:
            request = requests.sources_page(collection, below, page_size, token)
            page = await self._call(self._retrieval.ListSources, request, timeout_s)
            for one in page.sources:
                yield responses.source(one)
            token = page.next_page_token
            if not token:
                return
