"""Plain types to requests, and responses to plain types."""

from datetime import UTC, datetime
from typing import get_args

import numpy as np
import pytest

from shortlist.client import collection_messages, description, model_requests, requests, responses, types
from shortlist.client.errors import InvalidRequest, ServerError
from shortlist.client.token_vectors import TokenPooling, TokenVectors
from shortlist.proto import retrieval_pb2 as pb


def search_request(**changes):
    """Make a search request as the clients do."""
    fields = {
        "top_k": 10,
        "candidates": None,
        "rerank_candidates": None,
        "mode": "auto",
        "include_text": True,
        "include_metadata": True,
        "similarity_weight": None,
        "margin": None,
        "include_vectors": False,
        "where": None,
        "candidates_from": None,
        "rank_fusion": "distribution",
        "fresh": False,
    }
    return requests.search("notes", "query", **(fields | changes))


def test_document_there_and_back():
    """A document survives the way to the wire and back in every field."""
    document = types.Document("1", "Schönes Wetter 🌤", "Titel", {"n": 1, "tags": ["a"], "more": {"x": None}})
    assert document == responses.document(requests.document(document))


@pytest.mark.parametrize("vector", [[0.5, 1], (0.5, 1.0), np.array([0.5, 1], np.float16), np.array([0.5, 1])])
def test_vectors(vector):
    """Any sequence of numbers is a vector, and comes back as 32-bit floats."""
    message = requests.document(types.Document("1", "text", vector=vector))
    assert responses.document(message).vector == (0.5, 1.0)


@pytest.mark.parametrize("vector", [None, 1.0, "text", b"0.5", {"a": 1}, [None], ["0.5"], np.zeros((2, 2))])
def test_what_is_no_vector(vector):
    """What holds no numbers is refused with the document's id."""
    with pytest.raises(
        InvalidRequest, match=r"(?s)^document '1': vector: got .* it must be several numbers; pass a list"
    ):
        requests.document(types.Document("1", "text", vector=vector))


def test_empty_metadata_is_not_sent():
    """A document without metadata has no Struct, so that it equals one that never had metadata."""
    assert not requests.document(types.Document("1", "text")).HasField("metadata")


def test_search_fields():
    """Candidates are left to the server unless they are given; every mode has its number."""
    assert not search_request().HasField("candidates")
    assert not search_request().HasField("similarity_weight")
    assert search_request(similarity_weight=0.0).HasField("similarity_weight")
    assert search_request(candidates=50).candidates == 50
    assert not search_request().HasField("rerank_candidates")
    assert search_request(rerank_candidates=12).rerank_candidates == 12
    modes = [search_request(mode=mode).mode for mode in get_args(types.Mode)]
    assert [f"MODE_{mode.upper().replace('-', '_')}" for mode in get_args(types.Mode)] == [*map(pb.Mode.Name, modes)]
    assert len(modes) == len(pb.Mode.values()) - 1  # but for MODE_UNSPECIFIED
    assert search_request().candidates_from == pb.CANDIDATES_FROM_UNSPECIFIED
    assert [search_request(candidates_from=source).candidates_from for source in ("dense", "lexical", "hybrid")] == [
        pb.CANDIDATES_FROM_DENSE,
        pb.CANDIDATES_FROM_LEXICAL,
        pb.CANDIDATES_FROM_HYBRID,
    ]
    fusions = [search_request(rank_fusion=how).rank_fusion for how in ("distribution", "rrf")]
    assert fusions == [pb.RANK_FUSION_DISTRIBUTION, pb.RANK_FUSION_RRF]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search_request(top_k=-1), "top_k: got -1, but it must be a whole number, 0 or more; "),
        (lambda: search_request(top_k="5"), "top_k: got '5', but it must be a whole number, 0 or more; "),
        (lambda: search_request(candidates=2**32), "candidates: got 4294967296, but a request holds 4,294,967,295"),
        (lambda: search_request(top_k=2**40), "top_k: got 1099511627776, but a request holds 4,294,967,295 at most"),
        (
            lambda: search_request(mode="sparse"),
            "mode: got 'sparse', but it must be one of 'auto', 'two-stage', 'dense', 'rerank-all', 'late-",
        ),
        (
            lambda: model_requests.embed("text", "document"),
            "texts: got 'text', but it must be several strings; pass a list",
        ),
        (lambda: model_requests.embed(["a", 1], "document"), "texts[1]: got 1, but it must be a string"),
        (lambda: model_requests.embed(["a"], "doc"), "kind: got 'doc', but it must be one of 'query', 'document'"),
        (
            lambda: model_requests.rerank("q", ["a"], None, model="embedder"),
            "model: got 'embedder', but it must be one of 'reranker', 'late-interaction'",
        ),
        (
            lambda: collection_messages.create("notes", exist_ok=False, token_pooling="by-three"),
            "token_pooling: got 'by-three', but it must be one of 'no-vectors', 'none', 'by-two'",
        ),
        (
            lambda: collection_messages.set_token_vectors("notes", None),
            "token_pooling: got None, but it must be one of 'no-vectors', 'none', 'by-two'",
        ),
        (lambda: model_requests.rerank("q\udfff", ["a"], None), "query: got '\\udfff', but character 1 is half of a"),
        (
            lambda: requests.get("notes", "id", skip_missing=False, include_vectors=False),
            "ids: got 'id', but it must be several strings; pass a list",
        ),
        (
            lambda: requests.upsert("notes", [types.Document("7", None)]),
            "document '7': text: got None, but it must be a string; convert it with str()",
        ),
        (
            lambda: requests.upsert("notes", [types.Document("7", "text", metadata={"price": float("nan")})]),
            "document '7': metadata.price: got nan, but numbers must be finite",
        ),
        (
            lambda: requests.upsert("notes", [types.Document(7, "text")]),
            "document id: got 7, but it must be a string",
        ),
    ],
)
def test_what_the_wire_cannot_hold_is_refused(make, message):
    """The error names field, value, limit and remedy, and the document where there is one."""
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_search_result():
    """A response's fields arrive by name; a hit without score has None, not 0."""
    response = pb.SearchResponse(
        hits=[
            pb.Hit(
                id="b",
                relevance=0.75,
                score=0.5,
                similarity=0.25,
                rank=2,
                lexical_rank=1,
                title="B",
                text="b",
                maxsim=6.5,
                maxsim_rank=1,
            ),
            pb.Hit(id="a", similarity=0.5, rank=1, dense_rank=1),
        ],
        reranked=1,
        selected=2,
        limited_by=pb.LIMITED_BY_MARGIN,
        similarity_weight=0.25,
        candidates=2,
        mode=pb.MODE_TWO_STAGE,
        candidates_from=pb.CANDIDATES_FROM_HYBRID,
        degraded=pb.DEGRADED_DEADLINE,
        truncated=3,
        timing=pb.Timing(
            tokenize_ms=0.25,
            queue_ms=0.5,
            infer_ms=3,
            retrieve_ms=2,
            total_ms=6.5,
            embed_ms=1,
            rerank_ms=3.5,
            maxsim_ms=1.5,
        ),
        maxsim_scored=1,
        query_vectors=8,
    )
    expected = types.SearchResult(
        hits=(
            types.Hit("b", 0.75, 0.5, 0.25, 2, "B", "b", {}, lexical_rank=1, maxsim=6.5, maxsim_rank=1),
            types.Hit("a", None, None, 0.5, 1, "", "", {}, dense_rank=1),
        ),
        reranked=1,
        selected=2,
        limited_by="margin",
        similarity_weight=0.25,
        candidates=2,
        mode="two-stage",
        candidates_from="hybrid",
        degraded="deadline",
        truncated=3,
        timing=types.Timing(0.25, 0.5, 3.0, 2.0, 0.0, 6.5, 1.0, 3.5, 1.5),
        maxsim_scored=1,
        query_vectors=8,
    )
    assert expected == responses.search(response)


def test_rerank_result_holds_the_texts():
    """Each score stands beside the text that it is for."""
    request = model_requests.rerank("query", ["a", "b"], None)
    response = pb.RerankResponse(results=[pb.RerankResult(index=1, score=0.75), pb.RerankResult(index=0)], reranked=1)
    expected = (types.Ranked(1, 0.75, "b"), types.Ranked(0, None, "a"))
    assert expected == responses.rerank(request, response).results


def test_rerank_by_late_interaction():
    """The request names the model, and a MaxSim of 0 is not none."""
    request = model_requests.rerank("query", ["a", "b"], None, model="late-interaction")
    assert request.model == pb.MODEL_LATE_INTERACTION
    ranked = [pb.RerankResult(index=0, score=0.0, maxsim=0.0), pb.RerankResult(index=1, score=-0.5, maxsim=-4)]
    expected = (types.Ranked(0, 0.0, "a", maxsim=0.0), types.Ranked(1, -0.5, "b", maxsim=-4.0))
    assert expected == responses.rerank(request, pb.RerankResponse(results=ranked)).results


def test_token_pooling_is_left_to_the_server():
    """A collection that names no token vectors has the server's default; each pooling has its number."""
    assert collection_messages.create("notes", exist_ok=False).token_pooling == pb.TOKEN_POOLING_UNSPECIFIED
    poolings = [pb.TOKEN_POOLING_NO_VECTORS, pb.TOKEN_POOLING_NONE, pb.TOKEN_POOLING_BY_TWO]
    names = get_args(TokenPooling)
    made = [collection_messages.create("notes", exist_ok=False, token_pooling=name) for name in names]
    assert poolings == [one.token_pooling for one in made]
    assert poolings == [collection_messages.set_token_vectors("notes", name).token_pooling for name in names]


def test_a_number_that_is_too_new():
    """An enum's number from a newer server is an error that says so."""
    with pytest.raises(ServerError, match="mode=99, which this client does not know"):
        responses.search(pb.SearchResponse(mode=99))


def test_a_collection_there_and_back():
    """A collection arrives in every field, its time of creation with its time zone."""
    about = {
        "embedder": "m (fp32)",
        "embedder_fingerprint": "f",
        "dimensions": 3,
        "language": "german",
        "quantization": pb.QUANTIZATION_INT8,
    }
    message = pb.Collection(name="notes", documents=2, **about)
    message.created_at.FromDatetime(datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))
    message.token_vectors.CopyFrom(
        pb.TokenVectors(
            pooling=pb.TOKEN_POOLING_BY_TWO,
            state=pb.TOKEN_VECTORS_STATE_UNUSABLE,
            model="l (fp32)",
            model_fingerprint="g",
            dimensions=96,
            documents=1,
            vectors=40,
            size_bytes=4000,
            fault="another model made them",
        )
    )
    message.recall.CopyFrom(pb.Recall(target=0.75, state=pb.RECALL_STATE_UNMEASURED, error=0.0, samples=0, beam=256))
    created_at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    vectors = TokenVectors("by-two", "unusable", "l (fp32)", "g", 96, 1, 40, 4000, "another model made them")
    recall = types.Recall(0.75, "unmeasured", None, 0.0, 0, 256)
    collection = types.Collection("notes", 2, "m (fp32)", "f", 3, created_at, recall, "german", "int8", vectors)
    assert collection == collection_messages.collection(message)
    message.recall.CopyFrom(pb.Recall(target=0.75, state=pb.RECALL_STATE_MET, measured=0.5, error=0.25, samples=9))
    assert types.Recall(0.75, "met", 0.5, 0.25, 9, 0) == collection_messages.collection(message).recall


def test_agreement_with_fp32_is_told_where_there_is_one():
    """A model that the server does not compare has none; one that it does has its samples, 0 at first."""
    described = pb.DescribeResponse()
    assert responses.describe(described).embedder.fp32 is None
    assert responses.describe(described).late_interaction is None
    described.late_interaction.CopyFrom(pb.ModelDescription(source="colbert", dimensions=96))
    assert responses.describe(described).late_interaction.source == "colbert"
    described.embedder.fp32.CopyFrom(pb.Agreement())
    described.reranker.fp32.CopyFrom(pb.Agreement(samples=3, common=0.75, difference=0.5))
    assert responses.describe(described).embedder.fp32 == description.Agreement(0, 0.0, 0.0)
    assert responses.describe(described).reranker.fp32 == description.Agreement(3, 0.75, 0.5)
