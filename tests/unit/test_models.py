"""Embedder and scorer above the scheduler: deadlines, cancellation, order. The graph is a stand-in that can wait."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from shortlist.server.errors import DeadlineExceeded
from shortlist.server.lanes import Lane
from shortlist.server.models import Embedder, Scored, Scorer, TokenizingPool
from shortlist.server.scheduler import Scheduler
from shortlist.server.tokens import Encoded

WAIT_S = 20.0


class Graph:
    """Give each item its length; wait at every run until it is let go."""

    batch_tokens = 0
    width = 1

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.runs = 0

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.0

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.entered.release()
        assert self.go.acquire(timeout=WAIT_S)
        self.runs += 1
        return np.array([[len(item)] for item in items], dtype=np.float32)


class Words:
    """Tokenize by words."""

    max_tokens = 512

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        lengths = [max(1, len(text.split())) for text in texts]
        return [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]

    def encode_pairs(self, query: str, documents: Sequence[str]) -> list[Encoded]:
        return self.encode(documents)


BUNDLE = SimpleNamespace(manifest=SimpleNamespace(query_prefix="q: ", document_prefix=""))


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the word tokenizer in place of a bundle's."""
    monkeypatch.setattr("shortlist.server.models.Tokenizer", lambda _: Words())


@pytest.fixture
def graph() -> Graph:
    """Return a graph that is shut."""
    return Graph()


@pytest.fixture
def scheduler(graph: Graph) -> Iterator[Scheduler]:
    """Return a scheduler with one slot."""
    made = Scheduler(slots=1, queue_tokens=10_000)
    yield made
    for _ in range(1000):
        graph.go.release()
    made.stop()


@pytest.fixture
def pool() -> Iterator[TokenizingPool]:
    """Return a pool of one thread."""
    made = TokenizingPool(1)
    yield made
    made.close()


def let_go(graph: Graph, runs: int) -> None:
    """Let runs of the graph end."""
    for _ in range(runs):
        graph.go.release()


async def test_prefixes_go_before_texts(scheduler: Scheduler, graph: Graph, pool: TokenizingPool):
    """A query gets the model's query prefix, and a document its own."""
    embedder = Embedder(BUNDLE, graph, scheduler, pool)
    let_go(graph, 2)
    deadline = scheduler.clock() + WAIT_S
    query = await embedder.embed(["one two"], "query", Lane.QUERY, deadline)
    document = await embedder.embed(["one two"], "document", Lane.INGEST, deadline)
    assert (query.lengths, document.lengths) == ((3,), (2,))


async def test_a_cancelled_call_leaves_the_queue(scheduler: Scheduler, graph: Graph, pool: TokenizingPool):
    """When its caller is gone, what waits of a call is dropped at once and never run."""
    scorer = Scorer(BUNDLE, graph, scheduler, pool)
    call = asyncio.create_task(scorer.score("q", ["a b c"] * 50, scheduler.clock() + WAIT_S))
    assert await asyncio.to_thread(graph.entered.acquire, timeout=WAIT_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert scheduler.statistics().waiting_tokens == 0
    let_go(graph, 1)


async def test_a_score_is_cut_at_its_deadline(scheduler: Scheduler, graph: Graph, pool: TokenizingPool):
    """At the deadline the call returns with what is done, and says which; the order puts that first."""
    scorer = Scorer(BUNDLE, graph, scheduler, pool)
    let_go(graph, 2)
    scored = await scorer.score("q", ["one", "one two three", "one two", "one"], scheduler.clock() + 0.2)
    assert scored.done.tolist() == [True, True, False, False]
    assert scored.order() == [1, 0, 2, 3]


async def test_a_deadline_in_the_past_scores_nothing(scheduler: Scheduler, graph: Graph, pool: TokenizingPool):
    """Without any time left nothing is tokenized or run, and the order is the one that came in."""
    scorer = Scorer(BUNDLE, graph, scheduler, pool)
    scored = await scorer.score("q", ["one", "two"], scheduler.clock() - 1)
    assert (scored.done.any(), scored.order(), graph.runs) == (False, [0, 1], 0)


async def test_an_embed_is_whole_or_refused(scheduler: Scheduler, graph: Graph, pool: TokenizingPool):
    """An embedding that is not finished at its deadline fails, telling how far it came."""
    embedder = Embedder(BUNDLE, graph, scheduler, pool)
    let_go(graph, 1)
    with pytest.raises(DeadlineExceeded, match="1 of 2 texts were done"):
        await embedder.embed(["one", "two"], "document", Lane.INGEST, scheduler.clock() + 0.2)


async def test_an_embed_that_cannot_be_done_is_refused_at_once(
    scheduler: Scheduler, graph: Graph, pool: TokenizingPool, monkeypatch: pytest.MonkeyPatch
):
    """Where the cost model says that the deadline cannot be met, nothing is queued."""
    monkeypatch.setattr(graph, "estimate_s", lambda lengths: 10.0 * sum(lengths))
    embedder = Embedder(BUNDLE, graph, scheduler, pool)
    with pytest.raises(DeadlineExceeded, match="this takes about 20000 ms"):
        await embedder.embed(["one two"], "document", Lane.INGEST, scheduler.clock() + 5)
    assert scheduler.statistics().waiting_jobs == (0, 0, 0)


async def test_tokenizing_ends_with_its_time(pool: TokenizingPool):
    """What is tokenized at the end of its time is returned, and nothing more is begun."""
    seen: list[int] = []

    def encode(texts: Sequence[str]) -> list[Encoded]:
        seen.append(len(texts))
        if len(seen) == 2:
            until.set()
            assert over.wait(WAIT_S)
        return Words().encode(texts)

    until, over = threading.Event(), threading.Event()
    call = asyncio.create_task(pool.encode(encode, ["word " * 100] * 1000, time.monotonic() + 0.2))
    assert await asyncio.to_thread(until.wait, WAIT_S)
    await asyncio.sleep(0.2)  # the time that it has
    over.set()
    assert len(await call) == sum(seen) < 1000
    assert len(seen) == 2


async def test_a_caller_who_leaves_ends_tokenizing(pool: TokenizingPool):
    """After a caller left, no further slice of its texts is begun."""
    seen: list[int] = []
    entered, over = threading.Event(), threading.Event()

    def encode(texts: Sequence[str]) -> list[Encoded]:
        seen.append(len(texts))
        entered.set()
        assert over.wait(WAIT_S)
        return Words().encode(texts)

    call = asyncio.create_task(pool.encode(encode, ["word " * 100] * 1000, time.monotonic() + WAIT_S))
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    over.set()
    pool.close()
    assert len(seen) == 1


def test_scores_are_sigmoids_and_ties_keep_their_order():
    """A score is the sigmoid of its logit; equal logits stay in stage one's order, and huge ones still differ."""
    scored = Scored(np.array([0.0, 40.0, 0.0, 50.0], np.float32), np.ones(4, np.bool_), 0)
    assert scored.scores[0] == 0.5
    assert scored.scores[1] == pytest.approx(1.0)
    assert scored.order() == [3, 1, 0, 2]
