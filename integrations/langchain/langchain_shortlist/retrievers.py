"""Both stages of a search as one of LangChain's retrievers."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from shortlist.client import CandidatesFrom, Hit, Mode, Where

from . import searching
from .connection import Connected


class ShortlistRetriever(Connected, BaseRetriever):
    """Documents of a collection that answer a query: found, reranked and returned by one call to the server.

        retriever = ShortlistRetriever(collection="notes", k=4)
        documents = retriever.invoke("what is France's capital?")

    Everything but `collection` and the connection can be given to a call, too: `retriever.invoke(query, k=2)`. What
    the options do is at `shortlist.client.Client.search`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    collection: str
    """where to look"""
    k: int = Field(default=4, gt=0)
    """documents to return"""
    filter: Where | None = None
    """only documents whose metadata match: {"year": {"gte": 2020}}, or built with shortlist.client.field"""
    mode: Mode = "auto"
    """which stages run: `two-stage`, `dense`, `rerank-all`, `late-interaction`, `cascade`, or as the
    server decides"""
    candidates: int | None = None
    """documents that stage one finds and the next stage reads; None: as the server decides"""
    rerank_candidates: int | None = None
    """documents that stage two reads in a `cascade`; None: as the server decides"""
    candidates_from: CandidatesFrom | None = None
    """what stage one ranks by: `dense`, `lexical`, `hybrid`; None: the server's default"""
    margin: float | None = None
    """how far the cosine of a candidate may be behind the best one's; None: the server's default"""
    similarity_weight: float | None = None
    """weight of the similarity in the final order; None: the reranker's default"""
    with_scores: bool = False
    """whether metadata get `relevance_score` (the order), `score` (stage two), `similarity` (stage one) and
    `stage_one_rank`; the first two are None where stage two did not read a document. Where late interaction did, also
    `maxsim` and `maxsim_rank`"""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 (the base class has it)
        **kwargs: Any,
    ) -> list[Document]:
        return self._documents(self.clients.blocking().search(self.collection, query, **self._arguments(kwargs)).hits)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 (the same)
        **kwargs: Any,
    ) -> list[Document]:
        answer = await self.clients.of_loop().search(self.collection, query, **self._arguments(kwargs))
        return self._documents(answer.hits)

    def _arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what the client is called with: what the retriever has, unless the call has it."""
        own = {
            "k": self.k,
            "filter": self.filter,
            "mode": self.mode,
            "candidates": self.candidates,
            "rerank_candidates": self.rerank_candidates,
            "candidates_from": self.candidates_from,
            "margin": self.margin,
            "similarity_weight": self.similarity_weight,
        }
        options = own | given
        return searching.arguments(options.pop("k"), options, self.timeout_s)

    def _documents(self, hits: Sequence[Hit]) -> list[Document]:
        convert = searching.explained if self.with_scores else searching.found
        return [convert(hit) for hit in hits]
