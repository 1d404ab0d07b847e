"""`ShortlistTextEmbedder` for queries and `ShortlistDocumentEmbedder` for documents, by the server's dual encoder.

A `ShortlistDocumentStore` needs neither: its server embeds what is written and asked. They are for other stores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from haystack_integrations.document_stores.shortlist.documents import read
from shortlist.client import Clients, Embeddings


@component
class ShortlistTextEmbedder:
    """The embedding of a query, with the prefix before it that the model wants for queries.

    ShortlistTextEmbedder().run(text="what is France's capital?")["embedding"]
    """

    def __init__(self, *, address: str | None = None, timeout_s: float = 30.0) -> None:
        """Prepare to call a server; nothing is sent yet.

        Args:
            address: `host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.
            timeout_s: seconds that each call to the server may take.
        """
        self.address, self.timeout_s = address, timeout_s
        self._clients = Clients(address, timeout_s=timeout_s)

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component to a dictionary."""
        return default_to_dict(self, address=self.address, timeout_s=self.timeout_s)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ShortlistTextEmbedder":
        """Make a component out of a dictionary."""
        return default_from_dict(cls, data)

    def close(self) -> None:
        """Close the connection of threads."""
        self._clients.close()

    async def close_async(self) -> None:
        """Close the connection of the event loop that runs."""
        await self._clients.close_async()

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a query; `meta` says what was read of it, and whether it was longer than the model's window."""
        return _answered(self._clients.blocking().embed([text], "query"))

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed a query, without a thread; see `run`."""
        return _answered(await self._clients.of_loop().embed([text], "query"))


@component
class ShortlistDocumentEmbedder:
    """Documents with their embeddings, which the server makes of their texts.

    ShortlistDocumentEmbedder().run(documents=documents)["documents"]
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        batch_size: int = 64,
        meta_fields_to_embed: Sequence[str] = (),
        embedding_separator: str = "\n",
        timeout_s: float = 30.0,
    ) -> None:
        """Prepare to call a server; nothing is sent yet.

        Args:
            address: `host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.
            batch_size: documents in a call to the server.
            meta_fields_to_embed: fields of the meta that are read before the text.
            embedding_separator: what stands between these.
            timeout_s: seconds that each call to the server may take.
        """
        self.address, self.batch_size, self.timeout_s = address, batch_size, timeout_s
        self.meta_fields_to_embed, self.embedding_separator = list(meta_fields_to_embed), embedding_separator
        self._clients = Clients(address, timeout_s=timeout_s)

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component to a dictionary."""
        return default_to_dict(
            self,
            address=self.address,
            batch_size=self.batch_size,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            timeout_s=self.timeout_s,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ShortlistDocumentEmbedder":
        """Make a component out of a dictionary."""
        return default_from_dict(cls, data)

    def close(self) -> None:
        """Close the connection of threads."""
        self._clients.close()

    async def close_async(self) -> None:
        """Close the connection of the event loop that runs."""
        await self._clients.close_async()

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents, of any number; `meta` says what was read, and how many were longer than the window.

        Raises:
            ValueError: one has nothing to read.
        """
        client = self._clients.blocking()
        return _embedded(documents, [client.embed(texts) for texts in self._batches(documents)])

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents, without a thread; see `run`."""
        client = self._clients.of_loop()
        return _embedded(documents, [await client.embed(texts) for texts in self._batches(documents)])

    def _batches(self, documents: list[Document]) -> Iterator[list[str]]:
        """Yield what the model reads of documents, batch by batch, once each is found to have something."""
        texts = [read(one, self.meta_fields_to_embed, self.embedding_separator) for one in documents]
        for document, text in zip(documents, texts, strict=True):
            if not text.strip():
                raise ValueError(
                    f"document {document.id!r} has no text to embed; leave it out, or have fields of its meta read"
                )
        for start in range(0, len(texts), self.batch_size):
            yield texts[start : start + self.batch_size]


def _answered(embeddings: Embeddings) -> dict[str, Any]:
    return {"embedding": list(embeddings.vectors[0]), "meta": _meta([embeddings])}


def _embedded(documents: list[Document], parts: list[Embeddings]) -> dict[str, Any]:
    vectors = [list(vector) for part in parts for vector in part.vectors]
    made = [replace(document, embedding=vector) for document, vector in zip(documents, vectors, strict=True)]
    return {"documents": made, "meta": _meta(parts)}


def _meta(parts: list[Embeddings]) -> dict[str, Any]:
    tokens = sum(part.tokens for part in parts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"truncated": sum(part.truncated for part in parts), "usage": usage}
