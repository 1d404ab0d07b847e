"""`ShortlistRetriever`: both stages of a search as LlamaIndex's retriever."""

from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from llama_index.vector_stores.shortlist import ShortlistVectorStore
from llama_index.vector_stores.shortlist import filters as translated
from llama_index.vector_stores.shortlist.nodes import node
from llama_index.vector_stores.shortlist.queries import score
from shortlist.client import CandidatesFrom, Mode, SearchResult


class ShortlistRetriever(BaseRetriever):
    """The nodes that answer a query, best first: found by vectors and words, then read by the cross-encoder.

        retriever = ShortlistRetriever(ShortlistVectorStore(collection="notes"), similarity_top_k=5)
        retriever.retrieve("what is France's capital?")

    A score is stage two's, 0 to 1; None where the deadline came before the node was read, and such nodes follow the
    others. In mode `dense`, which has no stage two, it is the similarity; in `late-interaction` MaxSim as a mean
    cosine.
    """

    def __init__(
        self,
        vector_store: ShortlistVectorStore,
        *,
        similarity_top_k: int = 10,
        filters: MetadataFilters | None = None,
        mode: Mode = "auto",
        candidates: int | None = None,
        rerank_candidates: int | None = None,
        candidates_from: CandidatesFrom | None = None,
        similarity_weight: float | None = None,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
    ) -> None:
        """Prepare searches.

        Args:
            vector_store: where to look.
            similarity_top_k: nodes to return.
            filters: which nodes.
            mode: which stages run; this and what follows are explained at `shortlist.client.Client.search`.
            candidates: nodes that stage one finds and the next stage reads.
            rerank_candidates: nodes that stage two reads in mode `cascade`.
            candidates_from: what stage one ranks by.
            similarity_weight: weight of the similarity in the final order.
            callback_manager: LlamaIndex's, as what follows.
            object_map: objects by the ids of index nodes.
            objects: index nodes that bring their objects.
            verbose: whether LlamaIndex prints what it does.

        Raises:
            ValueError: the filters say what Shortlist's cannot.
        """
        self._vector_store = vector_store
        self._options = {
            "top_k": similarity_top_k,
            "where": translated.where(filters),
            "mode": mode,
            "candidates": candidates,
            "rerank_candidates": rerank_candidates,
            "candidates_from": candidates_from,
            "similarity_weight": similarity_weight,
        }
        super().__init__(callback_manager, object_map, objects, verbose)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _scored(self._vector_store.search(query_bundle.query_str, **self._options))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _scored(await self._vector_store.asearch(query_bundle.query_str, **self._options))


def _scored(found: SearchResult) -> list[NodeWithScore]:
    return [NodeWithScore(node=node(hit), score=score(hit, found)) for hit in found.hits]
