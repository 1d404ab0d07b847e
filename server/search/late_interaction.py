"""Late interaction between the two stages: the candidates that stage one found, in the order of MaxSim.

    query -> its token vectors, made beside its vector -> candidates -> MaxSim -> order

Where the token vectors are not there in time, or those of the collection were changed meanwhile, there is no order by
MaxSim, and the search goes on without. A document that changed since stage one found it may have no token vectors by
its old number: it keeps its place behind those that have some.

Runs on the event loop; MaxSim goes to threads. Knows no gRPC.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from shortlist.server import observed
from shortlist.server.errors import CapacityError, InferenceFailed, NoTokens
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Degraded, Spent
from shortlist.server.inference.token_embedder import TokenEmbedder, TokenResult
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate

from . import late_interaction_checks
from .query import Mode, Query

_QUERY_SHARE = 0.5  # of the time to the deadline; then a search goes on without the query's token vectors
_KEPT = 15  # searches whose times are known; of few the median is near, and one of a cold disk does not count

Reading = asyncio.Task[TokenResult]


@dataclass(frozen=True, slots=True)
class Ordered:
    """What late interaction made of candidates."""

    candidates: list[Candidate]
    scored: int = 0  # of them, by MaxSim; 0: they are in stage one's order
    query_vectors: int = 0
    truncated: int = 0  # 1 where the query was longer than the model's window
    degraded: Degraded = "none"  # why none were scored, where some were to be
    spent: Spent = field(default_factory=Spent)  # on the query's token vectors
    seconds: float = 0.0  # from these to the order


class LateInteraction:
    """The stage between, of a server that has a late-interaction model, or none."""

    def __init__(self, model: TokenEmbedder | None) -> None:
        """Take the model; None: no search has this stage."""
        self._model = model
        self._vector_s = deque[float](maxlen=_KEPT)  # that MaxSim took for each of the documents' token vectors

    def check(self, mode: Mode) -> None:
        """Refuse a mode that wants a model, where there is none.

        Raises:
            Unsupported: it does.
        """
        late_interaction_checks.mode(mode, served=self._model is not None)

    def usable(self, mode: Mode, collection: Collection) -> bool:
        """Return whether a search of a collection may have this stage.

        Raises:
            InvalidRequest: the mode wants it, and it may not.
        """
        if self._model is None:
            return False
        there, served = collection.token_vectors, self._model.fingerprint
        late_interaction_checks.token_vectors(mode, collection.name, there, served)
        return there.ready and there.fingerprint == served

    def candidate_s(self, collection: Collection) -> float:
        """Return what MaxSim is expected to take for one candidate; 0 where nothing is known yet."""
        there = collection.token_vectors
        return median(self._vector_s) * there.vectors / there.documents if self._vector_s and there.documents else 0.0

    @contextlib.contextmanager
    def reading(self, query: Query, mode: Mode) -> Iterator[Reading | None]:
        """Make the query's token vectors beside what is done in the block; None where the mode wants none."""
        if self._model is None or mode not in late_interaction_checks.BY_MAXSIM:
            yield None
            return
        now = time.monotonic()
        deadline = now + _QUERY_SHARE * (query.deadline - now)
        task = asyncio.create_task(self._model.embed([query.text], "query", Lane.QUERY, deadline))
        task.add_done_callback(_heard)
        try:
            yield task
        finally:
            task.cancel()

    async def ordered(
        self, query: Query, reading: Reading | None, collection: Collection, found: Sequence[Candidate]
    ) -> Ordered:
        """Return candidates by MaxSim.

        Args:
            query: what is looked for.
            reading: its token vectors; None: none are wanted.
            collection: what the candidates are of.
            found: the candidates, in stage one's order.

        Raises:
            NoTokens: the model has none for the query.
        """
        if reading is None or not found:
            return Ordered(list(found))
        try:
            made = await reading
        except NoTokens as error:
            raise NoTokens(0, query.text, "query") from error
        except CapacityError:
            return Ordered(list(found), degraded="deadline")
        except InferenceFailed:
            return Ordered(list(found), degraded="inference-failed")
        (vectors,) = made.vectors
        if not len(vectors):
            raise NoTokens(0, query.text, "query")
        began, began_s = time.perf_counter(), time.monotonic()
        there = collection.token_vectors
        known, scores, took_s = await asyncio.to_thread(_maxsim, collection, vectors, numbers(found))
        if there.vectors:
            self._vector_s.append(took_s / len(found) * there.documents / there.vectors)
        order = ordered(found, known, scores)
        observed.stage("maxsim", began_s, candidates=len(known))
        told = Ordered(
            order, truncated=int(made.truncated.sum()), spent=made.spent, seconds=time.perf_counter() - began
        )
        return replace(told, scored=len(known), query_vectors=len(vectors)) if len(known) else told


def numbers(candidates: Sequence[Candidate]) -> NDArray[np.int64]:
    """Return the documents' numbers, under which a collection keeps their token vectors: int64 [candidates]."""
    return np.array([candidate.version[1] for candidate in candidates], np.int64)


def ordered(
    candidates: Sequence[Candidate], found: NDArray[np.int64], scores: NDArray[np.float32]
) -> list[Candidate]:
    """Return the candidates by MaxSim, then those without it in the order they came in.

    Args:
        candidates: in stage one's order.
        found: the numbers of those that have token vectors, int64 [found], in any order.
        scores: their MaxSim, float32 [found].
    """
    known = dict(zip(found.tolist(), scores.tolist(), strict=True))
    scored = [replace(one, maxsim=known[one.version[1]]) for one in candidates if one.version[1] in known]
    scored.sort(key=_descending)  # stable: what ties keeps stage one's order
    ranked = [replace(one, maxsim_rank=rank) for rank, one in enumerate(scored, 1)]
    return ranked + [one for one in candidates if one.version[1] not in known]


def cosines(candidates: Sequence[Candidate], query_vectors: int) -> list[float | None]:
    """Return the mean over the query's token vectors of the largest cosine, of each candidate that has MaxSim."""
    return [None if one.maxsim is None else one.maxsim / query_vectors for one in candidates]


def _maxsim(
    collection: Collection, query: NDArray[np.float32], candidates: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """Return the numbers of those candidates that have token vectors, their MaxSim, and how long it took; block."""
    began = time.perf_counter()
    found, scores = collection.maxsim(query, candidates)
    return found, scores, time.perf_counter() - began


def _descending(candidate: Candidate) -> float:
    return -(candidate.maxsim or 0.0)


def _heard(reading: Reading) -> None:
    """Take what failed where nobody waits for it any more, so that it is not logged as forgotten."""
    if not reading.cancelled():
        reading.exception()
