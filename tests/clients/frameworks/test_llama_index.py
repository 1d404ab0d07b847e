"""LlamaIndex's own clients of Cohere, Jina, TEI and OpenAI's API."""

import asyncio

import pytest
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

from recorded_bodies import PASSAGES, QUERY

COUNT = len(PASSAGES)


def nodes() -> list[NodeWithScore]:
    """Return the passages as a retriever finds them; postprocessors change them."""
    return [NodeWithScore(node=TextNode(text=passage, id_=str(place))) for place, passage in enumerate(PASSAGES)]


def ranking(postprocessor) -> list[tuple[int, float]]:
    """Return places and scores of what a postprocessor returns."""
    found = postprocessor.postprocess_nodes(nodes(), QueryBundle(QUERY))
    return [(int(one.node.node_id), one.score) for one in found]


@pytest.mark.client("llama-index-postprocessor-cohere-rerank", points="base_url=ORIGIN, api_key=ANY")
def test_cohere_rerank(origin, truth):
    """`CohereRerank`."""
    truth.assert_ranking(ranking(CohereRerank(base_url=origin, api_key="none", top_n=COUNT, model="rerank-v4.0")))


@pytest.mark.client("llama-index-postprocessor-jinaai-rerank", points="base_url=ORIGIN/v1, api_key=ANY")
def test_jina_rerank(origin, truth):
    """`JinaRerank`."""
    truth.assert_ranking(ranking(JinaRerank(base_url=f"{origin}/v1", api_key="none", top_n=COUNT)))


@pytest.mark.client("llama-index-postprocessor-jinaai-rerank", points="base_url=ORIGIN/v1, api_key=ANY")
def test_jina_errors(origin):
    """It raises with `detail` where a request is refused."""
    with pytest.raises(RuntimeError, match="top_n: got"):
        JinaRerank(base_url=f"{origin}/v1", api_key="none", top_n=-1).postprocess_nodes(nodes(), QueryBundle(QUERY))


@pytest.mark.client("llama-index-postprocessor-tei-rerank", points="base_url=ORIGIN, or ORIGIN/reranker")
def test_tei_rerank(origin, truth):
    """`TextEmbeddingInference` (rerank), with a token that is no `Bearer`, at both places."""
    for base_url in (origin, f"{origin}/reranker"):
        postprocessor = TextEmbeddingInference(base_url=base_url, top_n=COUNT, auth_token="none")
        truth.assert_ranking(ranking(postprocessor))


@pytest.mark.client("llama-index-embeddings-text-embeddings-inference", points="base_url=ORIGIN, or ORIGIN/embedder")
def test_tei_embeddings(origin, truth):
    """`TextEmbeddingsInference.get_text_embedding_batch`, and asynchronously, at both places."""
    for base_url in (origin, f"{origin}/embedder"):
        model = TextEmbeddingsInference(model_name="embedder", base_url=base_url, embed_batch_size=2)
        made = model.get_text_embedding_batch(list(PASSAGES))
        assert made == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
        again = asyncio.run(model.aget_text_embedding_batch(list(PASSAGES)))
        assert again == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]


@pytest.mark.client("llama-index-embeddings-openai-like", points="api_base=ORIGIN/v1, api_key=ANY")
def test_openai_like_embeddings(origin, truth):
    """`OpenAILikeEmbedding.get_text_embedding_batch`, and of a query."""
    model = OpenAILikeEmbedding(model_name="embedder", api_base=f"{origin}/v1", api_key="none")
    made = model.get_text_embedding_batch(list(PASSAGES))
    assert made == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    assert len(model.get_query_embedding(QUERY)) == len(truth.query)
