"""The two stages: shortlist by similarity, rerank by score. Plain types only.

A search is walked in `Pipeline.search`: embed the query, find the candidates, select those that are worth reading,
score them beside the query, sort. At the deadline the candidates that are left stay without a score, and the result
says so. A search that the queue would cut short is refused before it costs anything.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import contextlib
import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from shortlist.server import fusion
from shortlist.server.errors import NoTokens
from shortlist.server.fusion import Fusion
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Tokens
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate, Document
from shortlist.server.storage.generation import Superseded
from shortlist.server.storage.measuring import Search
from shortlist.server.storage.recall import DEPTH

from . import candidates, ranking, request_checks, selection
from .contents import Contents
from .fp32 import Answered, Comparison
from .limits import Limits
from .query import Found, Ingested, Query, Ranked, Timing
from .reindexing import Reindexing
from .sampling import Sampling
from .selection import Plan, Selection
from .streams import Streams
from .upserts import Upserts

_PROBE_TOKENS = 8


class Pipeline:
    """The two stages, with the embedder of each collection and one scorer, over all collections."""

    def __init__(
        self,
        embedders: Embedders,
        scorer: Scorer,
        catalog: Catalog,
        limits: Limits,
        sampling: Sampling | None = None,
        fp32: Comparison | None = None,
    ) -> None:
        """Join the models and the collections; without sampling and fp32 no search is done again or compared."""
        self.embedders = embedders
        self.scorer = scorer
        self.limits = limits
        self.contents = Contents(catalog, limits)
        self.reindexing = Reindexing(self.contents, embedders)
        self._sampling = sampling or Sampling()
        self.fp32 = fp32 or Comparison()
        self.upserts = Upserts(embedders, self.contents, limits)
        self.streams = Streams(self.upserts)

    @property
    def embedder(self) -> Embedder:
        """Return the embedder of new collections, and of what is in none."""
        return self.embedders.first

    def close(self) -> None:
        """Let the changes under way end, then save and close the collections."""
        self._sampling.close()
        self.contents.close()

    async def search(self, query: Query) -> Found:
        """Find the documents that answer a query.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: not even stage one could be done in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        while True:
            with contextlib.suppress(Superseded):
                return await self._found(query)

    async def _found(self, query: Query) -> Found:
        """Find the documents that answer a query by the embedder that their collection has now.

        Raises:
            Superseded: the collection has another one by the end.
        """
        asked = time.perf_counter()
        collection, size, plan = await self._planned(query)
        measured, embedder = collection.measured, self.embedders[collection.origin.fingerprint]
        began = time.perf_counter()
        reservation = self._reservation(query, plan, collection, size)
        with reservation or nullcontext():
            embedded = await self._embedded(query, embedder)
            embed_done = time.perf_counter()
            filtered, source = await asyncio.to_thread(
                candidates.find,
                collection,
                query.text,
                embedded.values[0],
                query.where,
                source=plan.candidates_from,
                count=plan.candidates,
                fusion=plan.fusion,
                made_by=embedder.fingerprint,
            )
        vector = embedded.values[0]
        sampled = (
            source != "lexical"
            and collection.measured is measured  # else it has another embedder by now
            and self._sampling.offer(
                measured, Search(vector, query.where, min(plan.candidates, DEPTH)), filtered.plan
            )
        )
        found = filtered.candidates
        documents = [candidate.document for candidate in found]
        request_checks.hits_answer(query, documents, embedder.dimensions)
        retrieve_done = time.perf_counter()
        chosen = self._selection(query, plan, found)
        read = [found[place] for place in chosen.places]
        scored = await self._scored(query, read, reserved=reservation is not None)
        if embedder is self.embedder:  # which is what there is in fp32
            answered = Answered(query.text, collection, vector, read, scored, embedder.fingerprint)
            self.fp32.offer(answered, sampled=sampled)
        timing = Timing(
            spent=embedded.spent + scored.spent,
            retrieve_s=began - asked + retrieve_done - embed_done,
            embed_s=embed_done - began,
            rerank_s=time.perf_counter() - retrieve_done,
        )
        whole = query.mode == "auto" and 0 < chosen.count == size
        fused = self._fusion(query) if chosen.count else Fusion()
        rest = [found[place] for place in sorted(set(range(len(found))).difference(chosen.places))]
        hits = ranking.hits(read + rest, scored, fused)[: query.top_k]
        if query.include_vectors:
            ids = [hit.document.id for hit in hits]
            held = await asyncio.to_thread(collection.vectors_of, ids, embedder.fingerprint)
            hits = [dataclasses.replace(hit, vector=held.get(hit.document.id)) for hit in hits]
        return Found(
            hits=hits,
            reranked=int(scored.done.sum()),
            selected=chosen.count,
            limited_by=chosen.limited_by,
            similarity_weight=fused.weight,
            candidates=len(found),
            mode="rerank-all" if whole else plan.mode,
            candidates_from=source,
            degraded=scored.degraded,
            truncated=int(embedded.truncated.sum() + scored.truncated.sum()),
            timing=timing,
            matched=filtered.matched,
            filter_plan=filtered.plan,
        )

    async def _planned(self, query: Query) -> tuple[Collection, int, Plan]:
        """Refuse what the limits do not allow, and return where to search, among how many documents, and how."""
        request_checks.search(self.limits, query)
        collection = self.contents.collection(query.collection)
        size = await self.contents.count(query.collection, query.where)
        request_checks.rerank_all(self.limits, query, collection.name, size)
        return collection, size, selection.plan(query, size, self.limits)

    def _reservation(
        self, query: Query, plan: Plan, collection: Collection, size: int
    ) -> AbstractContextManager[None] | None:
        """Reserve room for stage two before stage one costs anything; None if a stage may cost nothing.

        Raises:
            Overloaded: the queue would cut the search short.
        """
        size = min(plan.candidates, size)
        embedder = self.embedders[collection.origin.fingerprint]
        if plan.mode == "dense" or not size or embedder.is_free(query.text):
            return None
        # A pair is about as long as its document and its query.
        tokenizer, scorer = self.scorer.tokenizer, self.scorer
        tokens = min(round(collection.mean_tokens) + tokenizer.estimate(len(query.text)), tokenizer.max_tokens)
        seconds = [scorer.pair_s(tokens)] * size
        pairs = selection.select([0.0] * size, [0.0] * size, seconds, plan.bounds).count
        return scorer.reserve(pairs, tokens, query.deadline)

    def _selection(self, query: Query, plan: Plan, found: Sequence[Candidate]) -> Selection:
        """Return which candidates stage two reads."""
        if plan.mode == "dense":
            return Selection((), "none")
        similarities = [candidate.similarity for candidate in found]
        seconds = [0.0] * len(found)
        if plan.bounds.budget_s < math.inf:  # else no estimate is looked at
            seconds = self.scorer.seconds(query.text, [candidate.document.content for candidate in found])
        words = [candidate.lexical_score for candidate in found]
        return selection.select(similarities, words, seconds, plan.bounds)

    async def _embedded(self, query: Query, embedder: Embedder) -> Result:
        """Embed the query."""
        try:
            return await embedder.embed([query.text], "query", Lane.QUERY, query.deadline)
        except NoTokens as error:
            raise NoTokens(0, query.text, "query") from error

    async def _scored(self, query: Query, chosen: Sequence[Candidate], *, reserved: bool) -> Result:
        """Score candidates beside the query."""
        if not chosen:
            return Result.empty(0, 1)
        contents = [candidate.document.content for candidate in chosen]
        versions = [candidate.version for candidate in chosen]
        return await self.scorer.score(query.text, contents, query.deadline, versions, reserved=reserved)

    async def upsert(
        self,
        name: str,
        documents: Sequence[Document],
        deadline: float,
        vectors: Sequence[Sequence[float] | None] = (),
    ) -> Ingested:
        """Insert or replace documents; those whose title and text are as they were are not embedded again.

        Args:
            name: the collection's.
            documents: each id once.
            deadline: a time of the monotonic clock, in seconds.
            vectors: those that documents bring, one a document; None: it is embedded here. Empty: all are.

        Raises:
            InvalidRequest, UnknownCollection: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time; nothing was written.
            Overloaded, ShuttingDown, InferenceFailed: the server is; nothing was written.
        """
        return await self.upserts.upsert(name, documents, deadline, vectors)

    async def rerank(self, query: str, documents: Sequence[str], deadline: float, top_k: int | None = None) -> Ranked:
        """Score texts that the caller brings, and return the best `top_k` of them, or all.

        Raises:
            InvalidRequest: the request is at fault.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.rerank(self.limits, query, documents, top_k)
        scored = await self.scorer.score(query, documents, deadline)
        scores = ranking.scores(scored)
        return Ranked(
            results=[(index, scores[index]) for index in fusion.order(scored.logits, scored.done)[:top_k]],
            reranked=int(scored.done.sum()),
            degraded=scored.degraded,
            truncated=int(scored.truncated.sum()),
            timing=Timing(spent=scored.spent),
        )

    async def embed(self, texts: Sequence[str], kind: TextKind, deadline: float) -> Result:
        """Embed texts that the caller brings; queries are urgent, documents are not.

        Raises:
            InvalidRequest: the request is at fault.
            DeadlineExceeded: the vectors could not be made in time.
            Overloaded, ShuttingDown, InferenceFailed: the server is.
        """
        request_checks.embed(self.limits, texts, self.embedder.dimensions)
        return await self.embedder.embed(texts, kind, Lane.QUERY if kind == "query" else Lane.INGEST, deadline)

    async def tokenize(self, texts: Sequence[str], model: Kind, kind: TextKind, query: str) -> list[Tokens]:
        """Return texts as a model reads them: the reranker beside a query if there is one, the embedder as of a kind.

        Raises:
            InvalidRequest: the request is at fault.
        """
        request_checks.tokenize(self.limits, texts, model, query, ends_only=False)
        if model == "reranker":
            return await asyncio.to_thread(self.scorer.show, query, texts)
        return await asyncio.to_thread(self.embedder.show, texts, kind)

    async def token_ends(self, texts: Sequence[str], model: Kind, query: str) -> list[list[int]]:
        """Return where each token of each whole text ends.

        Raises:
            InvalidRequest: the request is at fault; there can be no query.
        """
        request_checks.tokenize(self.limits, texts, model, query, ends_only=True)
        reader = self.scorer if model == "reranker" else self.embedder
        return await asyncio.to_thread(reader.tokenizer.ends, texts)

    async def probe(self) -> None:
        """Run all models once, past the scheduler; raise what they raise."""
        for model in (*self.embedders, self.scorer):
            await asyncio.to_thread(model.graph.run_length, _PROBE_TOKENS)

    def _fusion(self, query: Query) -> Fusion:
        """Return how much the similarity counts in the final order."""
        asked, default = query.similarity_weight, self.scorer.fusion
        return default if asked is None else dataclasses.replace(default, weight=asked)
