"""The two stages: shortlist by similarity, rerank by score. Plain types only.

A search is walked in `Pipeline.search`: embed the query, find the candidates, select those that are worth reading,
score them beside the query, sort. At the deadline the candidates that are left stay without a score, and the result
says so. A search that the queue would cut short is refused before it costs anything.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import ParamSpec, TypeVar

from shortlist.server import fusion
from shortlist.server.errors import NoTokens
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate, Document

from . import selection
from .limits import Limits
from .query import Found, Hit, Ingested, Query, Ranked, Timing
from .selection import Plan, Selection

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PROBE_TOKENS = 8
# Changes of one collection wait for each other, so they have threads of their own: however many wait, no search waits
# for a thread.
_WRITING_THREADS = 4


class Pipeline:
    """The two stages, with one embedder and one scorer, over all collections."""

    def __init__(self, embedder: Embedder, scorer: Scorer, catalog: Catalog, limits: Limits) -> None:
        """Join the models and the collections."""
        self.embedder = embedder
        self.scorer = scorer
        self.catalog = catalog
        self.limits = limits
        self._writing = ThreadPoolExecutor(_WRITING_THREADS, "write")

    def close(self) -> None:
        """Let the changes under way end, then save and close the collections."""
        self._writing.shutdown()
        self.catalog.close()

    async def search(self, query: Query) -> Found:
        """Find the documents that answer a query.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: not even stage one could be done in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        collection = self._checked(query)
        plan = selection.plan(query, collection, self.limits)

        began = time.perf_counter()
        reservation = self._reservation(query, plan, collection)
        with reservation or nullcontext():
            embedded = await self._embedded(query)
            embed_done = time.perf_counter()
            candidates = await asyncio.to_thread(collection.search, embedded.values[0], plan.candidates)
        retrieve_done = time.perf_counter()
        chosen, scored = Selection(0, "none"), None
        if plan.mode != "dense" and candidates:
            chosen = self._selection(query, plan, candidates)
            scored = await self._scored(query, candidates[: chosen.count], reserved=reservation is not None)
        rerank_done = time.perf_counter()
        whole = query.mode == "auto" and 0 < chosen.count == len(collection)
        similarity_weight = self._similarity_weight(query) if scored else 0.0
        return Found(
            hits=_ranked(candidates, scored, similarity_weight)[: query.top_k],
            reranked=int(scored.done.sum()) if scored else 0,
            selected=chosen.count,
            limited_by=chosen.limited_by,
            similarity_weight=similarity_weight,
            candidates=len(candidates),
            mode="rerank-all" if whole else plan.mode,
            degraded=scored.degraded if scored else "none",
            truncated=int(embedded.truncated.sum() + (scored.truncated.sum() if scored else 0)),
            timing=Timing(
                spent=embedded.spent + scored.spent if scored else embedded.spent,
                retrieve_s=retrieve_done - embed_done,
                embed_s=embed_done - began,
                rerank_s=rerank_done - retrieve_done,
            ),
        )

    def _checked(self, query: Query) -> Collection:
        """Refuse what the limits do not allow, and return the collection that is asked."""
        self.limits.text("query", query.text)
        self.limits.top_k(query.top_k)
        if query.candidates is not None:
            self.limits.candidates(query.candidates, query.top_k)
        collection = self.catalog.get(query.collection)
        if query.similarity_weight is not None:
            self.limits.similarity_weight(query.similarity_weight)
        if query.margin is not None:
            self.limits.margin_of(query.margin)
        return collection

    def _reservation(self, query: Query, plan: Plan, collection: Collection) -> AbstractContextManager[None] | None:
        """Reserve room for stage two before stage one costs anything; None if a stage may cost nothing.

        Raises:
            Overloaded: the queue would cut the search short.
        """
        size = min(plan.candidates, len(collection))
        if plan.mode == "dense" or not size or self.embedder.is_free(query.text):
            return None
        # A pair is about as long as its document and its query.
        tokenizer, scorer = self.scorer.tokenizer, self.scorer
        tokens = min(round(collection.mean_tokens) + tokenizer.estimate(len(query.text)), tokenizer.max_tokens)
        seconds = [scorer.pair_s(tokens)] * size
        pairs = selection.select([0.0] * size, seconds, plan.bounds).count
        return scorer.reserve(pairs, tokens, query.deadline)

    def _selection(self, query: Query, plan: Plan, candidates: Sequence[Candidate]) -> Selection:
        """Return which candidates stage two reads."""
        similarities = [candidate.similarity for candidate in candidates]
        seconds = [0.0] * len(candidates)
        if plan.bounds.budget_s < math.inf:  # else no estimate is looked at
            seconds = self.scorer.seconds(query.text, [candidate.document.content for candidate in candidates])
        return selection.select(similarities, seconds, plan.bounds)

    async def _embedded(self, query: Query) -> Result:
        """Embed the query."""
        try:
            return await self.embedder.embed([query.text], "query", Lane.QUERY, query.deadline)
        except NoTokens as error:
            raise NoTokens(0, query.text, "query") from error

    async def _scored(self, query: Query, candidates: Sequence[Candidate], *, reserved: bool) -> Result:
        """Score candidates beside the query."""
        contents = [candidate.document.content for candidate in candidates]
        versions = [candidate.version for candidate in candidates]
        return await self.scorer.score(query.text, contents, query.deadline, versions, reserved=reserved)

    async def upsert(self, name: str, documents: Sequence[Document], deadline: float) -> Ingested:
        """Insert or replace documents; those that did not change are not embedded again.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time; nothing was written.
            Overloaded, ShuttingDown, InferenceFailed: the server is; nothing was written.
        """
        self.limits.documents(documents)
        collection = self.catalog.get(name)
        changed, moved = await asyncio.to_thread(collection.compare, documents)
        unchanged = len(documents) - len(changed)
        if not changed:
            if moved:
                await self._write(collection.move, moved)
            return Ingested(0, 0, unchanged, 0, Timing())
        contents = [document.content for document in changed]
        try:
            embedded = await self.embedder.embed(contents, "document", Lane.INGEST, deadline)
        except NoTokens as error:
            index = documents.index(changed[error.index])
            raise NoTokens(index, contents[error.index], f"documents[{index}].text") from error
        began = time.perf_counter()
        written = await self._write(collection.upsert, changed, embedded.values, embedded.tokens.tolist(), moved)
        timing = Timing(spent=embedded.spent, write_s=time.perf_counter() - began)
        return Ingested(written.inserted, written.updated, unchanged, int(embedded.truncated.sum()), timing)

    async def delete(self, name: str, ids: Sequence[str]) -> int:
        """Delete the documents of these ids that are there, and return how many there were.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
        """
        self.limits.ids(ids)
        return await self._write(self.catalog.get(name).delete, ids)

    async def _write(self, change: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
        """Make a change in a thread that is kept for changes."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, partial(change, *given, **named))

    async def rerank(self, query: str, documents: Sequence[str], deadline: float, top_k: int | None = None) -> Ranked:
        """Score texts that the caller brings, and return the best `top_k` of them, or all.

        Raises:
            InvalidRequest: the request is at fault.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        if top_k is not None:
            self.limits.top_k(top_k)
        self.limits.text("query", query)
        self.limits.texts("documents", documents)
        scored = await self.scorer.score(query, documents, deadline)
        scores = _scores(scored)
        return Ranked(
            results=[(index, scores[index]) for index in fusion.order(scored.logits, scored.done)[:top_k]],
            reranked=int(scored.done.sum()),
            degraded=scored.degraded,
            truncated=int(scored.truncated.sum()),
            timing=Timing(spent=scored.spent),
        )

    async def probe(self) -> None:
        """Run both models once, past the scheduler; raise what they raise."""
        for graph in (self.embedder.graph, self.scorer.graph):
            await asyncio.to_thread(graph.run_length, _PROBE_TOKENS)

    def _similarity_weight(self, query: Query) -> float:
        """Return the similarity's weight in the final order."""
        asked = query.similarity_weight
        return self.scorer.graph.info.similarity_weight if asked is None else asked


def _ranked(candidates: Sequence[Candidate], scored: Result | None, similarity_weight: float) -> list[Hit]:
    """Order the candidates: what was scored by score and similarity, then the rest as stage one had it."""
    if scored is None:
        return [_hit(candidate, None) for candidate in candidates]
    read = len(scored.done)
    similarities = [candidate.similarity for candidate in candidates[:read]]
    order = fusion.order(scored.logits, scored.done, similarities, similarity_weight)
    scores = _scores(scored)
    return [
        *(_hit(candidates[index], scores[index]) for index in order),
        *(_hit(candidate, None) for candidate in candidates[read:]),
    ]


def _scores(scored: Result) -> list[float | None]:
    """Return the score of each item; None where it was not run."""
    scores = fusion.scores(scored.logits).tolist()
    return [score if done else None for score, done in zip(scores, scored.done, strict=True)]


def _hit(candidate: Candidate, score: float | None) -> Hit:
    return Hit(candidate.document, score, candidate.similarity, candidate.rank)
