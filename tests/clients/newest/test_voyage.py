"""Voyage's SDK: reranking, embeddings, and its errors."""

import asyncio

import pytest
import voyageai

from overload import LONG, at_once
from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client("voyageai", points="base_url=ORIGIN/v1, api_key=ANY")

MODEL = "rerank-2.5"


@pytest.fixture
def client(origin: str) -> voyageai.Client:
    """Return a client."""
    return voyageai.Client(api_key="none", base_url=f"{origin}/v1")


def test_rerank(client, truth):
    """`rerank`: order, scores, documents and token counts."""
    answer = client.rerank(QUERY, list(PASSAGES), model=MODEL)
    truth.assert_ranking([(one.index, one.relevance_score) for one in answer.results])
    assert [one.document for one in answer.results] == [PASSAGES[one.index] for one in answer.results]
    assert answer.total_tokens > len(PASSAGES)


def test_top_k(client, truth):
    """`top_k`."""
    answer = client.rerank(QUERY, list(PASSAGES), model=MODEL, top_k=1)
    truth.assert_ranking([(one.index, one.relevance_score) for one in answer.results])
    assert len(answer.results) == 1


def test_embed(client, truth):
    """`embed` of documents and of a query, and in fewer dimensions."""
    answer = client.embed(list(PASSAGES), model="voyage-4", input_type="document")
    assert answer.embeddings == [pytest.approx(vector, abs=1e-7) for vector in truth.vectors]
    assert answer.total_tokens > len(PASSAGES)
    query = client.embed([QUERY], model="voyage-4", input_type="query")
    assert query.embeddings[0] == pytest.approx(truth.query, abs=1e-7)
    short = client.embed([QUERY], model="voyage-4", output_dimension=256)
    assert len(short.embeddings[0]) == 256


async def rerank_async(origin: str) -> list[tuple[int, float]]:
    """Rerank by the asynchronous client."""
    client = voyageai.AsyncClient(api_key="none", base_url=f"{origin}/v1")
    answer = await client.rerank(QUERY, list(PASSAGES), model=MODEL)
    return [(one.index, one.relevance_score) for one in answer.results]


def test_async(origin, truth):
    """`AsyncClient.rerank`."""
    truth.assert_ranking(asyncio.run(rerank_async(origin)))


def test_bad_requests(client):
    """`InvalidRequestError`: an empty query, and a text that does not fit where `truncation` is false."""
    with pytest.raises(voyageai.error.InvalidRequestError, match="query: got"):
        client.rerank("", list(PASSAGES), model=MODEL)
    with pytest.raises(voyageai.error.InvalidRequestError, match="truncated"):
        client.rerank(QUERY, LONG[:1], model=MODEL, truncation=False)
    with pytest.raises(voyageai.error.InvalidRequestError, match="truncated"):
        client.embed(LONG[:1], model="voyage-4", truncation=False)


def test_overloaded(client):
    """`RateLimitError` where the queue is full."""
    errors = at_once(lambda: client.rerank(QUERY, LONG, model=MODEL))
    assert any(isinstance(error, voyageai.error.RateLimitError) for error in errors)
