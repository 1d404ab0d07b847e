"""The two models: texts to vectors, and a query beside documents to scores, through the scheduler.

`Graph` is what a slot runs; `Embedder` and `Scorer` are what the pipeline awaits. Knows texts, deadlines and
lanes; knows neither collections nor gRPC.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server.bundle import OUTPUT, Bundle, Source
from shortlist.server.cost import Cost
from shortlist.server.errors import DeadlineExceeded
from shortlist.server.lanes import Job, Lane, Outcome
from shortlist.server.scheduler import Scheduler
from shortlist.server.session import Session
from shortlist.server.settings import Provider
from shortlist.server.tokens import Encoded, Tokenizer, Tokens, pad

TextKind = Literal["query", "document"]

# Texts shorter than this, all together, are tokenized where they are asked for: that takes less time than
# handing them to a thread and back.
_INLINE_CHARACTERS = 2_000
_ENCODED_AT_ONCE = 64
_WARM_UP_TOKENS = (8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Running:
    """Say what a loaded model is."""

    source: Source
    variant: str
    variants: tuple[str, ...]
    provider: str  # as onnxruntime names it
    max_tokens: int
    dimensions: int  # 0 for a reranker
    fingerprint: str
    blend: float  # share of the similarity in the final order, unless a search says otherwise; 0 for an embedder


class Graph:
    """Run encoded texts through one variant of a bundle: the scheduler's `Model`."""

    def __init__(self, bundle: Bundle, variant: str, provider: Provider, threads: int, batch_tokens: int) -> None:
        """Check the variant's files and load its graph.

        Args:
            bundle: where it lies.
            variant: which graph of it.
            provider: where to run it.
            threads: what one run uses.
            batch_tokens: padded tokens that one run may stack; a variant whose results depend on its
                batch-mates runs one item at a time whatever this says.

        Raises:
            BundleError: the variant is missing or damaged.
            ProviderError: the provider is not there.
        """
        bundle.verify(variant)
        manifest = bundle.manifest
        self._session = Session(bundle.graph(variant), provider, threads)
        self._output = OUTPUT[manifest.kind]
        self._pad_token_id = manifest.pad_token_id
        self.width = manifest.dimensions if manifest.kind == "embedder" else 1
        self.batch_tokens = batch_tokens if manifest.variants[variant].batch_invariant else 0
        self.cost = Cost()
        self.running = Running(
            manifest.source,
            variant,
            tuple(manifest.variants),
            self._session.provider,
            manifest.max_tokens,
            manifest.dimensions,
            manifest.fingerprint(variant),
            manifest.blend,
        )

    def run(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        """Return float32 [items, width], and learn what the run cost."""
        began = time.perf_counter()
        values = self._infer(items)
        self.cost.observe(sum(len(item) for item in items), len(items), time.perf_counter() - began)
        return values

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Return the seconds that items of these lengths, in tokens, take on one slot."""
        return self.cost.estimate_s(lengths)

    def _infer(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        values = self._session.run(self._output, pad(items, self._pad_token_id))
        return values.reshape(len(items), self.width)

    def warm_up(self, tokenizer: Tokenizer) -> None:
        """Run every doubling of the length up to the window, so that the first request finds all known."""
        longest = tokenizer.encode([" ".join(["word"] * self.running.max_tokens)])[0]
        lengths = [length for length in _WARM_UP_TOKENS if length < len(longest)]
        for length in (*lengths, len(longest)):
            item = Encoded(longest.input_ids[:length], longest.type_ids[:length], truncated=True)
            self._infer([item])  # the first run of a shape also pays for its memory: not counted
            self.run([item])


@dataclass(frozen=True, slots=True)
class Embedded:
    """Hold the vectors of some texts."""

    vectors: NDArray[np.float32]  # float32 [texts, dimensions]
    lengths: tuple[int, ...]  # tokens of each text, in its window
    truncated: tuple[bool, ...]  # whether each text was longer than the window


class Embedder:
    """Turn texts into vectors with the dual encoder."""

    def __init__(self, bundle: Bundle, graph: Graph, scheduler: Scheduler) -> None:
        """Join the bundle's tokenizer and prefixes with its loaded graph."""
        self.graph = graph
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
        items = await _encoded(lambda: self.tokenizer.encode(prefixed), sum(map(len, prefixed)))
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
        # By logit: far from zero, scores round to the same number. A stable sort keeps ties in the order given.
        return sorted(range(len(self.done)), key=lambda place: (not self.done[place], -self.logits[place]))


class Scorer:
    """Score documents beside a query with the cross-encoder."""

    def __init__(self, bundle: Bundle, graph: Graph, scheduler: Scheduler) -> None:
        """Join the bundle's tokenizer with its loaded graph."""
        self.graph = graph
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
        characters = len(query) * len(documents) + sum(map(len, documents))
        items = await _encoded(lambda: self._encode(query, documents, deadline), characters)
        logits, done = np.zeros(len(documents), np.float32), np.zeros(len(documents), np.bool_)
        if items:
            outcome = await _finish_in_time(self._scheduler, Job(Lane.RERANK, self.graph, items, deadline))
            logits[: len(items)], done[: len(items)] = outcome.values[:, 0], outcome.done
        return Scored(logits, done, sum(item.truncated for item in items))

    def _encode(self, query: str, documents: Sequence[str], deadline: float) -> list[Encoded]:
        """Encode the pairs, or as many as half of the time allows: a thousand long texts take a second."""
        items: list[Encoded] = []
        now = self._scheduler.clock()
        until = now + (deadline - now) / 2
        for start in range(0, len(documents), _ENCODED_AT_ONCE):
            if self._scheduler.clock() >= until:
                break
            items += self.tokenizer.encode_pairs(query, documents[start : start + _ENCODED_AT_ONCE])
        return items

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Estimate the seconds until pairs of these lengths, in tokens, are scored if they came now."""
        run_s = self.graph.estimate_s(lengths) / min(self._scheduler.slots, len(lengths))
        return self._scheduler.wait_s(Lane.RERANK) + run_s


async def _encoded(encode: Callable[[], list[Encoded]], characters: int) -> list[Encoded]:
    return encode() if characters <= _INLINE_CHARACTERS else await asyncio.to_thread(encode)


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
