"""`ShortlistRetriever`: both stages of a search as one component."""

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy
from haystack.document_stores.types.filter_policy import apply_filter_policy

from haystack_integrations.document_stores.shortlist import ShortlistDocumentStore
from shortlist.client import CandidatesFrom, Mode


@component
class ShortlistRetriever:
    """The documents that answer a query, best first: found by vectors and words, then read by the cross-encoder.

        retriever = ShortlistRetriever(ShortlistDocumentStore("notes"), top_k=5)
        retriever.run(query="what is France's capital?")["documents"]

    A document's score is stage two's, 0 to 1; None where the deadline came before it was read, and such documents
    follow the others. In mode `dense`, which has no stage two, it is the similarity; in `late-interaction` MaxSim as
    a mean cosine.
    """

    def __init__(
        self,
        document_store: ShortlistDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: FilterPolicy = FilterPolicy.REPLACE,
        mode: Mode = "auto",
        candidates: int | None = None,
        rerank_candidates: int | None = None,
        candidates_from: CandidatesFrom | None = None,
        similarity_weight: float | None = None,
    ) -> None:
        """Prepare searches.

        Args:
            document_store: where to look.
            filters: which documents, unless a run says otherwise.
            top_k: documents to return, unless a run says otherwise.
            filter_policy: whether the filters of a run replace those above, or are joined with them.
            mode: which stages run; this and what follows are explained at `shortlist.client.Client.search`.
            candidates: documents that stage one finds and the next stage reads.
            rerank_candidates: documents that stage two reads in mode `cascade`.
            candidates_from: what stage one ranks by.
            similarity_weight: weight of the similarity in the final order.

        Raises:
            TypeError: the store is another one.
        """
        if not isinstance(document_store, ShortlistDocumentStore):
            raise TypeError(f"document_store must be a ShortlistDocumentStore, but got {document_store!r}")
        self.document_store, self.filters, self.top_k = document_store, filters, top_k
        self.filter_policy = filter_policy
        self._options: dict[str, Any] = {
            "mode": mode,
            "candidates": candidates,
            "rerank_candidates": rerank_candidates,
            "candidates_from": candidates_from,
            "similarity_weight": similarity_weight,
        }

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component to a dictionary."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
            **self._options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ShortlistRetriever":
        """Make a component out of a dictionary."""
        parameters = data["init_parameters"]
        parameters["document_store"] = ShortlistDocumentStore.from_dict(parameters["document_store"])
        parameters["filter_policy"] = FilterPolicy.from_str(parameters.get("filter_policy", "replace"))
        return default_from_dict(cls, data)

    def close(self) -> None:
        """Close the store's connection of threads."""
        self.document_store.close()

    async def close_async(self) -> None:
        """Close the store's connection of the event loop that runs."""
        await self.document_store.close_async()

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Search.

        Args:
            query: what to look for.
            filters: which documents; see `filter_policy`.
            top_k: documents to return.
        """
        return {"documents": self.document_store.search(query, *self._scope(filters, top_k), **self._options)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Search, without a thread; see `run`."""
        scope = self._scope(filters, top_k)
        return {"documents": await self.document_store.search_async(query, *scope, **self._options)}

    def _scope(self, filters: dict[str, Any] | None, top_k: int | None) -> tuple[dict[str, Any] | None, int]:
        applied = apply_filter_policy(self.filter_policy, self.filters, filters)
        return applied, self.top_k if top_k is None else top_k
