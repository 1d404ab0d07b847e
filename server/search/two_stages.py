"""A search, walked: embed the query, find candidates, order them by MaxSim, select, score beside the query, sort.

At the deadline the candidates that are left stay without a score, and the result says so. A search that the queue
would cut short is refused before it costs anything.

Runs on the event loop; what blocks goes to threads. Knows no gRPC.
"""

import asyncio
import contextlib
import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from shortlist.server import observed
from shortlist.server.errors import NoTokens
from shortlist.server.fusion import Fusion
from shortlist.server.inference.embedders import Embedders
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result, Spent
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate
from shortlist.server.storage.generation import Superseded
from shortlist.server.storage.measuring import Search
from shortlist.server.storage.recall import DEPTH

from . import candidates, ranking, request_checks, selection
from .contents import Contents
from .fp32 import Answered, Comparison
from .late_interaction import LateInteraction, Ordered, cosines
from .limits import Limits
from .query import Found, Mode, Query, Timing
from .sampling import Sampling
from .selection import Bounds, Plan, Selection

_ONE_STAGE = frozenset[Mode]({"dense", "late-interaction"})  # of no score
_WITHOUT: dict[Mode, Mode] = {"late-interaction": "dense", "cascade": "two-stage"}  # where MaxSim is not to be had


class TwoStages:
    """The two stages over all collections: shortlist by similarity and words, rerank by score."""

    def __init__(
        self,
        embedders: Embedders,
        scorer: Scorer,
        late_interaction: LateInteraction,
        contents: Contents,
        limits: Limits,
        sampling: Sampling,
        fp32: Comparison,
    ) -> None:
        """Join the models and the collections.

        Args:
            embedders: stage one's models.
            scorer: stage two's.
            late_interaction: the stage between.
            contents: the collections.
            limits: what a search may ask for.
            sampling: takes searches that are done again exactly.
            fp32: takes searches that are compared with the bundles' fp32 graphs.
        """
        self._embedders = embedders
        self._scorer = scorer
        self._late_interaction = late_interaction
        self._contents = contents
        self._limits = limits
        self._sampling = sampling
        self._fp32 = fp32

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
        measured, embedder = collection.measured, self._embedders[collection.origin.fingerprint]
        began = time.perf_counter()
        reservation = self._reservation(query, plan, collection, size)
        with reservation or nullcontext(), self._late_interaction.reading(query, plan.mode) as reading:
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
            documents = [candidate.document for candidate in filtered.candidates]
            request_checks.hits_answer(query, documents, embedder.dimensions)
            retrieve_done = time.perf_counter()
            observed.stage("retrieve", time.monotonic() - (retrieve_done - embed_done), candidates=len(documents))
            between = await self._late_interaction.ordered(query, reading, collection, filtered.candidates)
        rerank_began = time.perf_counter()
        found, mode = between.candidates, plan.mode
        if reading is not None and found and not between.scored:
            mode = _WITHOUT[mode]
        chosen = self._selection(query, mode, plan.bounds, between)
        read = [found[place] for place in chosen.places]
        scored = await self._scored(query, read, reserved=reservation is not None)
        if embedder is self._embedders.first:  # which is what there is in fp32
            answered = Answered(query.text, collection, vector, read, scored, embedder.fingerprint)
            self._fp32.offer(answered, sampled=sampled)
        observed.note(candidates=len(found), selected=chosen.count, reranked=int(scored.done.sum()))
        timing = Timing(
            spent=max(embedded.spent, between.spent, key=_total_s) + scored.spent,  # one ran beside the other
            retrieve_s=began - asked + retrieve_done - embed_done,
            embed_s=embed_done - began,
            rerank_s=time.perf_counter() - rerank_began,
            maxsim_s=between.seconds,
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
            mode="rerank-all" if whole else mode,
            candidates_from=source,
            degraded=between.degraded if scored.degraded == "none" else scored.degraded,
            truncated=int(embedded.truncated.sum() + scored.truncated.sum()) + between.truncated,
            timing=timing,
            matched=filtered.matched,
            filter_plan=filtered.plan,
            maxsim_scored=between.scored,
            query_vectors=between.query_vectors,
        )

    async def _planned(self, query: Query) -> tuple[Collection, int, Plan]:
        """Refuse what the limits do not allow, and return where to search, among how many documents, and how."""
        request_checks.search(self._limits, query)
        self._late_interaction.check(query.mode)
        collection = self._contents.collection(query.collection)
        has_maxsim = self._late_interaction.usable(query.mode, collection)
        size = await self._contents.count(query.collection, query.where)
        request_checks.rerank_all(self._limits, query, collection.name, size)
        maxsim_s = self._late_interaction.candidate_s(collection)
        plan = selection.plan(query, size, self._limits, has_maxsim=has_maxsim, maxsim_s=maxsim_s)
        return collection, size, plan

    def _reservation(
        self, query: Query, plan: Plan, collection: Collection, size: int
    ) -> AbstractContextManager[None] | None:
        """Reserve room for stage two before stage one costs anything; None if a stage may cost nothing.

        Raises:
            Overloaded: the queue would cut the search short.
        """
        size = min(plan.candidates, size)
        embedder = self._embedders[collection.origin.fingerprint]
        if plan.mode in _ONE_STAGE or not size or embedder.is_free(query.text):
            return None
        # A pair is about as long as its document and its query.
        tokenizer, scorer = self._scorer.tokenizer, self._scorer
        tokens = min(round(collection.mean_tokens) + tokenizer.estimate(len(query.text)), tokenizer.max_tokens)
        pair_s = scorer.pair_s(tokens)
        if plan.mode == "cascade":
            return scorer.reserve(selection.sure(size, pair_s, plan.bounds), tokens, query.deadline)
        pairs = selection.select([0.0] * size, [0.0] * size, [pair_s] * size, plan.bounds).count
        return scorer.reserve(pairs, tokens, query.deadline)

    def _selection(self, query: Query, mode: Mode, bounds: Bounds, between: Ordered) -> Selection:
        """Return which candidates stage two reads."""
        if mode in _ONE_STAGE:
            return Selection((), "none")
        found = between.candidates
        seconds = [0.0] * len(found)
        if bounds.budget_s < math.inf:  # else no estimate is looked at
            seconds = self._scorer.seconds(query.text, [candidate.document.content for candidate in found])
        if between.scored:
            return selection.select_by_maxsim(cosines(found, between.query_vectors), seconds, bounds)
        similarities = [candidate.similarity for candidate in found]
        words = [candidate.lexical_score for candidate in found]
        return selection.select(similarities, words, seconds, bounds)

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
        versions = () if query.fresh else [candidate.version for candidate in chosen]
        return await self._scorer.score(query.text, contents, query.deadline, versions, reserved=reserved)

    def _fusion(self, query: Query) -> Fusion:
        """Return how much the similarity counts in the final order."""
        asked, default = query.similarity_weight, self._scorer.fusion
        return default if asked is None else dataclasses.replace(default, weight=asked)


def _total_s(spent: Spent) -> float:
    return spent.tokenize_s + spent.queue_s + spent.infer_s
