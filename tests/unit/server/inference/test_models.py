"""Embedder and scorer above the scheduler: deadlines, cancellation, order. The graph is a stand-in that can wait."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gated_model import WAIT_S
from shortlist.server.errors import DeadlineExceeded, InferenceFailed, NoTokens
from shortlist.server.inference.coalescing import Coalescer, TokenizingPool
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder, Scorer
from shortlist.server.inference.result import Spent
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.tokens import Encoded
from word_models import BUNDLE, Graph, Words

CACHE_BYTES = 1 << 20


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the word tokenizer in place of a bundle's."""
    monkeypatch.setattr("shortlist.server.inference.loaded_model.Tokenizer", lambda _: Words())


@pytest.fixture
def graph() -> Graph:
    """Return a graph that is shut."""
    return Graph()


@pytest.fixture
def scheduler(graph: Graph) -> Iterator[Scheduler]:
    """Return a scheduler with one slot."""
    made = Scheduler(slots=1, queue_tokens=10_000)
    yield made
    graph.open(1000)
    made.stop()


@pytest.fixture
def pool() -> Iterator[TokenizingPool]:
    """Return a pool of one thread."""
    made = TokenizingPool(1)
    yield made
    made.close()


@pytest.fixture
def coalescer(scheduler: Scheduler, pool: TokenizingPool) -> Coalescer:
    """Return a coalescer without a job."""
    return Coalescer(scheduler, pool)


async def test_prefixes_go_before_texts(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A query gets the model's query prefix, and a document its own."""
    embedder = Embedder(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(2)
    deadline = scheduler.clock() + WAIT_S
    query = await embedder.embed(["one two"], "query", Lane.QUERY, deadline)
    document = await embedder.embed(["one two"], "document", Lane.INGEST, deadline)
    assert (query.tokens.tolist(), document.tokens.tolist()) == ([3], [2])


async def test_a_cancelled_call_leaves_the_queue(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """When its caller is gone, what waits of a call is dropped at once and never run."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    call = asyncio.create_task(scorer.score("q", ["a b c"] * 50, scheduler.clock() + WAIT_S))
    assert await asyncio.to_thread(graph.entered.acquire, timeout=WAIT_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert scheduler.statistics().waiting_tokens == 0
    graph.open(1)


async def test_a_score_is_cut_at_its_deadline(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """At the deadline the call returns with what is done, and says which and why."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(2)
    scored = await scorer.score("q", ["one", "one two three", "one two", "one"], scheduler.clock() + 0.2)
    assert scored.done.tolist() == [True, True, False, False]
    assert scored.degraded == "deadline"


async def test_a_deadline_in_the_past_scores_nothing(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """Without any time left nothing is tokenized or run."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    scored = await scorer.score("q", ["one", "two"], scheduler.clock() - 1)
    assert (scored.done.any(), scored.degraded, graph.runs) == (False, "deadline", 0)


async def test_a_pair_that_the_model_cannot_run(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A rerank goes without such a pair and names the model, not the deadline; with both it names the deadline."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    bad = "word " * 13  # for which the graph raises
    graph.open(3)
    scored = await scorer.score("q", ["one", bad, "one two"], scheduler.clock() + WAIT_S, [(0, 1), (0, 2), (0, 3)])
    assert (scored.done.tolist(), scored.failed, scored.degraded) == ([True, False, True], 1, "inference-failed")
    graph.open(1)
    again = await scorer.score("q", ["one", bad, "a b c"], scheduler.clock() + 0.2, [(0, 1), (0, 2), (0, 4)])
    assert (again.done.tolist(), again.failed, again.degraded) == ([True, False, False], 1, "deadline")


async def test_an_embed_is_whole_or_refused(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """An embedding that is not finished at its deadline fails, telling how far it came."""
    embedder = Embedder(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(1)
    with pytest.raises(DeadlineExceeded, match="1 of 2 texts were done"):
        await embedder.embed(["one", "two"], "document", Lane.INGEST, scheduler.clock() + 0.2)


async def test_an_embed_that_cannot_be_done_is_refused_at_once(
    scheduler: Scheduler, graph: Graph, coalescer: Coalescer, monkeypatch: pytest.MonkeyPatch
):
    """Where the cost model says that the deadline cannot be met, nothing is queued."""
    monkeypatch.setattr(graph, "estimate_s", lambda lengths: 10.0 * sum(lengths))
    embedder = Embedder(BUNDLE, graph, coalescer, CACHE_BYTES)
    with pytest.raises(DeadlineExceeded, match="this takes about 10000 ms"):
        await embedder.embed(["one two"], "document", Lane.INGEST, scheduler.clock() + 5)
    assert scheduler.statistics().waiting_jobs == (0, 0, 0)


async def test_what_a_query_brought_is_not_computed_again(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A query's second embedding comes from the cache, equal and without a run; a document's does not."""
    embedder = Embedder(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(3)
    deadline = scheduler.clock() + WAIT_S
    first = await embedder.embed(["one two"], "query", Lane.QUERY, deadline)
    again = await embedder.embed(["one two"], "query", Lane.QUERY, deadline)
    assert (again.values.tolist(), again.tokens.tolist(), graph.runs) == (first.values.tolist(), [3], 1)
    assert (again.spent, first.spent.infer_s > 0) == (Spent(), True)
    for _ in range(2):
        await embedder.embed(["one two"], "document", Lane.INGEST, deadline)
    assert (graph.runs, embedder.cache.hits, embedder.cache.misses) == (3, 1, 1)


async def test_only_unknown_pairs_are_scored(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A second score of the same query runs the versions that are new, and puts all in their places."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(4)
    deadline = scheduler.clock() + WAIT_S
    await scorer.score("q", ["one", "one two"], deadline, [(0, 1), (0, 2)])
    scored = await scorer.score("q", ["a b c", "one two", "a b c d"], deadline, [(0, 3), (0, 2), (0, 4)])
    assert (scored.logits.tolist(), scored.done.all(), graph.runs) == ([3, 2, 4], True, 4)


async def test_another_version_is_scored_again(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A document that was replaced gets a new score, though its text came before under another number."""
    scorer = Scorer(BUNDLE, graph, coalescer, CACHE_BYTES)
    graph.open(2)
    deadline = scheduler.clock() + WAIT_S
    assert (await scorer.score("q", ["one"], deadline, [(0, 1)])).logits.tolist() == [1]
    assert (await scorer.score("q", ["one two"], deadline, [(0, 2)])).logits.tolist() == [2]


async def test_without_a_cache_all_is_computed(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """With no bytes for it nothing is remembered."""
    scorer = Scorer(BUNDLE, graph, coalescer, 0)
    graph.open(2)
    for _ in range(2):
        await scorer.score("q", ["one"], scheduler.clock() + WAIT_S, [(0, 1)])
    assert graph.runs == 2


async def test_identical_queries_share_a_run(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """Queries that come while the same one is under way get its vector; all of them one run."""
    embedder = Embedder(BUNDLE, graph, coalescer, 0)
    deadline = scheduler.clock() + WAIT_S
    calls = [asyncio.create_task(embedder.embed(["one two"], "query", Lane.QUERY, deadline)) for _ in range(5)]
    assert await asyncio.to_thread(graph.entered.acquire, timeout=WAIT_S)
    graph.open(1)
    vectors = [(await call).values.tolist() for call in calls]
    assert vectors == [[[3.0]]] * 5
    assert (graph.runs, coalescer.joined) == (1, 4)


async def test_a_shared_run_outlives_the_caller_who_began_it(
    scheduler: Scheduler, graph: Graph, coalescer: Coalescer
):
    """When the first caller leaves, or its deadline comes, the others still get the whole of the job."""
    scorer = Scorer(BUNDLE, graph, coalescer, 0)
    texts, versions = ["one", "one two", "a b c"], [(0, 1), (0, 2), (0, 3)]
    now = scheduler.clock()
    gone = asyncio.create_task(scorer.score("q", texts, now + WAIT_S, versions))
    hasty = asyncio.create_task(scorer.score("q", texts, now + 0.2, versions))
    patient = asyncio.create_task(scorer.score("q", texts, now + 2 * WAIT_S, versions))
    assert await asyncio.to_thread(graph.entered.acquire, timeout=WAIT_S)
    gone.cancel()
    assert not (await hasty).done.any()
    graph.open(3)
    assert (await patient).logits.tolist() == [1, 2, 3]
    assert graph.runs == 3


async def test_texts_that_cannot_be_tokenized_fail_their_call(
    scheduler: Scheduler, graph: Graph, coalescer: Coalescer
):
    """An error while tokenizing reaches its caller and frees the job's place."""
    scorer = Scorer(BUNDLE, graph, coalescer, 0)

    def encode_pairs(query: str, documents: Sequence[str], truncation: object) -> list[Encoded]:
        raise RuntimeError("no tokens today")

    scorer.tokenizer.encode_pairs = encode_pairs
    with pytest.raises(InferenceFailed, match="could not be tokenized"):
        await scorer.score("q", ["one"], scheduler.clock() + WAIT_S)
    assert scheduler.statistics().waiting_tokens == 0


async def test_a_text_without_tokens_fails_its_call(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """A text far back in a call that has no tokens is told by its place, and the rest leaves the queue."""
    embedder = Embedder(BUNDLE, graph, coalescer, 0)

    def encode(texts: Sequence[str], truncation: object) -> list[Encoded]:
        return [Encoded(np.ones(len(text), np.int64), np.zeros(len(text), np.int64), False) for text in texts]

    embedder.tokenizer.encode = encode
    graph.open(100)
    with pytest.raises(NoTokens, match=r"texts\[41\]: got '', but the model's tokenizer leaves no token of it"):
        await embedder.embed(["a"] * 41 + [""] + ["a"] * 10, "document", Lane.INGEST, scheduler.clock() + WAIT_S)
    assert scheduler.statistics().waiting_tokens == 0


async def test_a_caller_who_leaves_ends_tokenizing(scheduler: Scheduler, graph: Graph, coalescer: Coalescer):
    """After a caller left, no further slice of its texts is begun."""
    scorer = Scorer(BUNDLE, graph, coalescer, 0)
    seen: list[int] = []
    entered, over = threading.Event(), threading.Event()

    def encode_pairs(query: str, documents: Sequence[str], truncation: object) -> list[Encoded]:
        seen.append(len(documents))
        entered.set()
        assert over.wait(WAIT_S)
        return Words().encode(documents)

    scorer.tokenizer.encode_pairs = encode_pairs
    call = asyncio.create_task(scorer.score("q", ["word " * 500] * 8, scheduler.clock() + WAIT_S))
    assert await asyncio.to_thread(entered.wait, WAIT_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    over.set()
    assert len(seen) == 1
