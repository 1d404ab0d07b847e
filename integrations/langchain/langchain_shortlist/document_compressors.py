"""The server's cross-encoder as what LangChain puts behind a retriever."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import Field

from shortlist.client import RerankResult, Truncation

from .connection import Connected
from .parts import ain_parts, in_parts


class ShortlistRerank(Connected, BaseDocumentCompressor):
    """Documents of any retriever, put in order by a Shortlist server's reranker.

        retriever = ContextualCompressionRetriever(base_compressor=ShortlistRerank(top_n=5), base_retriever=any_other)

    What comes out are copies, best first, with the score as `metadata["relevance_score"]`, 0 to 1. What the server
    could not score within the deadline follows in the order that it came in, with a score of None; so do documents
    without text, which no model reads.
    """

    top_n: int | None = Field(default=3, gt=0)
    """documents to keep; None: all"""
    truncation: Truncation | None = None
    """what is left out of documents that the model cannot read whole beside the query: their `end` or `start`, or
    `none`, which refuses them; None: what its author leaves out"""
    max_document_tokens: int | None = Field(default=None, gt=0)
    """tokens of each document that are read at most; None: all that fit"""

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 (the base class has it)
    ) -> list[Document]:
        """Return the documents that answer a query best."""

        def call(part: Sequence[str]) -> Sequence[float | None]:
            return _scores(self.clients.blocking().rerank(query, part, **self._options()))

        return self._best(documents, in_parts(call, _readable(documents)))

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 (the base class has it)
    ) -> list[Document]:
        """Return the documents that answer a query best."""

        async def call(part: Sequence[str]) -> Sequence[float | None]:
            return _scores(await self.clients.of_loop().rerank(query, part, **self._options()))

        return self._best(documents, await ain_parts(call, _readable(documents)))

    def _options(self) -> dict[str, Any]:
        """Return what each call is told."""
        return {
            "truncation": self.truncation,
            "max_document_tokens": self.max_document_tokens,
            "timeout_s": self.timeout_s,
        }

    def _best(self, documents: Sequence[Document], scores: Sequence[float | None]) -> list[Document]:
        """Return copies of the documents with the highest scores, of which there is one for each text that was read.

        Those without one come last.
        """
        remaining = iter(scores)
        scored = [(one, next(remaining) if _is_readable(one) else None) for one in documents]
        best = sorted(scored, key=lambda pair: _rank(pair[1]))
        return [_scored(document, score) for document, score in best[: self.top_n]]


def _readable(documents: Sequence[Document]) -> list[str]:
    """Return the texts of which there is something to read."""
    return [document.page_content for document in documents if _is_readable(document)]


def _is_readable(document: Document) -> bool:
    return bool(document.page_content.strip())


def _scores(answer: RerankResult) -> list[float | None]:
    """Return the scores in the order of the texts."""
    return [one.score for one in sorted(answer.results, key=lambda one: one.index)]


def _rank(score: float | None) -> tuple[bool, float]:
    return (True, 0.0) if score is None else (False, -score)


def _scored(document: Document, score: float | None) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score}})
