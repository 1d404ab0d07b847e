"""Xinference's client, which Dify's plugin for it is on: it looks a model up before it uses it."""

import pytest
from xinference_client import RESTfulClient

from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client("xinference-client", points="RESTfulClient(ORIGIN); model UIDs embedder and reranker")


@pytest.fixture
def client(origin: str) -> RESTfulClient:
    """Return a client."""
    return RESTfulClient(origin)


def test_rerank(client, truth):
    """`get_model("reranker").rerank`, with documents."""
    answer = client.get_model("reranker").rerank(list(PASSAGES), QUERY, return_documents=True)
    truth.assert_ranking([(one["index"], one["relevance_score"]) for one in answer["results"]])
    assert [one["document"]["text"] for one in answer["results"]] == [
        PASSAGES[one["index"]] for one in answer["results"]
    ]


def test_embeddings(client, truth):
    """`get_model("embedder").create_embedding`."""
    answer = client.get_model("embedder").create_embedding(list(PASSAGES))
    assert [one["embedding"] for one in answer["data"]] == [
        pytest.approx(vector, abs=1e-6) for vector in truth.vectors
    ]


def test_errors(client):
    """`RuntimeError` with what is wrong: an empty query, a model that is not there."""
    with pytest.raises(RuntimeError, match="query: got ''"):
        client.get_model("reranker").rerank(list(PASSAGES), "")
    with pytest.raises(RuntimeError, match="the models are"):
        client.get_model("other")
