"""LlamaIndex's queries to the arguments of a search, and its hits to results.

A vector store is stage one in LlamaIndex, so its modes say what stage one ranks by. `semantic_hybrid`, which
elsewhere is a hybrid search whose best are reranked by a model, is both stages.
"""

from typing import Any

from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult

from shortlist.client import Hit, SearchResult

from . import filters
from .nodes import NODE_ID, REF_DOC_ID, node

_MODES: dict[VectorStoreQueryMode, dict[str, str]] = {
    VectorStoreQueryMode.DEFAULT: {"mode": "dense", "candidates_from": "dense"},
    VectorStoreQueryMode.TEXT_SEARCH: {"mode": "dense", "candidates_from": "lexical"},
    VectorStoreQueryMode.HYBRID: {"mode": "dense", "candidates_from": "hybrid"},
    VectorStoreQueryMode.SEMANTIC_HYBRID: {"mode": "auto"},
}
_UNKNOWN = ("alpha", "mmr_threshold", "sparse_top_k", "output_fields", "embedding_field")


def arguments(query: VectorStoreQuery) -> dict[str, Any]:
    """Return what `Client.search` is called with.

    Raises:
        ValueError: the query asks for what Shortlist does not do.
    """
    mode = VectorStoreQueryMode(query.mode)
    if mode not in _MODES:
        known = ", ".join(one.value for one in _MODES)
        raise ValueError(f"query mode {mode.value!r}: Shortlist has {known}; use one of them")
    for name in _UNKNOWN:
        if (value := getattr(query, name)) is not None:
            raise ValueError(f"{name}: got {value!r}, but Shortlist has no such option; leave it out")
    if not query.query_str:
        raise ValueError("query_str: Shortlist searches for a text, not for an embedding; pass the text of the query")
    top_k = query.similarity_top_k
    if mode is VectorStoreQueryMode.HYBRID and query.hybrid_top_k is not None:
        top_k = query.hybrid_top_k
    where = filters.both(
        # No ids are all: an index that was made of a store names none.
        filters.among(REF_DOC_ID, query.doc_ids) if query.doc_ids else None,
        filters.among(NODE_ID, query.node_ids) if query.node_ids else None,
        filters.where(query.filters),
    )
    return {"query": query.query_str, "top_k": top_k, "where": where, **_MODES[mode]}


def result(found: SearchResult) -> VectorStoreQueryResult:
    """Convert what a search found."""
    # None is a score as well: of a node that stage two did not read.
    similarities: list[Any] = [score(hit, found) for hit in found.hits]
    return VectorStoreQueryResult(
        nodes=[node(hit) for hit in found.hits], similarities=similarities, ids=[hit.id for hit in found.hits]
    )


def score(hit: Hit, found: SearchResult) -> float | None:
    """Return the last stage's score, None where it did not read the hit; of late interaction as a mean cosine."""
    if found.mode == "late-interaction":
        return None if hit.maxsim is None else hit.maxsim / found.query_vectors
    return hit.similarity if found.mode == "dense" else hit.relevance
