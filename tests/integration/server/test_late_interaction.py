"""A late-interaction model beside the other two, over gRPC: one of Stanford's ColBERT, and its own scores."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import late_goldens
from conftest import Bundles
from shortlist.bench import local
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc

FOLDER = late_goldens.HERE / "stanford-bert"
MODEL = pb.MODEL_LATE_INTERACTION
SCORE_TOLERANCE = 1e-4  # of sums over 12 vectors, in another order
# No caller may send an empty text.
QUERIES = [place for place, text in enumerate(late_goldens.QUERIES) if text]
DOCUMENTS = [place for place, text in enumerate(late_goldens.DOCUMENTS) if text]
TEXTS = [late_goldens.DOCUMENTS[place] for place in DOCUMENTS]


@pytest.fixture(scope="module")
def late(make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the model."""
    return make.export(FOLDER, tmp_path_factory.mktemp("late") / "bundle").path


@pytest.fixture(scope="module")
def calls(tiny: Bundles, late: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[pb_grpc.InferenceStub]:
    """Run a server with three models."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--late-interaction", str(late))
    data = str(tmp_path_factory.mktemp("data"))
    with (
        local.serving(*models, "--data", data, "--log-level", "warning") as address,
        grpc.insecure_channel(address) as channel,
    ):
        yield pb_grpc.InferenceStub(channel)


def test_rerank_scores_as_the_model_s_own_library(calls: pb_grpc.InferenceStub):
    """MaxSim is what colbert-ai made of the same texts; the score is its mean; best first; no logit."""
    vectors = np.load(FOLDER / "vectors.npz")
    for query in QUERIES:
        answer = calls.Rerank(pb.RerankRequest(query=late_goldens.QUERIES[query], documents=TEXTS, model=MODEL))
        expected = vectors["maxsim"][query, DOCUMENTS]
        found = {one.index: one for one in answer.results}
        np.testing.assert_allclose(
            [found[place].maxsim for place in range(len(TEXTS))], expected, rtol=0, atol=SCORE_TOLERANCE
        )
        count = len(vectors[f"query_{query}"])
        assert [one.score for one in answer.results] == pytest.approx([one.maxsim / count for one in answer.results])
        assert [one.maxsim for one in answer.results] == sorted((one.maxsim for one in answer.results), reverse=True)
        assert not any(one.HasField("logit") for one in answer.results)
        assert (answer.reranked, answer.degraded, answer.truncated) == (len(TEXTS), pb.DEGRADED_NONE, 1)
        assert answer.timing.infer_ms > 0


def test_rerank_reads_so_many_tokens_of_a_document(calls: pb_grpc.InferenceStub):
    """max_document_tokens scores as the shortened text does, tells of it, and top_k returns as many."""
    asked = {"query": "ink", "model": MODEL}
    whole = calls.Rerank(pb.RerankRequest(documents=["ink paper press", "old mill ink"], **asked))
    short = calls.Rerank(pb.RerankRequest(documents=["ink paper", "old mill"], **asked))
    cut = calls.Rerank(
        pb.RerankRequest(documents=["ink paper press", "old mill ink"], max_document_tokens=2, top_k=1, **asked)
    )
    assert (whole.truncated, cut.truncated, cut.reranked) == (0, 2, 2)
    assert list(cut.results) == list(short.results)[:1]
    assert (cut.tokens, short.tokens) == (short.tokens, short.tokens)


@pytest.mark.parametrize(
    ("query", "documents", "named"),
    [
        ("ink", ["paper", "old mill " * 30], r"documents\[1\]: got .* the model reads 24 tokens"),
        ("old mill " * 30, ["paper"], r"query: got .* the model reads 12 tokens"),
    ],
)
def test_a_text_longer_than_its_window(calls: pb_grpc.InferenceStub, query: str, documents: list[str], named: str):
    """Where nothing may be cut, a text that does not fit is named with its window and the remedy."""
    request = pb.RerankRequest(query=query, documents=documents, model=MODEL, truncation=pb.TRUNCATION_NONE)
    with pytest.raises(grpc.RpcError, match=f"(?s){named}.*send less text, or let it be truncated") as refused:
        calls.Rerank(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_tokens_as_the_model_reads_them(calls: pb_grpc.InferenceStub):
    """Each kind has its marker behind the first token, and a query is filled up to its length."""
    asked = {"texts": ["old ink"], "model": MODEL}
    query = calls.Tokenize(pb.TokenizeRequest(kind=pb.TEXT_KIND_QUERY, **asked)).tokenizations[0]
    document = calls.Tokenize(pb.TokenizeRequest(kind=pb.TEXT_KIND_DOCUMENT, **asked)).tokenizations[0]
    assert list(document.tokens) == ["[CLS]", "[unused1]", "old", "ink", "[SEP]"]
    assert list(query.tokens) == ["[CLS]", "[unused0]", "old", "ink", "[SEP]", *["[MASK]"] * 7]
    assert len(query.ids) == len(query.tokens) == late_goldens.QUERY_TOKENS
    ends = calls.Tokenize(pb.TokenizeRequest(ends_only=True, **asked)).tokenizations[0].ends
    assert list(ends) == [3, 7]


def test_describe_tells_of_the_model(calls: pb_grpc.InferenceStub):
    """Describe has its source, window and dimensions, beside the other two."""
    told = calls.Describe(pb.DescribeRequest())
    late = told.late_interaction
    assert (late.source, late.variant, late.provider) == ("stanford-bert", "fp32", "CPUExecutionProvider")
    assert (late.max_tokens, late.dimensions) == (late_goldens.DOCUMENT_TOKENS, late_goldens.DIMENSIONS)
    assert late.fingerprint not in {told.embedder.fingerprint, told.reranker.fingerprint, ""}
