"""`ShortlistVectorStore`: LlamaIndex's nodes in a collection of a Shortlist server.

Each call is there twice, for threads and for asyncio; what both share is in `nodes.py`, `queries.py` and
`filters.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from shortlist.client import AsyncClient, Client, Clients, Filter, SearchResult, field

from . import filters as translated
from . import queries
from .nodes import NODE_ID, REF_DOC_ID, check_added, documents, node

# With these no call comes near the server's 64 MiB, however long texts are (1 MiB).
_WHOLE_BATCH = 50
_ID_BATCH = 1000


class ShortlistVectorStore(BasePydanticVectorStore):
    """Nodes in a collection, which the server embeds, indexes and finds.

        store = ShortlistVectorStore(collection="notes", address="127.0.0.1:50051")
        store.add([TextNode(text="Paris is the capital of France.")])
        index = VectorStoreIndex.from_vector_store(store, embed_model=ShortlistEmbedding())

    Nodes need no embedding: the server makes one. One that a node brings is stored as it is; it must come from the
    collection's embedder (`ShortlistEmbedding`).
    """

    stores_text: bool = True
    is_embedding_query: bool = False  # the server embeds queries
    collection: str = Field(description="Its name; where it is not there, the first call that is no search makes it.")
    address: str | None = Field(
        default=None,
        description="`host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.",
    )
    timeout_s: float = Field(default=30.0, description="Seconds that each call to the server may take.")
    language: str | None = Field(
        default=None,
        description="Of a collection that is made here, see `shortlist.client.Client.create_collection`.",
    )

    _clients: Clients = PrivateAttr()
    _is_made: bool = PrivateAttr(default=False)

    def model_post_init(self, context: Any, /) -> None:
        """Prepare to call the server; nothing is sent yet."""
        super().model_post_init(context)
        self._clients = Clients(self.address, timeout_s=self.timeout_s)

    @classmethod
    def class_name(cls) -> str:
        """Return the class's name, by which it is serialized."""
        return "ShortlistVectorStore"

    @property
    def client(self) -> Client:
        """Return the client for threads."""
        return self._clients.blocking()

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:  # noqa: ARG002 (LlamaIndex passes its own)
        """Add nodes, of any number, or replace those whose id is there; return their ids.

        Raises:
            ValueError: the server refused some; the others are stored.
        """
        given = documents(nodes)
        check_added(list(self._there().ingest(self.collection, given.values())))
        return list(given)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:  # noqa: ARG002 (the same)
        """Add nodes, of any number, or replace those whose id is there; see `add`."""
        given = documents(nodes)
        client = await self._there_async()
        check_added([one async for one in client.ingest(self.collection, given.values())])
        return list(given)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:  # noqa: ARG002 (the same)
        """Delete all nodes that were made of a document, in one call."""
        self._there().delete(self.collection, where=field(REF_DOC_ID, lenient=True) == ref_doc_id)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:  # noqa: ARG002 (the same)
        """Delete all nodes that were made of a document, in one call."""
        client = await self._there_async()
        await client.delete(self.collection, where=field(REF_DOC_ID, lenient=True) == ref_doc_id)

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes of some ids, in their order, those that match, or those of both; without either all."""
        client, where = self._there(), translated.where(filters)
        if node_ids is None or where is not None:
            return [node(one) for one in client.list(self.collection, where=_scope(node_ids, where))]
        parts = [client.get(self.collection, part, skip_missing=True) for part in _batches(node_ids, _WHOLE_BATCH)]
        return [node(one) for part in parts for one in part]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return the nodes of some ids, in their order, those that match, or those of both; without either all."""
        client, where = await self._there_async(), translated.where(filters)
        if node_ids is None or where is not None:
            return [node(one) async for one in client.list(self.collection, where=_scope(node_ids, where))]
        parts = [
            await client.get(self.collection, part, skip_missing=True) for part in _batches(node_ids, _WHOLE_BATCH)
        ]
        return [node(one) for part in parts for one in part]

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,  # noqa: ARG002 (the same)
    ) -> None:
        """Delete the nodes of some ids, those that match, or those of both.

        Raises:
            ValueError: neither is named.
        """
        client, where = self._there(), _deletion(node_ids, filters)
        if where is not None:
            client.delete(self.collection, where=_scope(node_ids, where))
            return
        for part in _batches(node_ids or (), _ID_BATCH):
            client.delete(self.collection, part)

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,  # noqa: ARG002 (the same)
    ) -> None:
        """Delete the nodes of some ids, those that match, or those of both; see `delete_nodes`."""
        client, where = await self._there_async(), _deletion(node_ids, filters)
        if where is not None:
            await client.delete(self.collection, where=_scope(node_ids, where))
            return
        for part in _batches(node_ids or (), _ID_BATCH):
            await client.delete(self.collection, part)

    def clear(self) -> None:
        """Delete all nodes."""
        self._there().delete(self.collection, where=translated.EVERYTHING)

    async def aclear(self) -> None:
        """Delete all nodes."""
        await (await self._there_async()).delete(self.collection, where=translated.EVERYTHING)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Search, as the query's mode says; `kwargs` are options of `shortlist.client.Client.search`.

        Raises:
            NotFound: the collection is not there; no search makes one.
            ValueError: the query asks for what Shortlist does not do.
        """
        return queries.result(self.search(**{**queries.arguments(query), **kwargs}))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Search, as the query's mode says; see `query`."""
        return queries.result(await self.asearch(**{**queries.arguments(query), **kwargs}))

    def search(self, query: str, **options: Any) -> SearchResult:
        """Search with the options of `shortlist.client.Client.search`; what `ShortlistRetriever` runs."""
        return self._clients.blocking().search(self.collection, query, **options)

    async def asearch(self, query: str, **options: Any) -> SearchResult:
        """Search with the options of `shortlist.client.Client.search`; what `ShortlistRetriever` runs."""
        return await self._clients.of_loop().search(self.collection, query, **options)

    def _there(self) -> Client:
        """Return the client for threads, once the collection is there."""
        client = self._clients.blocking()
        if not self._is_made:
            client.create_collection(self.collection, exist_ok=True, language=self.language)
            self._is_made = True
        return client

    async def _there_async(self) -> AsyncClient:
        """Return the client of the event loop that runs, once the collection is there."""
        client = self._clients.of_loop()
        if not self._is_made:
            await client.create_collection(self.collection, exist_ok=True, language=self.language)
            self._is_made = True
        return client


def _deletion(node_ids: list[str] | None, filters: MetadataFilters | None) -> Filter | None:
    where = translated.where(filters)
    if node_ids is None and where is None:
        raise ValueError("delete_nodes: name node_ids, filters or both; clear() deletes all nodes")
    return where


def _scope(node_ids: list[str] | None, where: Filter | None) -> Filter | None:
    return translated.both(where, None if node_ids is None else translated.among(NODE_ID, node_ids))


def _batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield ids in batches of at most so many."""
    remaining = iter(ids)
    while batch := list(islice(remaining, size)):
        yield batch
