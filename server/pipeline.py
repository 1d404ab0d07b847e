"""The two stages: shortlist by similarity, rerank by score. Plain types only.

A search is walked in `Pipeline.search`: embed the query, find the candidates, score them beside it, sort. What the
deadline does not allow is left out at the end of the candidates, never waited for, and told in the result.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from shortlist.server import blending
from shortlist.server.catalog import Catalog
from shortlist.server.collection import Candidate, Collection
from shortlist.server.documents import Document
from shortlist.server.errors import InvalidRequest
from shortlist.server.lanes import Lane, Spent
from shortlist.server.limits import Limits
from shortlist.server.models import Embedder, Scored, Scorer

Mode = Literal["auto", "two-stage", "dense", "rerank-all"]

DEFAULT_TOP_K = 10
DEFAULT_CANDIDATES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Be a search as its caller asked for it; `deadline` is a time of the monotonic clock, in seconds."""

    collection: str
    text: str
    deadline: float
    top_k: int = DEFAULT_TOP_K
    candidates: int | None = None  # None: DEFAULT_CANDIDATES, or top_k if that is more
    mode: Mode = "auto"
    blend: float | None = None  # share of the similarity in the final order; None: what the reranker's bundle says


@dataclass(frozen=True, slots=True)
class Hit:
    """Be a document that a search found."""

    document: Document
    score: float | None  # None: stage two did not score it
    similarity: float
    rank: int  # stage one's, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Say where a call's time went, in seconds; phases that it did not have are 0."""

    spent: Spent = field(default_factory=Spent)  # in the models, both stages together
    retrieve_s: float = 0.0
    write_s: float = 0.0
    embed_s: float = 0.0  # of a search: its first stage's part of `spent`, and what lies between
    rerank_s: float = 0.0  # the same of its second stage


@dataclass(frozen=True, slots=True)
class Found:
    """Answer a search."""

    hits: list[Hit]
    reranked: int
    candidates: int
    mode: Mode  # the one that ran
    truncated: int
    timing: Timing

    @property
    def cut_short(self) -> bool:
        """Whether the deadline came before all candidates were scored."""
        return self.mode != "dense" and self.reranked < self.candidates


@dataclass(frozen=True, slots=True)
class Ingested:
    """Answer an upsert, in documents."""

    inserted: int
    updated: int
    unchanged: int
    truncated: int
    timing: Timing


class Pipeline:
    """Search and fill collections with one embedder and one scorer."""

    def __init__(self, embedder: Embedder, scorer: Scorer, catalog: Catalog, limits: Limits) -> None:
        """Join the models and the collections."""
        self.embedder = embedder
        self.scorer = scorer
        self.catalog = catalog
        self.limits = limits

    async def search(self, query: Query) -> Found:
        """Find the documents that answer a query.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: not even stage one could be done in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        self.limits.text("query", query.text)
        self.limits.top_k(query.top_k)
        if query.candidates is not None:
            self.limits.candidates(query.candidates, query.top_k)
        collection = self.catalog.get(query.collection)
        if query.blend is not None:
            self.limits.blend(query.blend)
        mode = self._mode(query, collection)
        count = self._candidates(query, mode, collection)

        began = time.perf_counter()
        embedded = await self.embedder.embed([query.text], "query", Lane.QUERY, query.deadline)
        embed_done = time.perf_counter()
        candidates = await asyncio.to_thread(collection.search, embedded.vectors[0], count)
        retrieve_done = time.perf_counter()
        scored = None
        if mode != "dense" and candidates:
            contents = [candidate.document.content for candidate in candidates]
            versions = [candidate.version for candidate in candidates]
            scored = await self.scorer.score(query.text, contents, query.deadline, versions)
        rerank_done = time.perf_counter()
        return Found(
            hits=_ranked(candidates, scored, self._share(query))[: query.top_k],
            reranked=int(scored.done.sum()) if scored else 0,
            candidates=len(candidates),
            mode=mode,
            truncated=sum(embedded.truncated) + (scored.truncated if scored else 0),
            timing=Timing(
                spent=embedded.spent + scored.spent if scored else embedded.spent,
                retrieve_s=retrieve_done - embed_done,
                embed_s=embed_done - began,
                rerank_s=rerank_done - retrieve_done,
            ),
        )

    async def upsert(self, name: str, documents: Sequence[Document], deadline: float) -> Ingested:
        """Insert or replace documents; those that are there as they are, are not embedded again.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time; nothing was written.
            Overloaded, ShuttingDown, InferenceFailed: the server is; nothing was written.
        """
        self.limits.documents(documents)
        collection = self.catalog.get(name)
        unchanged = await asyncio.to_thread(collection.unchanged, documents)
        changed = [document for document in documents if document.id not in unchanged]
        if not changed:
            return Ingested(0, 0, len(unchanged), 0, Timing())
        contents = [document.content for document in changed]
        embedded = await self.embedder.embed(contents, "document", Lane.INGEST, deadline)
        began = time.perf_counter()
        written = await asyncio.to_thread(collection.upsert, changed, embedded.vectors, embedded.lengths)
        timing = Timing(spent=embedded.spent, write_s=time.perf_counter() - began)
        return Ingested(written.inserted, written.updated, len(unchanged), sum(embedded.truncated), timing)

    async def rerank(self, query: str, documents: Sequence[str], deadline: float) -> Scored:
        """Score texts that the caller brings.

        Raises:
            InvalidRequest: the request is at fault.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        self.limits.text("query", query)
        self.limits.texts("documents", documents)
        return await self.scorer.score(query, documents, deadline)

    def _share(self, query: Query) -> float:
        """Return the similarity's share in the final order."""
        return self.scorer.graph.running.blend if query.blend is None else query.blend

    def _mode(self, query: Query, collection: Collection) -> Mode:
        """Turn mode auto into the one to run."""
        if query.mode != "auto":
            return query.mode
        size = len(collection)
        if not 0 < size <= min(self.limits.auto_rerank_all, self.limits.max_candidates):
            return "two-stage"
        # A pair is about as long as its document and its query.
        tokenizer = self.scorer.tokenizer
        pair_tokens = min(round(collection.mean_tokens) + tokenizer.estimate(len(query.text)), tokenizer.max_tokens)
        left_s = query.deadline - time.monotonic()
        return "rerank-all" if self.scorer.estimate_s([pair_tokens] * size) < left_s else "two-stage"

    def _candidates(self, query: Query, mode: Mode, collection: Collection) -> int:
        """Return how many documents stage one is to find."""
        if mode == "dense":
            return query.top_k
        if mode == "rerank-all":
            size = len(collection)
            if size > self.limits.max_candidates:
                raise InvalidRequest(
                    "mode",
                    "MODE_RERANK_ALL",
                    f"collection {collection.name} holds {size} documents and the limit is"
                    f" {self.limits.max_candidates}",
                    "use MODE_TWO_STAGE, or raise max_candidates on the server",
                )
            return size
        if query.candidates is None:
            return min(max(DEFAULT_CANDIDATES, query.top_k), self.limits.max_candidates)
        return query.candidates


def _ranked(candidates: Sequence[Candidate], scored: Scored | None, blend: float) -> list[Hit]:
    """Order the candidates: what was scored by score and similarity, then the rest as stage one had it."""
    if scored is None:
        return [Hit(found.document, None, found.similarity, found.rank) for found in candidates]
    scores = scored.scores
    similarities = [candidate.similarity for candidate in candidates]
    return [
        Hit(
            candidates[place].document,
            float(scores[place]) if scored.done[place] else None,
            candidates[place].similarity,
            candidates[place].rank,
        )
        for place in blending.order(scored.logits, scored.done, similarities, blend)
    ]
