"""Cohere's SDK: reranking in both of its versions, embeddings, and its errors."""

import asyncio

import cohere
import pytest

from overload import LONG, at_once
from recorded_bodies import PASSAGES, QUERY, RIGHT

pytestmark = pytest.mark.client("cohere", points="base_url=ORIGIN, api_key=ANY")

MODEL = "rerank-v4.0"


@pytest.fixture
def client(origin: str) -> cohere.ClientV2:
    """Return a client of the second version."""
    return cohere.ClientV2(api_key="none", base_url=origin)


@pytest.fixture
def first(origin: str) -> cohere.Client:
    """Return a client of the first version."""
    return cohere.Client(api_key="none", base_url=origin)


def test_rerank(client, truth):
    """`ClientV2.rerank`: order, scores and token counts."""
    answer = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES)
    truth.assert_ranking([(one.index, one.relevance_score) for one in answer.results])
    assert answer.meta.tokens.input_tokens > len(PASSAGES)
    assert answer.id


def test_top_n(client, truth):
    """`top_n`, of fewer documents and of more than there are; nulls for all that is optional."""
    some = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES, top_n=2, max_tokens_per_doc=None)
    truth.assert_ranking([(one.index, one.relevance_score) for one in some.results])
    assert len(some.results) == 2
    assert len(client.rerank(model=MODEL, query=QUERY, documents=PASSAGES, top_n=1500).results) == len(PASSAGES)


def test_max_tokens_per_doc(client, truth):
    """`max_tokens_per_doc` cuts documents before they are paired."""
    answer = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES, max_tokens_per_doc=1)
    best = max(one.relevance_score for one in answer.results)
    assert best < truth.ranking[0][1]
    assert sorted(one.index for one in answer.results) == list(range(len(PASSAGES)))


def test_first_version(first, truth):
    """`Client.rerank` (v1) with `return_documents`."""
    answer = first.rerank(model=MODEL, query=QUERY, documents=PASSAGES, return_documents=True)
    truth.assert_ranking([(one.index, one.relevance_score) for one in answer.results])
    assert [one.document.text for one in answer.results] == [PASSAGES[one.index] for one in answer.results]


def test_rank_fields(first):
    """`Client.rerank` of objects: `text`, or the values of `rank_fields`."""
    documents = [{"text": "nothing", "title": passage} for passage in PASSAGES]
    by_title = first.rerank(query=QUERY, documents=documents, rank_fields=["title"], return_documents=True)
    assert by_title.results[0].index == RIGHT
    assert by_title.results[0].document.title == PASSAGES[RIGHT]
    by_text = first.rerank(query=QUERY, documents=documents)
    assert len({one.relevance_score for one in by_text.results}) == 1


async def rerank_async(origin: str) -> list[tuple[int, float]]:
    """Rerank by the asynchronous client."""
    async with cohere.AsyncClientV2(api_key="none", base_url=origin) as client:
        answer = await client.rerank(model=MODEL, query=QUERY, documents=PASSAGES)
    return [(one.index, one.relevance_score) for one in answer.results]


def test_async(origin, truth):
    """`AsyncClientV2.rerank`."""
    truth.assert_ranking(asyncio.run(rerank_async(origin)))


def test_embed(client, truth):
    """`ClientV2.embed` of queries and documents, as floats and base64."""
    answer = client.embed(
        model="embed-v4.0", input_type="search_document", texts=PASSAGES, embedding_types=["float", "base64"]
    )
    assert answer.embeddings.float_ == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    assert len(answer.embeddings.base64) == len(PASSAGES)
    query = client.embed(model="embed-v4.0", input_type="search_query", texts=[QUERY], embedding_types=["float"])
    assert query.embeddings.float_[0] == pytest.approx(truth.query, abs=1e-6)


def test_embed_first_version(first, truth):
    """`Client.embed` (v1)."""
    answer = first.embed(model="embed-v4.0", input_type="search_document", texts=PASSAGES)
    assert answer.embeddings == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]


def test_bad_requests(client):
    """`BadRequestError`, with field and remedy: no query, no documents, a text too long for `truncate="NONE"`."""
    with pytest.raises(cohere.BadRequestError) as raised:
        client.rerank(model=MODEL, query="", documents=PASSAGES)
    assert "query: got" in raised.value.body["message"]
    with pytest.raises(cohere.BadRequestError):
        client.rerank(model=MODEL, query=QUERY, documents=[])
    with pytest.raises(cohere.BadRequestError) as raised:
        client.embed(model="embed-v4.0", input_type="search_document", texts=LONG[:1], truncate="NONE")
    assert "truncated" in raised.value.body["message"]


def test_overloaded(client):
    """`TooManyRequestsError` where the queue is full; with the SDK's retries all calls are answered."""
    once = {"max_retries": 0}
    errors = at_once(lambda: client.rerank(model=MODEL, query=QUERY, documents=LONG, request_options=once))
    assert any(isinstance(error, cohere.TooManyRequestsError) for error in errors)
    often = {"max_retries": 50}
    errors = at_once(lambda: client.rerank(model=MODEL, query=QUERY, documents=LONG, request_options=often))
    assert errors == []
