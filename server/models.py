"""The two models: texts to vectors, and a query beside documents to scores, through the scheduler.

`Embedder` and `Scorer` are what the pipeline awaits; `graph.py` has what a slot runs. Knows texts, deadlines and
lanes; knows neither collections nor gRPC.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server import blending
from shortlist.server.bundle import Bundle
from shortlist.server.errors import DeadlineExceeded
from shortlist.server.graph import Graph
from shortlist.server.lanes import Job, Lane, Outcome
from shortlist.server.scheduler import Scheduler
from shortlist.server.tokens import Encoded, Tokenizer, Tokens

TextKind = Literal["query", "document"]

_SLICE = 32  # texts that are tokenized at once: some milliseconds
# A slice shorter than this is tokenized where it is asked for: that takes less time than handing it to a thread.
_INLINE_CHARACTERS = 1_000


class TokenizingPool:
    """Tokenize on threads of its own, in slices: between two of them a deadline counts, and a caller may leave."""

    def __init__(self, threads: int) -> None:
        """Start with no thread; they come with the work."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tokenize")

    async def encode(
        self, encode: Callable[[Sequence[str]], list[Encoded]], texts: Sequence[str], until: float
    ) -> list[Encoded]:
        """Encode texts from the first on, for as long as there is time.

        Args:
            encode: what encodes a slice.
            texts: what to encode.
            until: a time of the monotonic clock, in seconds.

        Returns:
            as many items as there was time for.
        """
        items: list[Encoded] = []
        for start in range(0, len(texts), _SLICE):
            if time.monotonic() >= until:
                break
            part = texts[start : start + _SLICE]
            if sum(map(len, part)) <= _INLINE_CHARACTERS:
                items += encode(part)
            else:
                items += await asyncio.get_running_loop().run_in_executor(self._threads, encode, part)
        return items

    def close(self) -> None:
        """Drop what waits; what runs ends within a slice."""
        self._threads.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Hold the vectors of some texts."""

    vectors: NDArray[np.float32]  # float32 [texts, dimensions]
    lengths: tuple[int, ...]  # tokens of each text, in its window
    truncated: tuple[bool, ...]  # whether each text was longer than the window


class Embedder:
    """Turn texts into vectors with the dual encoder."""

    def __init__(self, bundle: Bundle, graph: Graph, scheduler: Scheduler, pool: TokenizingPool) -> None:
        """Join the bundle's tokenizer and prefixes with its loaded graph."""
        self.graph = graph
        self._pool = pool
        self.tokenizer = Tokenizer(bundle)
        self._scheduler = scheduler
        self._prefixes: dict[TextKind, str] = {
            "query": bundle.manifest.query_prefix,
            "document": bundle.manifest.document_prefix,
        }

    async def embed(self, texts: Sequence[str], kind: TextKind, lane: Lane, deadline: float) -> Embedded:
        """Embed each text.

        Args:
            texts: at least one.
            kind: decides the prefix.
            lane: how urgent it is.
            deadline: a time of the scheduler's clock, in seconds.

        Raises:
            DeadlineExceeded: it passed, or cannot be met.
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        prefixed = self.prefixed(texts, kind)
        items = await self._pool.encode(self.tokenizer.encode, prefixed, deadline)
        if len(items) < len(texts):
            raise DeadlineExceeded(
                f"{len(items)} of {len(texts)} texts were tokenized at the deadline;"
                " allow more time, or send less at once"
            )
        outcome = await _finish(self._scheduler, Job(lane, self.graph, items, deadline))
        return Embedded(outcome.values, tuple(len(item) for item in items), tuple(item.truncated for item in items))

    def prefixed(self, texts: Sequence[str], kind: TextKind) -> Sequence[str]:
        """Put the model's prefix for this kind of text before each."""
        prefix = self._prefixes[kind]
        return [prefix + text for text in texts] if prefix else texts

    def show(self, texts: Sequence[str], kind: TextKind) -> list[Tokens]:
        """Return each text as the model reads it."""
        return self.tokenizer.show(self.prefixed(texts, kind))


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold the scores of a query beside some documents."""

    logits: NDArray[np.float32]  # float32 [documents]; 0 where not done
    done: NDArray[np.bool_]  # bool [documents]; False where the deadline came first
    truncated: int  # pairs that were longer than the window, of those that were tokenized in time

    @property
    def scores(self) -> NDArray[np.float64]:
        """Return the sigmoid of each logit, 0 to 1: float64 [documents]."""
        return 1.0 / (1.0 + np.exp(-self.logits.astype(np.float64)))

    def order(self) -> list[int]:
        """Return the documents' places, best first; what was not scored follows in the order it came in."""
        return blending.order(self.logits, self.done)


class Scorer:
    """Score documents beside a query with the cross-encoder."""

    def __init__(self, bundle: Bundle, graph: Graph, scheduler: Scheduler, pool: TokenizingPool) -> None:
        """Join the bundle's tokenizer with its loaded graph."""
        self.graph = graph
        self._pool = pool
        self.tokenizer = Tokenizer(bundle)
        self._scheduler = scheduler

    async def score(self, query: str, documents: Sequence[str], deadline: float) -> Scored:
        """Score each document, first to last for as long as the deadline allows.

        Args:
            query: what is looked for.
            documents: at least one, most promising first.
            deadline: a time of the scheduler's clock, in seconds, by which this returns.

        Raises:
            Overloaded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        now = self._scheduler.clock()
        items = await self._pool.encode(
            partial(self.tokenizer.encode_pairs, query), documents, until=now + (deadline - now) / 2
        )
        logits, done = np.zeros(len(documents), np.float32), np.zeros(len(documents), np.bool_)
        if items:
            outcome = await _finish_in_time(self._scheduler, Job(Lane.RERANK, self.graph, items, deadline))
            logits[: len(items)], done[: len(items)] = outcome.values[:, 0], outcome.done
        return Scored(logits, done, sum(item.truncated for item in items))

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Estimate the seconds until pairs of these lengths, in tokens, are scored if they came now."""
        run_s = self.graph.estimate_s(lengths) / min(self._scheduler.slots, len(lengths))
        return self._scheduler.wait_s(Lane.RERANK) + run_s


async def _finish_in_time(scheduler: Scheduler, job: Job) -> Outcome:
    """Run a job until its deadline and return what was done by then."""
    future = asyncio.wrap_future(scheduler.submit(job))
    try:
        await asyncio.wait([future], timeout=max(0.0, job.deadline - scheduler.clock()))
        if not future.done():
            scheduler.close(job)
        return await future
    finally:
        future.cancel()  # no effect on a settled job; frees the place of one whose caller has left


async def _finish(scheduler: Scheduler, job: Job) -> Outcome:
    """Run all of a job, or raise DeadlineExceeded: at once, where the estimate says that it cannot be done."""
    lengths = [len(item) for item in job.items]
    need_s = scheduler.wait_s(job.lane) + job.model.estimate_s(lengths) / min(scheduler.slots, len(lengths))
    left_s = job.deadline - scheduler.clock()
    if need_s > left_s:
        raise DeadlineExceeded(
            f"this takes about {1000 * need_s:.0f} ms, but {1000 * left_s:.0f} ms are left;"
            " allow more time, or send less at once"
        )
    outcome = await _finish_in_time(scheduler, job)
    if not outcome.done.all():
        raise DeadlineExceeded(
            f"{outcome.done.sum()} of {len(lengths)} texts were done at the deadline;"
            " allow more time, or send less at once"
        )
    return outcome
