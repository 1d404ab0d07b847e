"""`ShortlistRanker`: stage two by itself, on documents from anywhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from haystack_integrations.document_stores.shortlist.documents import read
from shortlist.client import Clients, RerankResult


@component
class ShortlistRanker:
    """Documents ordered by how well they answer a query, as the server's cross-encoder reads both.

        ranker = ShortlistRanker(top_k=5)
        ranker.run(query="what is France's capital?", documents=documents)["documents"]

    A document's score is 0 to 1; None where the deadline came before it was read, and then where it has no text. Such
    documents follow the others. It does not depend on the documents beside it.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        top_k: int | None = 10,
        meta_fields_to_embed: Sequence[str] = (),
        embedding_separator: str = "\n",
        timeout_s: float = 30.0,
    ) -> None:
        """Prepare to call a server; nothing is sent yet.

        Args:
            address: `host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.
            top_k: documents to return, unless a run says otherwise; None: all.
            meta_fields_to_embed: fields of the meta that are read before the text.
            embedding_separator: what stands between these.
            timeout_s: seconds that each call to the server may take.
        """
        self.address, self.top_k, self.timeout_s = address, top_k, timeout_s
        self.meta_fields_to_embed, self.embedding_separator = list(meta_fields_to_embed), embedding_separator
        self._clients = Clients(address, timeout_s=timeout_s)

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component to a dictionary."""
        return default_to_dict(
            self,
            address=self.address,
            top_k=self.top_k,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            timeout_s=self.timeout_s,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ShortlistRanker":
        """Make a component out of a dictionary."""
        return default_from_dict(cls, data)

    def close(self) -> None:
        """Close the connection of threads."""
        self._clients.close()

    async def close_async(self) -> None:
        """Close the connection of the event loop that runs."""
        await self._clients.close_async()

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """Order documents, best first; of several with one id the one with the highest score is taken.

        Args:
            query: what they are to answer.
            documents: those to order; 1,000 at most, unless the server says otherwise.
            top_k: documents to return.
        """
        read, texts, blank = self._read(documents)
        most = self.top_k if top_k is None else top_k
        if not read:
            return {"documents": blank[:most]}
        result = self._clients.blocking().rerank(query, texts, _within(most, read))
        return {"documents": (_ordered(read, result) + blank)[:most]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Order documents, without a thread; see `run`."""
        read, texts, blank = self._read(documents)
        most = self.top_k if top_k is None else top_k
        if not read:
            return {"documents": blank[:most]}
        result = await self._clients.of_loop().rerank(query, texts, _within(most, read))
        return {"documents": (_ordered(read, result) + blank)[:most]}

    def _read(self, documents: list[Document]) -> tuple[list[Document], list[str], list[Document]]:
        """Return each document once: those that are read, what is read of them, and those without text."""
        best: dict[str, Document] = {}
        for one in documents:
            known = best.get(one.id)
            if known is None or _score(one) > _score(known):
                best[one.id] = one
        once = [(one, read(one, self.meta_fields_to_embed, self.embedding_separator)) for one in best.values()]
        return (
            [one for one, text in once if text.strip()],
            [text for _, text in once if text.strip()],
            [replace(one, score=None) for one, text in once if not text.strip()],
        )


def _within(most: int | None, documents: list[Document]) -> int | None:
    return None if most is None else min(most, len(documents))


def _score(document: Document) -> float:
    return float("-inf") if document.score is None else document.score


def _ordered(documents: list[Document], result: RerankResult) -> list[Document]:
    return [replace(documents[one.index], score=one.score) for one in result.results]
