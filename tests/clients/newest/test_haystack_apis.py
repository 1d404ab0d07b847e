"""Haystack's components for Cohere's and Jina's APIs."""

import pytest
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.cohere import CohereDocumentEmbedder, CohereTextEmbedder
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.cohere import CohereRanker
from haystack_integrations.components.rankers.jina import JinaRanker

from recorded_bodies import PASSAGES, QUERY

DOCUMENTS = [Document(content=passage, meta={"place": place}) for place, passage in enumerate(PASSAGES)]
KEY = {"api_key": Secret.from_token("none")}

cohere = pytest.mark.client("cohere-haystack", points="api_base_url=ORIGIN, api_key=ANY")
jina = pytest.mark.client("jina-haystack", points="base_url=ORIGIN/v1/rerank, or ORIGIN/v1/embeddings, api_key=ANY")


def ranking(ranker) -> list[tuple[int, float]]:
    """Return places and scores of what a ranker returns."""
    return [(one.meta["place"], one.score) for one in ranker.run(QUERY, DOCUMENTS)["documents"]]


def vectors(embedder) -> list[list[float]]:
    """Return the vectors that an embedder gives the documents."""
    return [one.embedding for one in embedder.run(DOCUMENTS)["documents"]]


@cohere
def test_cohere_ranker(origin, truth):
    """`CohereRanker`."""
    truth.assert_ranking(ranking(CohereRanker(api_base_url=origin, **KEY)))


@cohere
def test_cohere_embedders(origin, truth):
    """`CohereDocumentEmbedder` and `CohereTextEmbedder`, of documents and of a query."""
    made = vectors(CohereDocumentEmbedder(api_base_url=origin, progress_bar=False, **KEY))
    assert made == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    query = CohereTextEmbedder(api_base_url=origin, **KEY).run(QUERY)["embedding"]
    assert query == pytest.approx(truth.query, abs=1e-6)


@jina
def test_jina_ranker(origin, truth):
    """`JinaRanker`."""
    truth.assert_ranking(ranking(JinaRanker(base_url=f"{origin}/v1/rerank", **KEY)))


@jina
def test_jina_embedders(origin, truth):
    """`JinaDocumentEmbedder` and `JinaTextEmbedder`, of a query by its `task`."""
    url = {"base_url": f"{origin}/v1/embeddings"}
    made = vectors(JinaDocumentEmbedder(task="retrieval.passage", progress_bar=False, **url, **KEY))
    assert made == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
    query = JinaTextEmbedder(task="retrieval.query", **url, **KEY).run(QUERY)["embedding"]
    assert query == pytest.approx(truth.query, abs=1e-6)
