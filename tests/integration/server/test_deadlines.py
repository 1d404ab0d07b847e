"""Deadlines over gRPC: kept, by doing less and saying so, or by refusing at once."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from shortlist.bench import local
from shortlist.client import Client, DeadlineExceeded, Document, RerankResult, SearchResult

# Far more than an answer takes: what is tested is what the server does at a deadline, not how fast a machine is.
MARGIN_S = 2.0
COUNT = 1000
Answered = TypeVar("Answered", RerankResult, SearchResult)


@pytest.fixture(scope="module")
def client(tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a server that stops its work long before a deadline."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    # Without a cache: the same search is timed once and cut short the second time.
    options = ("--deadline-margin-ms", str(1000 * MARGIN_S), "--cache-mb", "0", "--log-level", "warning")
    data = str(tmp_path_factory.mktemp("data"))
    with local.serving(*models, *options, "--data", data) as address, Client(address, timeout_s=100) as opened:
        yield opened


@pytest.fixture
def documents() -> list[str]:
    """Return texts that fill a model's window."""
    return [f"{number} " + "word " * 300 for number in range(COUNT)]


def time_of(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def in_part(call: Callable[[float], Answered]) -> Answered:
    """Make a call under a deadline that allows a part of its work, found from what the whole takes now."""
    share_s = time_of(lambda: call(100)) / 3
    for _ in range(10):
        answered = call(MARGIN_S + share_s)
        if 0 < answered.reranked < COUNT:
            break
        share_s *= 0.5 if answered.reranked else 2
    return answered


def test_a_rerank_is_cut_short(client: Client, documents: list[str]):
    """Under a deadline that allows a part, Rerank answers in time: scored ones first, the rest in their own order."""
    result = in_part(lambda timeout_s: client.rerank("words", documents, timeout_s=timeout_s))
    assert result.degraded == "deadline"
    assert 0 < result.reranked < COUNT
    assert len(result.results) == 1000
    scores = [entry.score for entry in result.results[: result.reranked]]
    assert scores == sorted(scores, reverse=True)
    rest = result.results[result.reranked :]
    assert all(entry.score is None for entry in rest)
    assert [entry.index for entry in rest] == sorted(entry.index for entry in rest)


def test_a_search_is_cut_short_in_stage_one_s_order(client: Client, name: str, documents: list[str]):
    """Under a deadline, a search scores the most similar candidates and leaves the rest in stage one's order."""
    client.create_collection(name)
    client.upsert(name, [Document(str(number), text) for number, text in enumerate(documents)], timeout_s=100)

    def search(timeout_s: float) -> SearchResult:
        return client.search(
            name, "words", mode="two-stage", top_k=1000, candidates=1000, timeout_s=timeout_s, include_text=False
        )

    result = in_part(search)
    assert result.degraded == "deadline"
    assert 0 < result.reranked < COUNT
    assert {hit.rank for hit in result.hits[: result.reranked]} == set(range(1, result.reranked + 1))
    assert [hit.rank for hit in result.hits[result.reranked :]] == list(range(result.reranked + 1, 1001))


def test_an_embed_that_cannot_be_done_is_refused(client: Client, documents: list[str]):
    """What must be done whole and cannot be done in time fails with DEADLINE_EXCEEDED."""
    with pytest.raises(DeadlineExceeded):
        client.embed(documents, timeout_s=MARGIN_S + 0.01)
