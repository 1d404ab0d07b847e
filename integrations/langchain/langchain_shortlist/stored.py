"""The documents of a collection, as a vector store adds, gets and deletes them.

Each call is there twice, for threads and for asyncio; what both share is in `adding.py` and `parts.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from shortlist.client import Clients, Where
from shortlist.client import Document as Stored

from . import searching
from .adding import Adding
from .connection import connect
from .embeddings import ShortlistEmbeddings
from .parts import ain_parts, in_parts


class AddOptions(TypedDict, total=False):
    """What an addition can be told beside texts, metadata and ids."""

    batch_size: int | None  # langchain_core.indexing gives one; the server makes batches by itself
    timeout_s: float | None


class DeleteOptions(TypedDict, total=False):
    """What a deletion can be told beside ids."""

    filter: Where | None
    timeout_s: float | None


class StoredDocuments(VectorStore):
    """The part of a vector store that does not search."""

    def __init__(
        self,
        collection: str,
        embedding: Embeddings | None = None,
        *,
        address: str | None = None,
        timeout_s: float | None = None,
        clients: Clients | None = None,
        title_key: str | None = None,
    ) -> None:
        """Prepare to call a server; nothing is sent yet.

        Args:
            collection: its name.
            embedding: None, or a `ShortlistEmbeddings`, whose server is then the store's.
            address: `host:port` of the server; else what the clients or the embedding call, or SHORTLIST_ADDRESS
                says, or 127.0.0.1:50051.
            timeout_s: seconds that each call to the server may take; None: as the clients have it, 30.
            clients: one for threads and one for each event loop; pass those of another object to share its
                connections.
            title_key: which of the metadata both models read before the text, such as the headings that lead to it;
                None: the text alone.

        Raises:
            ValueError: `embedding` is not the server's, or two servers are named.
        """
        if embedding is None:
            embedding = ShortlistEmbeddings(clients=connect(clients, address), timeout_s=timeout_s)
        elif not isinstance(embedding, ShortlistEmbeddings):
            raise ValueError(
                f"embedding: got {type(embedding).__name__}, but the server embeds what it stores with its own model;"
                " pass None, or a ShortlistEmbeddings"
            )
        self.clients = connect(clients or embedding.clients, address or embedding.address)
        self._embeddings = embedding
        self.collection, self.timeout_s, self.title_key = collection, timeout_s, title_key

    @property
    def embeddings(self) -> Embeddings:
        """Return the server's embedder."""
        return self._embeddings

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add any number of texts, or replace those whose id is there, and return their ids.

        Raises:
            RefusedDocuments: the server did not take some of them; the others are stored.
        """
        adding, timeout_s = Adding(texts, metadatas, ids, self.title_key), self._adding_timeout_s(kwargs)
        found = self.clients.blocking().ingest(self.collection, adding.documents(), create=True, timeout_s=timeout_s)
        for result in found:
            adding.take(result)
        adding.check()
        return adding.ids

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add any number of texts, or replace those whose id is there, and return their ids.

        Raises:
            RefusedDocuments: the server did not take some of them; the others are stored.
        """
        adding, timeout_s = Adding(texts, metadatas, ids, self.title_key), self._adding_timeout_s(kwargs)
        client = self.clients.of_loop()
        async for result in client.ingest(self.collection, adding.documents(), create=True, timeout_s=timeout_s):
            adding.take(result)
        adding.check()
        return adding.ids

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete documents by id, or with `filter=` all that match; ids that are not there are no error.

        Raises:
            ValueError: neither is named, or both.
        """
        where, timeout_s = self._deletion(ids, kwargs)
        client = self.clients.blocking()
        if where is not None:
            client.delete(self.collection, where=where, timeout_s=timeout_s)

        def call(part: Sequence[str]) -> Sequence[int]:
            return [client.delete(self.collection, part, timeout_s=timeout_s)]

        in_parts(call, ids or [])
        return True

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete documents by id, or with `filter=` all that match; ids that are not there are no error.

        Raises:
            ValueError: neither is named, or both.
        """
        where, timeout_s = self._deletion(ids, kwargs)
        client = self.clients.of_loop()
        if where is not None:
            await client.delete(self.collection, where=where, timeout_s=timeout_s)

        async def call(part: Sequence[str]) -> Sequence[int]:
            return [await client.delete(self.collection, part, timeout_s=timeout_s)]

        await ain_parts(call, ids or [])
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents that are there, once each."""

        def call(part: Sequence[str]) -> Sequence[Stored]:
            return self.clients.blocking().get(self.collection, part, skip_missing=True, timeout_s=self.timeout_s)

        return [_document(one) for one in in_parts(call, list(dict.fromkeys(ids)))]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents that are there, once each."""

        async def call(part: Sequence[str]) -> Sequence[Stored]:
            client = self.clients.of_loop()
            return await client.get(self.collection, part, skip_missing=True, timeout_s=self.timeout_s)

        return [_document(one) for one in await ain_parts(call, list(dict.fromkeys(ids)))]

    def _adding_timeout_s(self, options: Mapping[str, Any]) -> float | None:
        searching.check_names(options, AddOptions)
        timeout_s: float | None = options.get("timeout_s", self.timeout_s)
        return timeout_s

    def _deletion(self, ids: Sequence[str] | None, options: Mapping[str, Any]) -> tuple[Where | None, float | None]:
        """Return filter and deadline of a deletion.

        Raises:
            ValueError: it names neither ids nor a filter, or both.
        """
        searching.check_names(options, DeleteOptions)
        where = options.get("filter")
        if (ids is None) == (where is None):
            named = "neither" if ids is None else "both"
            raise ValueError(
                f"delete: got {named} of ids and filter, but one says what is deleted; name one of them"
                " (all that there is: shortlist.client.Client.drop_collection)"
            )
        return where, options.get("timeout_s", self.timeout_s)


def _document(stored: Stored) -> Document:
    return searching.document(stored.id, stored.title, stored.text, stored.metadata)
