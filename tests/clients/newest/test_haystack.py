"""Haystack's components for TEI, over HTTP and, with server reflection, over gRPC."""

import asyncio

import pytest
from haystack import Document
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

from recorded_bodies import PASSAGES, QUERY

pytestmark = pytest.mark.client(
    "huggingface-api-haystack", points='url=ORIGIN; with use_grpc=True, url="HOST:PORT" of gRPC'
)

DOCUMENTS = [Document(content=passage, meta={"place": place}) for place, passage in enumerate(PASSAGES)]
OVER = pytest.mark.parametrize("over", ["http", "grpc"])


@pytest.fixture
def url(over: str, origin: str, address: str) -> str:
    """Return where components find the server."""
    return origin if over == "http" else address


def embedder(kind, over: str, url: str, **settings):
    """Return an embedder that finds the server over HTTP or gRPC."""
    return kind(
        api_type="text_embeddings_inference", api_params={"url": url}, use_grpc=over == "grpc", token=None, **settings
    )


@OVER
def test_ranker(over, url, truth):
    """`HuggingFaceTEIRanker`, over HTTP and gRPC."""
    ranked = HuggingFaceTEIRanker(url=url, use_grpc=over == "grpc", token=None).run(QUERY, DOCUMENTS)["documents"]
    truth.assert_ranking([(one.meta["place"], one.score) for one in ranked])
    assert len(ranked) == len(PASSAGES)


@OVER
def test_text_embedder(over, url, truth):
    """`HuggingFaceAPITextEmbedder`, over HTTP and gRPC."""
    made = embedder(HuggingFaceAPITextEmbedder, over, url).run(PASSAGES[0])["embedding"]
    assert made == pytest.approx(truth.vectors[0], abs=1e-6)


@OVER
def test_document_embedder(over, url, truth):
    """`HuggingFaceAPIDocumentEmbedder`, over HTTP and, as a stream, over gRPC."""
    made = embedder(HuggingFaceAPIDocumentEmbedder, over, url, progress_bar=False).run(DOCUMENTS)["documents"]
    assert [one.embedding for one in made] == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]


@OVER
def test_async(over, url, truth):
    """Ranker and document embedder, asynchronously."""
    ranker = HuggingFaceTEIRanker(url=url, use_grpc=over == "grpc", token=None)
    ranked = asyncio.run(ranker.run_async(QUERY, DOCUMENTS))["documents"]
    truth.assert_ranking([(one.meta["place"], one.score) for one in ranked])
    documents = embedder(HuggingFaceAPIDocumentEmbedder, over, url, progress_bar=False)
    made = asyncio.run(documents.run_async(DOCUMENTS))["documents"]
    assert [one.embedding for one in made] == [pytest.approx(vector, abs=1e-6) for vector in truth.vectors]
