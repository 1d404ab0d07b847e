"""The variants that are served beside fp32, on samples of searches: what quantization costs on these texts.

Export judged each variant on texts of its own. Here a sample's query is embedded again, and its candidates are scored
again, by the bundles' fp32 graphs: in the ingest lane, one search at a time, after it was answered. The graphs are
loaded for the first sample.

`offer` runs on the event loop. Knows no gRPC.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.server import fusion
from shortlist.server.errors import ShortlistError
from shortlist.server.inference.coalescing import Coalescer
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Result
from shortlist.server.runtime import variant_selection
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Candidate
from shortlist.server.storage.generation import Superseded

logger = logging.getLogger(__name__)

_VARIANT = "fp32"
FIRST = 10  # that are compared
_KEPT = 256  # samples
_LEAST = 16  # that are taken in any case, after a start
_MOST_S = 60.0  # that a model may take to run behind all other work

_Model = TypeVar("_Model", Embedder, Scorer)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a served variant agrees with fp32."""

    samples: int = 0  # the last ones, 256 at most
    common: float = 0.0  # share of the first 10 that both have, the mean
    difference: float = 0.0  # the largest, of a similarity or a score


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A search that was answered by the served variants."""

    text: str
    collection: Collection
    vector: NDArray[np.float32]  # float32 [dimensions]
    read: Sequence[Candidate]  # by stage two, and what it made of each
    scored: Result
    made_by: str  # the fingerprint of the embedder that made the vector


class _Beside(Generic[_Model]):
    """A model in fp32, and how the served one agrees with it."""

    def __init__(self, load: Callable[[], _Model] | None) -> None:
        """Begin without a sample; without what loads it, the model is never there."""
        self._load: Callable[[], _Model] | None = load
        self._model: _Model | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    async def model(self) -> _Model | None:
        """Return the model, which is loaded at first; None if there is none."""
        if self._model is None and self._load is not None:
            load, self._load = self._load, None  # once: where it fails, it would again
            self._model = await asyncio.to_thread(load)
        return self._model

    def add(self, common: float, difference: float) -> None:
        """Take a sample."""
        self._samples.append((common, difference))

    @property
    def agreement(self) -> Agreement | None:
        """Return what the samples say; None where nothing is compared."""
        if self._model is None and self._load is None:
            return None
        if not self._samples:
            return Agreement()
        common, difference = zip(*self._samples, strict=True)
        return Agreement(len(common), float(np.mean(common)), max(difference))


class Comparison:
    """The samples that are compared with fp32."""

    def __init__(
        self, embedder: Callable[[], Embedder] | None = None, scorer: Callable[[], Scorer] | None = None
    ) -> None:
        """Begin without a sample.

        Args:
            embedder: loads the dual encoder in fp32; None: it is not compared.
            scorer: the same of the cross-encoder.
        """
        self._embedder, self._scorer = _Beside[Embedder](embedder), _Beside[Scorer](scorer)
        self._wanted = embedder is not None or scorer is not None
        self._taken = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def embedder(self) -> Agreement | None:
        """Return how the served dual encoder agrees with fp32; None where that is not compared."""
        return self._embedder.agreement

    @property
    def scorer(self) -> Agreement | None:
        """Return how the served cross-encoder agrees with fp32; None where that is not compared."""
        return self._scorer.agreement

    def offer(self, answered: Answered, *, sampled: bool) -> None:
        """Compare a search that is a sample, or one of the first, unless another is being compared."""
        under_way = self._task is not None and not self._task.done()
        if self._wanted and not under_way and (sampled or self._taken < _LEAST):
            self._taken += 1
            self._task = asyncio.create_task(self._compare(answered))

    async def settled(self) -> None:
        """Wait until nothing is being compared."""
        if self._task is not None:
            await self._task

    async def _compare(self, answered: Answered) -> None:
        """Compare both models; what keeps one from it is logged."""
        for compare in (self._compare_vectors, self._compare_scores):
            try:
                await compare(answered)
            except (ShortlistError, Superseded) as error:
                logger.warning("a search could not be compared with fp32: %s", error)
            except Exception:
                logger.exception("a search could not be compared with fp32")

    async def _compare_vectors(self, answered: Answered) -> None:
        """Compare the first documents by the query's two vectors."""
        model, search = await self._embedder.model(), answered.collection.by_vectors.search
        if model is None:
            return
        exact = await model.embed([answered.text], "query", Lane.INGEST, _deadline(model))
        vectors, made_by = (answered.vector, exact.values[0]), answered.made_by
        found = [await asyncio.to_thread(search, vector, FIRST, made_by) for vector in vectors]
        served, wanted = ({one.document.id: one.similarity for one in some} for some in found)
        if both := served.keys() & wanted.keys():
            difference = max(abs(served[name] - wanted[name]) for name in both)
            self._embedder.add(len(both) / len(wanted), difference)

    async def _compare_scores(self, answered: Answered) -> None:
        """Compare the scores of those candidates that stage two read."""
        done = np.flatnonzero(answered.scored.done)
        if len(done) <= FIRST:  # any order has the same first ones
            return
        model = await self._scorer.model()
        if model is None:
            return
        contents = [answered.read[place].document.content for place in done.tolist()]
        exact = await model.score(answered.text, contents, _deadline(model), lane=Lane.INGEST)
        if exact.done.all():
            served, wanted = answered.scored.logits[done], exact.logits
            first = [set(fusion.order(logits, exact.done)[:FIRST]) for logits in (served, wanted)]
            difference = np.abs(fusion.scores(served) - fusion.scores(wanted)).max()
            self._scorer.add(len(first[0] & first[1]) / FIRST, float(difference))


def loader(
    make: Callable[[Bundle, Graph, Coalescer, int], _Model],
    source: Bundle,
    served: Embedder | Scorer,
    target: Target,
    batch_tokens: int,
) -> Callable[[], _Model] | None:
    """Return what loads a model in fp32; None where that is what is served, or the bundle has none that can run."""
    if served.info.variant == _VARIANT:
        return None
    if _VARIANT not in variant_selection.runnable(source.manifest, target.provider):
        logger.warning(
            "%s has no %s that provider %s runs: nothing to compare with", source.path, _VARIANT, target.provider
        )
        return None
    return lambda: make(source, Graph(source, _VARIANT, target, batch_tokens), served.coalescer, 0)


def _deadline(model: Embedder | Scorer) -> float:
    return model.coalescer.clock() + _MOST_S
