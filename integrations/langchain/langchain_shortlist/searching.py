"""Searches as LangChain asks for them and answers them: options to a client's arguments, hits to documents."""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

from langchain_core.documents import Document

from shortlist.client import CandidatesFrom, Hit, Mode, RankFusion, SearchResult, Where


class SearchOptions(TypedDict, total=False):
    """What a search can be told beside `k`; `Client.search` says what each does."""

    filter: Where | None  # of metadata: {"year": {"gte": 2020}}, or built with shortlist.client.field
    mode: Mode
    candidates: int | None
    rerank_candidates: int | None
    candidates_from: CandidatesFrom | None
    margin: float | None
    similarity_weight: float | None
    rank_fusion: RankFusion
    timeout_s: float | None


def arguments(k: int, options: Mapping[str, Any], timeout_s: float | None) -> dict[str, Any]:
    """Return what `Client.search` is called with.

    Raises:
        ValueError: an option is none.
    """
    check_names(options, SearchOptions)
    named = {"timeout_s": timeout_s, **options}
    return {"top_k": k, "where": named.pop("filter", None), **named}


def check_names(options: Mapping[str, Any], known: type) -> None:
    """Refuse keyword arguments that would be passed over.

    Raises:
        ValueError: there is such a one.
    """
    names = known.__annotations__
    if unknown := sorted(options.keys() - names.keys()):
        raise ValueError(
            f"{unknown[0]}: got {options[unknown[0]]!r}, but the options are {', '.join(names)}; use those"
        )


def document(identifier: str, title: str, text: str, metadata: Mapping[str, Any]) -> Document:
    """Make a document. A title, as `shortlist index` gives one, goes into the metadata unless they have one."""
    return Document(id=identifier, page_content=text, metadata={**({"title": title} if title else {}), **metadata})


def found(hit: Hit) -> Document:
    """Convert a hit."""
    return document(hit.id, hit.title, hit.text, hit.metadata)


def score(hit: Hit, answer: SearchResult) -> float:
    """Return the number by which hits fall: of the last stage that ran.

    That is stage two's, in mode `dense` the similarity, and in mode `late-interaction` MaxSim as a mean cosine. It is
    NaN where that stage did not read the hit, which is no more than any threshold.
    """
    if answer.mode == "dense":
        return hit.similarity
    if answer.mode == "late-interaction":
        return math.nan if hit.maxsim is None else hit.maxsim / answer.query_vectors
    return math.nan if hit.relevance is None else hit.relevance


def explained(hit: Hit) -> Document:
    """Convert a hit, with the numbers of all stages in its metadata; those of late interaction where it ran."""
    explaining = found(hit)
    explaining.metadata.update(
        relevance_score=hit.relevance, score=hit.score, similarity=hit.similarity, stage_one_rank=hit.rank
    )
    if hit.maxsim is not None:
        explaining.metadata.update(maxsim=hit.maxsim, maxsim_rank=hit.maxsim_rank)
    return explaining
