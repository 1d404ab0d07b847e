"""LiteLLM, by each of its routes that reaches a server of one's own."""

import litellm
import pytest

from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client("litellm", points="api_base=ORIGIN, api_key=ANY")

ROUTES = ("cohere", "infinity", "jina_ai", "hosted_vllm", "voyage", "huggingface")


def rerank(route: str, origin: str, **settings) -> list:
    """Rerank by one of its routes."""
    body = {"query": QUERY, "documents": list(PASSAGES)}
    return litellm.rerank(f"{route}/reranker", **body, api_base=origin, api_key="none", **settings).results


@pytest.mark.parametrize("route", ROUTES)
def test_rerank(route, origin, truth):
    """`rerank` by its routes cohere, infinity, jina_ai, hosted_vllm, voyage and huggingface."""
    found = rerank(route, origin, return_documents=False)
    truth.assert_ranking([(one["index"], one["relevance_score"]) for one in found])
    assert len(found) == len(PASSAGES)


@pytest.mark.parametrize("route", sorted({*ROUTES} - {"infinity"}))
def test_documents(route, origin, truth):
    """The same with documents, which it asks for by itself, and with `top_n`; infinity has no documents."""
    whole = rerank(route, origin)
    truth.assert_ranking([(one["index"], one["relevance_score"]) for one in whole])
    some = rerank(route, origin, top_n=2)
    truth.assert_ranking([(one["index"], one["relevance_score"]) for one in some])
    if route != "cohere":  # whose second version has no documents
        assert [one["document"]["text"] for one in some] == [PASSAGES[one["index"]] for one in some]


def test_embedding(origin, truth):
    """`embedding` by its route openai."""
    answer = litellm.embedding(model="openai/embedder", input=list(PASSAGES), api_base=f"{origin}/v1", api_key="none")
    assert [one["embedding"] for one in answer.data] == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]


def test_bad_request(origin):
    """`BadRequestError` where the query is empty."""
    with pytest.raises(litellm.BadRequestError):
        litellm.rerank(model="cohere/reranker", query="", documents=list(PASSAGES), api_base=origin, api_key="none")
