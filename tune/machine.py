"""One measurement of an arrangement: the server's graphs on the server's scheduler, in this process.

The work is a search's: the query is embedded, then each of its candidates is scored. Tokenizing, the index and gRPC
are left out, since no arrangement changes them.
"""

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Result
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime import providers
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer
from shortlist.server.settings import Settings
from shortlist.texts import shipped

from .race import Arrangement, Measured

CANDIDATES = 50  # of a search, as many as the field's benchmarks rerank
_LEAST_CANDIDATES = 8
_SEARCH_S = 1.0  # a search that takes longer gets fewer candidates, or tuning would take many minutes
_ALONE = 1 / 3  # of a measurement's time goes to one search at a time, the rest to many at once
_ALONE_TIMES = 3  # at least
_RUNS_A_SLOT = 4  # at least, of many at once
_QUEUE_TOKENS = 1 << 40  # nothing is refused here
_STEP = 3  # of the texts that ship every third: passages of all topics and lengths


class _Noted(Graph):
    """A graph that notes when each slot ended its last run."""

    def __init__(self, bundle: Bundle, variant: str, target: Target, batch_tokens: int) -> None:
        """Load it."""
        super().__init__(bundle, variant, target, batch_tokens)
        self.ended: dict[int, float] = {}  # by thread, a time of the performance counter

    def run(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        """Run, and note when it ended."""
        values = super().run(items)
        self.ended[threading.get_ident()] = time.perf_counter()
        return values


class Machine:
    """Searches of one kind, to be run in any arrangement."""

    def __init__(self, settings: Settings, embedder: Bundle, reranker: Bundle, measure_s: float) -> None:
        """Tokenize the search.

        Args:
            settings: of the server; its `embedder_variant` names a variant.
            embedder: the bundle of stage one.
            reranker: the bundle of stage two.
            measure_s: how long running searches takes for one measurement, about.

        Raises:
            BundleError: a tokenizer cannot be read.
        """
        self._settings = settings
        self._measure_s = measure_s
        self._bundles = embedder, reranker
        self._tokenizers = Tokenizer(embedder), Tokenizer(reranker)
        entries = shipped.entries()
        query, passages = entries[0].query, [entry.text for entry in entries[::_STEP][:CANDIDATES]]
        self._query = self._tokenizers[0].encode([embedder.manifest.query_prefix + query])
        self._pairs = self._tokenizers[1].encode_pairs(query, passages)

    @property
    def candidates(self) -> int:
        """Return how many candidates a search has."""
        return len(self._pairs)

    def fit(self, default: Arrangement) -> None:
        """Give searches fewer candidates where the defaults take long."""
        self._pairs = self._pairs[: fitting(self.measure(default).alone_ms / 1000)]

    def measure(self, arrangement: Arrangement) -> Measured:
        """Load the models as the server does, run searches one at a time and many at once, and unload.

        Raises:
            ProviderError: the provider cannot run it.
            BundleError: a graph is missing, or damaged.
        """
        settings = dataclasses.replace(
            self._settings,
            slots=arrangement.slots,
            threads=arrangement.threads,
            batch_tokens=arrangement.batch_tokens,
        )
        target, stack = providers.target(settings), providers.batch_tokens(settings)
        variants = settings.embedder_variant, arrangement.variant
        embedder, reranker = (
            _Noted(bundle, variant, target, stack) for bundle, variant in zip(self._bundles, variants, strict=True)
        )
        for graph, tokenizer in zip((embedder, reranker), self._tokenizers, strict=True):
            graph.warm_up(tokenizer)
        scheduler = Scheduler(target.slots, _QUEUE_TOKENS)
        try:
            alone_s = self._alone_s(scheduler, embedder, reranker)
            began, used = time.perf_counter(), time.process_time()
            pairs_per_s = self._pairs_per_s(scheduler, embedder, reranker, alone_s)
            had = (time.process_time() - used) / (time.perf_counter() - began)
            return Measured(pairs_per_s, 1000 * alone_s, had)
        finally:
            scheduler.stop()

    def _search(self, scheduler: Scheduler, embedder: Graph, reranker: Graph) -> Iterator[Future[Result]]:
        """Submit a search's two jobs, the second once the caller asks for it."""
        for lane, graph, items in ((Lane.QUERY, embedder, self._query), (Lane.RERANK, reranker, self._pairs)):
            yield scheduler.submit_whole(lane, graph, items)

    def _alone_s(self, scheduler: Scheduler, embedder: Graph, reranker: Graph) -> float:
        """Return the least time that a search takes from its beginning to its end."""
        began, least_s = time.perf_counter(), math.inf
        for times in itertools.count():
            start = time.perf_counter()
            if times >= _ALONE_TIMES and start - began >= _ALONE * self._measure_s:
                break
            for future in self._search(scheduler, embedder, reranker):
                future.result()
            least_s = min(least_s, time.perf_counter() - start)
        return least_s

    def _pairs_per_s(self, scheduler: Scheduler, embedder: Graph, reranker: _Noted, alone_s: float) -> float:
        """Return the pairs that are scored a second where many searches wait."""
        tokens = sum(map(len, self._pairs))
        least_tokens = _RUNS_A_SLOT * scheduler.slots * reranker.shapes.batch_tokens
        searches = max(2, math.ceil((1 - _ALONE) * self._measure_s / alone_s), math.ceil(least_tokens / tokens))
        reranker.ended.clear()  # of what warmed it up
        began = time.perf_counter()
        futures = [future for _ in range(searches) for future in self._search(scheduler, embedder, reranker)]
        for future in futures:
            future.result()
        return rate(searches * self.candidates, scheduler.slots, [at - began for at in reranker.ended.values()])


def fitting(took_s: float) -> int:
    """Return how many candidates a search gets, where one with all of them took so long."""
    return CANDIDATES if took_s <= _SEARCH_S else max(_LEAST_CANDIDATES, int(CANDIDATES * _SEARCH_S / took_s))


def rate(pairs: int, slots: int, ended_s: Sequence[float]) -> float:
    """Return the pairs that so many slots score a second when all are at work.

    A slot's time ends with its last run: that others are at work a little longer is no part of the rate. A slot that
    never ran was idle until the end.

    Args:
        pairs: that were scored.
        slots: that there are.
        ended_s: when each slot that ran ended its last run, in seconds since the beginning.
    """
    idle = slots - len(ended_s)
    return pairs * slots / (sum(ended_s) + idle * max(ended_s))
