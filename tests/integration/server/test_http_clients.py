"""Rerank, embedding and model routes of a running server, in the words of the clients that send them."""

import base64

import httpx
import numpy as np
import pytest

from recorded_bodies import EMBEDS, LOOKUPS, PASSAGES, QUERY, RERANKS, RIGHT
from shortlist.client import Client


@pytest.fixture
def http(server):
    """Return a client of the server's HTTP side."""
    with httpx.Client(base_url=server.http, trust_env=False, timeout=60) as opened:
        yield opened


@pytest.mark.parametrize("recorded", RERANKS, ids=lambda one: f"{one.product} {one.path}")
def test_recorded_bodies(recorded, server, client: Client):
    """What products send is answered as they read it, with gRPC's own numbers."""
    expected = client.rerank(QUERY, PASSAGES).results
    found = recorded.replay(server.http)
    assert [index for index, _ in found] == [one.index for one in expected]
    worth = [one.logit if recorded.logits else one.score for one in expected]
    assert [score for _, score in found] == pytest.approx(worth, rel=1e-5)


@pytest.mark.parametrize("recorded", EMBEDS, ids=lambda one: one.product)
def test_recorded_embeddings(recorded, server, client: Client):
    """What products send to have a text embedded is answered with gRPC's own vector."""
    (expected,) = client.embed([PASSAGES[RIGHT]], normalize=True).vectors
    assert recorded.replay(server.http) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("recorded", LOOKUPS, ids=lambda one: f"{one.product} {one.path}")
def test_recorded_lookups(recorded, server):
    """What products ask of a model before they use it is answered as they want it."""
    assert recorded.replay(server.http) == recorded.expected


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking"])
@pytest.mark.parametrize("top_n", [1, 4, 5, 100_000, 0, None])
def test_no_document_is_left_out(http: httpx.Client, path, top_n):
    """All documents are answered, or as many as were asked for, on every path."""
    body = {"query": QUERY, "documents": PASSAGES, "top_n": top_n, "model": None}
    found = http.post(path, json=body).json()["results"]
    assert len({one["index"] for one in found}) == len(found) == (1 if top_n == 1 else len(PASSAGES))
    scores = [one["relevance_score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_a_short_deadline_answers_nothing(http: httpx.Client):
    """A rerank that cannot be done in time is 504, and no part of an answer."""
    body = {"query": QUERY, "documents": [" ".join(PASSAGES)] * 1000}
    answer = http.post("/rerank", json=body, headers={"x-shortlist-timeout-ms": "1"})
    assert (answer.status_code, "results" in answer.json()) == (504, False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"documents": PASSAGES}, "query"),
        ({"query": QUERY}, "documents"),
        ({"query": QUERY, "documents": ["a", " "]}, "documents[1]"),
        ({"query": QUERY, "documents": PASSAGES, "top_n": -1}, "top_n"),
        ({"query": QUERY, "documents": PASSAGES, "max_tokens_per_doc": 0}, "max_tokens_per_doc"),
        ({"query": QUERY, "documents": PASSAGES, "top_k": 0}, "top_k"),
        ({"query": QUERY, "documents": ["word " * 1000], "truncation": False}, "documents[0]"),
        ({"query": {"text": QUERY}, "passages": [{"text": " "}]}, "passages[0]"),
    ],
)
def test_refusals(http: httpx.Client, body, field):
    """What the pipeline refuses is named as the caller sent it."""
    answer = http.post("/v1/rerank", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
def test_embeddings(http: httpx.Client, client: Client, path):
    """Both encodings are the vectors that gRPC answers, of length 1, cut where fewer elements are asked for."""
    expected = np.array(client.embed(PASSAGES, normalize=True).vectors, np.float32)
    body = {"model": None, "input": PASSAGES, "user": None, "dimensions": None}
    floats = http.post(path, json=body).json()
    assert np.array([one["embedding"] for one in floats["data"]], np.float32).tolist() == expected.tolist()
    packed = http.post(path, json=body | {"encoding_format": "base64"}).json()
    assert [base64.b64decode(one["embedding"]) for one in packed["data"]] == [row.tobytes() for row in expected]
    assert floats["usage"]["prompt_tokens"] == floats["usage"]["total_tokens"] > 0
    for name in ("dimensions", "output_dimension"):
        cut = http.post(path, json={"input": PASSAGES[0], name: "4"}).json()["data"][0]["embedding"]
        assert cut == pytest.approx(expected[0, :4] / np.linalg.norm(expected[0, :4]), abs=1e-6)


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"input": []}, "input", "at least one"),
        ({}, "input", "at least one"),
        ({"input": ["a", ""]}, "input[1]", "white space"),
        ({"input": [1, 2]}, "input[0]", "check_embedding_ctx_length=False"),
        ({"input": [[1], [2]]}, "input[0]", "check_embedding_ctx_length=False"),
        ({"input": "a", "dimensions": 0}, "dimensions", "elements"),
        ({"input": "a", "output_dimension": 10_000}, "output_dimension", "elements"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format", "float, base64"),
        ({"input": "a", "output_dtype": "int8"}, "output_dtype", "float"),
        ({"input": "word " * 1000, "truncation": False}, "input[0]", "cut off"),
    ],
)
def test_embedding_refusals(http: httpx.Client, body, field, told):
    """What is wrong is named as the caller sent it, with the remedy."""
    answer = http.post("/v1/embeddings", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
    assert told in answer.json()["message"]


def test_cohere_embeddings(http: httpx.Client, client: Client):
    """Cohere's two versions: by type, and as floats alone; texts, and contents of several parts."""
    expected = np.array(client.embed(PASSAGES, normalize=True).vectors, np.float32)
    body = {"model": "any", "texts": PASSAGES, "input_type": "search_document", "embedding_types": None}
    by_type = http.post("/v2/embed", json=body).json()
    assert np.array(by_type["embeddings"]["float"], np.float32).tolist() == expected.tolist()
    alone = http.post("/v1/embed", json=body).json()
    assert np.array(alone["embeddings"], np.float32).tolist() == expected.tolist()
    assert alone["texts"] == list(PASSAGES)
    contents = [{"content": [{"type": "text", "text": text}]} for text in PASSAGES]
    parts = http.post("/v2/embed", json={"inputs": contents, "embedding_types": ["base64"]}).json()
    assert [base64.b64decode(one) for one in parts["embeddings"]["base64"]] == [row.tobytes() for row in expected]
    refused = http.post("/v2/embed", json={"texts": PASSAGES, "embedding_types": ["int8"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "embedding_types[0]")


def test_models(http: httpx.Client, client: Client):
    """Both models are listed with their windows, and found by name and by what they do; others are 404."""
    description = client.describe()
    listed = http.get("/v1/models").json()["data"]
    assert [one["max_model_len"] for one in listed] == [
        description.embedder.max_tokens,
        description.reranker.max_tokens,
    ]
    for one, role in zip(listed, ("embedder", "reranker"), strict=True):
        assert http.get(f"/v1/models/{one['id']}").json() == http.get(f"/v1/models/{role}").json() == one
    missing = http.get("/v1/models/an/other")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
