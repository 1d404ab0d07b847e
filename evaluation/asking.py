"""Searches of a judged collection: what stage one finds, what both stages make of it, and how long that takes."""

import itertools
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from shortlist.bench.concurrency import each
from shortlist.client import AsyncClient, Hit, SearchResult
from shortlist.client.types import CandidatesFrom, Mode
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress

from .measures import TOP

_AT_ONCE = 8

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Read:
    """A candidate as both stages left it."""

    id: str
    rank: int  # in stage one's order, from 1
    score: float | None  # stage two's, 0 to 1; None where the margin kept it out


@dataclass(frozen=True, slots=True)
class Asking:
    """The searches of one collection."""

    client: AsyncClient
    collection: str
    queries: Mapping[str, str]  # id -> text
    itself: frozenset[str]  # queries that are documents too, which are no answer to themselves
    stage_two: Mapping[str, Any]  # what a search says of stage two

    async def stage_one(self, source: CandidatesFrom, depth: int) -> dict[str, list[str]]:
        """Return the first `depth` documents that stage one finds for every query, best first."""

        def ids(hits: Sequence[Hit]) -> list[str]:
            return [sys.intern(hit.id) for hit in hits]

        return await self._ask(source, "dense", list(self.queries), depth, ids)

    async def both(self, source: CandidatesFrom, names: Sequence[str], candidates: int) -> dict[str, list[Read]]:
        """Return the final order of so many candidates for each query."""

        def read(hits: Sequence[Hit]) -> list[Read]:
            return [Read(sys.intern(hit.id), hit.rank, hit.score) for hit in hits]

        return await self._ask(source, "two-stage", names, candidates, read)

    async def times_ms(self, source: CandidatesFrom, names: Sequence[str], counts: Sequence[int]) -> dict[int, float]:
        """Return the median time of a search of stage one alone (at 0), and with each number of candidates.

        The searches come one after the other, the counts in turns.
        """
        took_ms: dict[int, list[float]] = {0: [], **{count: [] for count in counts}}
        with Progress(sys.stderr, f"{source}: timed", len(names), noun="question") as progress:
            for done, name in enumerate(names, start=1):
                for count, before in took_ms.items():
                    # The server keeps vectors and scores by text: letters that are new make the query new to it.
                    query = f"{secrets.token_hex(2)} {self.queries[name]}"
                    began = time.perf_counter()
                    if count:
                        await self._search(source, "two-stage", query, min(TOP, count), count)
                    else:
                        await self._search(source, "dense", query, TOP)
                    before.append(1000 * (time.perf_counter() - began))
                progress.update(done)
        return {count: median(took) for count, took in took_ms.items()}

    async def _ask(
        self,
        source: CandidatesFrom,
        mode: Mode,
        names: Sequence[str],
        depth: int,
        keep: Callable[[Sequence[Hit]], list[_Kept]],
    ) -> dict[str, list[_Kept]]:
        """Ask queries, some at a time, and keep of each answer what `keep` returns; show progress."""
        done = itertools.count(1)
        candidates = depth if mode == "two-stage" else None

        async def ask(name: str) -> list[_Kept]:
            found = await self._search(source, mode, self.queries[name], depth, candidates, include_text=False)
            progress.update(next(done))
            # A query that is a document too is no answer to itself, as BEIR has it (beir-cellar/beir, pull 91).
            return keep([hit for hit in found.hits if hit.id != name or name not in self.itself])

        told = f"{source}, {depth} reranked: asked" if candidates else f"{source}: asked"
        with Progress(sys.stderr, told, len(names), noun="question") as progress:
            return dict(zip(names, await each(ask, names, _AT_ONCE), strict=True))

    async def _search(
        self,
        source: CandidatesFrom,
        mode: Mode,
        query: str,
        top_k: int,
        candidates: int | None = None,
        *,
        include_text: bool = True,
    ) -> SearchResult:
        found = await self.client.search(
            self.collection,
            query,
            top_k,
            mode=mode,
            candidates=candidates,
            include_text=include_text,
            include_metadata=include_text,
            candidates_from=source,
            **(self.stage_two if mode == "two-stage" else {}),
        )
        if found.candidates_from != source:
            raise UsageError(
                f"collection {self.collection!r} is still being indexed by words, so {source} was not measured; the"
                " server's log says when it is done"
            )
        if found.degraded:
            raise UsageError(
                f"a search of {candidates} candidates was cut short ({found.degraded}) within timeout_s="
                f"{self.client.timeout_s:g}, so no figure would be true; give more time, or ask for fewer candidates"
            )
        return found


def first(read: Sequence[Read], candidates: int) -> list[Read]:
    """Return the order that the first so many candidates have among themselves.

    It is that of a search with so many: what a pair's score is depends on no other pair.
    """
    return [one for one in read if one.rank <= candidates]
