"""text-embeddings-inference over HTTP: the numbers of gRPC, its shapes, defaults and errors, three mounts."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from shortlist.client import Client
from shortlist.proto import tei_pb2 as pb
from shortlist.proto import tei_pb2_grpc as tei

QUERY = "who printed the first book"
TEXTS = ["the press was moved to town", "A clerk printed the old paper,", "the river", "naïve café 日本"]
LONG = " ".join(f"the press of {number} printed paper" for number in range(200))


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    """Return a client of the server's HTTP side."""
    with httpx.Client(base_url=server.http, trust_env=False, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def channel(server) -> Iterator[grpc.Channel]:
    """Return a channel to its gRPC side."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened


def post(http: httpx.Client, path: str, **body: Any) -> Any:
    """Return the answer to a body."""
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(http: httpx.Client, path: str, **body: Any) -> tuple[int, str, str]:
    """Return the status of a refusal, its type, and its message up to the first colon."""
    answer = http.post(path, json=body)
    told = answer.json()
    assert told.keys() == {"error", "error_type"}
    return answer.status_code, told["error_type"], told["error"].partition(":")[0]


@pytest.mark.parametrize("path", ["/embed", "/", "/invocations", "/embedder", "/reranker/embed"])
def test_embed(http: httpx.Client, channel: grpc.Channel, path: str):
    """Vectors are those of gRPC, as a list also for one text, wherever the body is posted."""
    stub = tei.EmbedStub(channel)
    expected = [stub.Embed(pb.EmbedRequest(inputs=text)).embeddings for text in TEXTS]
    np.testing.assert_allclose(post(http, path, inputs=TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(post(http, path, inputs=TEXTS[0], normalize=None), expected[:1], atol=1e-6)
    expected = [stub.Embed(pb.EmbedRequest(inputs=text, normalize=False, dimensions=5)).embeddings for text in TEXTS]
    cut = post(http, path, inputs=TEXTS, normalize=False, dimensions=5, prompt_name=None, encoding_format="float")
    np.testing.assert_allclose(cut, expected, atol=1e-6)


def test_texts_are_cut_unless_that_is_refused(http: httpx.Client, channel: grpc.Channel):
    """Over HTTP truncate is true by default, on the right; both words for a direction are read."""
    stub = tei.EmbedStub(channel)
    text = "the " * 48 + "of " * 48
    for direction, word in (("right", "the "), ("Right", "the "), ("left", "of "), ("Left", "of "), (None, "the ")):
        expected = stub.Embed(pb.EmbedRequest(inputs=word * 46)).embeddings
        found = post(http, "/embed", inputs=text, truncation_direction=direction, truncate=None)
        np.testing.assert_allclose(found, [expected], atol=1e-6)
    assert refused(http, "/embed", inputs=LONG, truncate=False) == (422, "Validation", "inputs")
    assert refused(http, "/embed", inputs=["a", LONG], truncate=False) == (422, "Validation", "inputs[1]")
    assert refused(http, "/rerank", query=QUERY, texts=["a", LONG], truncate=False)[2] == "texts[1]"
    assert refused(http, "/predict", inputs=[["a"], [LONG]], truncate=False)[2] == "inputs[1]"
    assert refused(http, "/predict", inputs=LONG, truncate=False)[2] == "inputs"


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/reranker/rerank", "/embedder/rerank", "/", "/reranker"])
def test_rerank(http: httpx.Client, channel: grpc.Channel, path: str):
    """Ranks are those of gRPC, a bare list; texts come where they are asked for."""
    stub = tei.RerankStub(channel)
    for raw in (False, True):
        request = pb.RerankRequest(query=QUERY, texts=TEXTS, raw_scores=raw, return_text=True)
        expected = [(rank.index, rank.text) for rank in stub.Rerank(request).ranks]
        found = post(http, path, query=QUERY, texts=TEXTS, raw_scores=raw, return_text=True)
        assert [(rank["index"], rank["text"]) for rank in found] == expected
        scores = [rank.score for rank in stub.Rerank(request).ranks]
        np.testing.assert_allclose([rank["score"] for rank in found], scores, atol=1e-6)
    assert [set(rank) for rank in post(http, path, query=QUERY, texts=TEXTS)] == [{"index", "score"}] * len(TEXTS)


def test_predict(http: httpx.Client, channel: grpc.Channel):
    """A list of two texts is a pair, a list of lists a batch; one input is answered by its labels alone."""
    stub = tei.PredictStub(channel)
    pair = pb.PredictPairRequest(inputs=[QUERY, TEXTS[0]])
    (expected,) = stub.PredictPair(pair).predictions
    (alone,) = stub.Predict(pb.PredictRequest(inputs=TEXTS[0])).predictions
    assert post(http, "/predict", inputs=[QUERY, TEXTS[0]])[0]["score"] == pytest.approx(expected.score, abs=1e-6)
    assert post(http, "/predict", inputs=TEXTS[0])[0]["score"] == pytest.approx(alone.score, abs=1e-6)
    batch = post(http, "/predict", inputs=[[QUERY, TEXTS[0]], [TEXTS[0]], TEXTS[0]], raw_scores=False)
    scores = [one["score"] for (one,) in batch]
    assert scores == pytest.approx([expected.score, alone.score, alone.score], abs=1e-6)
    assert batch[0][0]["label"] == expected.label


def test_similarity(http: httpx.Client):
    """Cosines stand in the order of the sentences, at the URL itself too, as huggingface_hub asks."""
    vectors = np.array(post(http, "/embed", inputs=[QUERY, *TEXTS]))
    inputs = {"source_sentence": QUERY, "sentences": TEXTS}
    for path in ("/similarity", "/", "/embedder"):
        found = post(http, path, inputs=inputs, parameters=None)
        np.testing.assert_allclose(found, vectors[1:] @ vectors[0], atol=1e-6)
    odd = {"source_sentence": QUERY, "sentences": ["a", " "]}
    assert refused(http, "/similarity", inputs=odd) == (400, "Empty", "inputs.sentences[1]")
    assert refused(http, "/similarity", inputs={**odd, "sentences": []}) == (400, "Empty", "inputs.sentences")
    assert refused(http, "/similarity", inputs={"sentences": ["a"]}) == (400, "Empty", "inputs.source_sentence")


def test_tokens(http: httpx.Client, channel: grpc.Channel):
    """Special tokens are there by default, without a place; decoding leaves them out by default."""
    stub = tei.TokenizeStub(channel)
    (found,) = post(http, "/tokenize", inputs=TEXTS[3])
    expected = stub.Tokenize(pb.EncodeRequest(inputs=TEXTS[3], add_special_tokens=True)).tokens
    assert [token["id"] for token in found] == [token.id for token in expected]
    assert [token["stop"] for token in found[1:-1]] == [token.stop for token in expected[1:-1]]
    assert found[0] == {"id": expected[0].id, "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert post(http, "/tokenize", inputs=[TEXTS[3]], add_special_tokens=False) == [found[1:-1]]
    ids = [token["id"] for token in found]
    plain = stub.Decode(pb.DecodeRequest(ids=ids, skip_special_tokens=True)).text
    assert post(http, "/decode", ids=ids) == [plain]
    assert post(http, "/decode", ids=[ids, ids], skip_special_tokens=False)[1].startswith("[CLS]")


def test_what_a_request_took_is_in_headers(http: httpx.Client):
    """Answers tell characters and tokens by TEI's names."""
    headers = http.post("/rerank", json={"query": "abc", "texts": ["de", "fgh"]}).headers
    assert headers["x-compute-characters"] == "11"
    assert int(headers["x-compute-tokens"]) > 11 - 6
    assert headers["x-compute-type"] == "CPUExecutionProvider"
    assert headers["x-inference-time"].isdecimal()


def test_info_at_each_mount(http: httpx.Client, client: Client):
    """Each mount speaks for its model; the root for the embedder, unless it is set otherwise."""
    described = client.describe()
    root, embedder, reranker = (http.get(f"{mount}/info").json() for mount in ("", "/embedder", "/reranker"))
    assert root == embedder
    assert embedder["model_type"] == {"embedding": {"pooling": "mean"}}
    assert reranker["model_type"] == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    assert (embedder["max_input_length"], reranker["max_client_batch_size"]) == (48, described.limits.max_batch)
    assert (embedder["version"], embedder["auto_truncate"], embedder["sha"]) == (described.version, True, None)


def test_health_where_tei_has_it(http: httpx.Client):
    """The paths at which TEI says that it serves do so, at each mount."""
    for mount in ("", "/embedder", "/reranker"):
        for path in ("/health", "/ping", "/"):
            answer = http.get(mount + path)
            assert (answer.status_code, answer.content) == (200, b"")


def test_embeddings_of_openai_at_a_mount(http: httpx.Client):
    """What Dify's plugin for TEI asks below the URL that it is given: no model is named."""
    answer = post(http, "/embedder/v1/embeddings", input=TEXTS[:2])
    np.testing.assert_allclose(
        [one["embedding"] for one in answer["data"]], post(http, "/embed", inputs=TEXTS[:2]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/embed", {"inputs": []}, (400, "Empty", "inputs")),
        ("/embed", {"inputs": ""}, (400, "Empty", "inputs")),
        ("/embed", {}, (422, "Validation", "inputs")),
        ("/embed", {"inputs": [1, 2, 3]}, (422, "Validation", "inputs[0]")),
        ("/", {"inputs": [[1, 2, 3]]}, (422, "Validation", "inputs[0]")),
        ("/embed", {"inputs": "a", "dimensions": 0}, (422, "Validation", "dimensions")),
        ("/embed", {"inputs": "a", "prompt_name": "title"}, (422, "Validation", "prompt_name")),
        ("/embed", {"inputs": "a", "truncation_direction": "up"}, (422, "Validation", "truncation_direction")),
        ("/embed", {"inputs": ["a"] * 1001}, (413, "Validation", "inputs")),
        ("/embed_all", {"inputs": "a"}, (424, "Backend", "EmbedAll wants a vector a token, and the graphs")),
        ("/embed_sparse", {"inputs": "a"}, (424, "Backend", "EmbedSparse wants a model")),
        ("/rerank", {"query": "a", "texts": []}, (400, "Empty", "texts")),
        ("/rerank", {"query": "", "texts": ["a"]}, (400, "Empty", "query")),
        ("/predict", {"inputs": ["a", "b", "c"]}, (422, "Validation", "inputs")),
        ("/predict", {"inputs": [["a", "b"], ["c", ""]]}, (400, "Empty", "inputs[1][1]")),
        ("/tokenize", {"inputs": []}, (400, "Empty", "inputs")),
        ("/decode", {"ids": [-1]}, (422, "Validation", "ids")),
        ("/decode", {"ids": [[1], ["a"]]}, (422, "Validation", "ids[1]")),
    ],
)
def test_refusals(http: httpx.Client, path: str, body: dict[str, Any], expected: tuple[int, str, str]):
    """What is refused has TEI's status, type and form, and names the field that was sent."""
    status, kind, field = refused(http, path, **body)
    assert (status, kind) == expected[:2]
    assert field.startswith(expected[2])


def test_no_json(http: httpx.Client):
    """A body that cannot be read is 400, in TEI's form."""
    answer = http.post("/embed", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error_type"]) == (400, "Validation")
