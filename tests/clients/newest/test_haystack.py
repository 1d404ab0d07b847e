"""Haystack's components for TEI, over HTTP and, with server reflection, over gRPC."""

import asyncio

import grpc
import httpx
import pytest
from haystack import Document
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
    HuggingFaceTEISparseTextEmbedder,
)
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker, TruncationDirection

from overload import LONG
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


@OVER
def test_raw_scores(over, url, truth):
    """The ranker with `raw_scores`: the logits."""
    ranker = HuggingFaceTEIRanker(url=url, use_grpc=over == "grpc", token=None, raw_scores=True)
    found = [one.score for one in ranker.run(QUERY, DOCUMENTS)["documents"]]
    assert found == pytest.approx(truth.logits, rel=1e-5)


@OVER
@pytest.mark.parametrize("side", TruncationDirection, ids=lambda side: side.name)
def test_truncation_direction(over, url, side, shortlist):
    """`truncation_direction`: a document that does not fit is cut on that side."""
    text = f"{PASSAGES[1]} {LONG[0]} {PASSAGES[0]}"
    ranker = HuggingFaceTEIRanker(url=url, use_grpc=over == "grpc", token=None)
    (found,) = ranker.run(QUERY, [Document(content=text)], truncation_direction=side)["documents"]
    cut = {TruncationDirection.LEFT: "start", TruncationDirection.RIGHT: "end"}[side]
    (expected,) = shortlist.rerank(QUERY, [text], truncation=cut).results
    assert found.score == pytest.approx(expected.score, rel=1e-6)


def test_too_long_over_grpc(address):
    """Without it, over gRPC a document that does not fit is refused with `INVALID_ARGUMENT`, as TEI does."""
    with pytest.raises(grpc.RpcError) as refused:
        HuggingFaceTEIRanker(url=address, use_grpc=True, token=None).run(QUERY, [Document(content=LONG[0])])
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith("texts[0]: ")


@OVER
def test_sparse(over, url):
    """The sparse embedders get a sentence: there is no such model."""
    sparse = HuggingFaceTEISparseTextEmbedder(api_base_url=url, use_grpc=over == "grpc", token=None)
    with pytest.raises(grpc.RpcError if over == "grpc" else httpx.HTTPStatusError) as refused:
        sparse.run(PASSAGES[0])
    told = refused.value.details() if over == "grpc" else refused.value.response.json()["error"]
    assert "bundles hold none" in told
