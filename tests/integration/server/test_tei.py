"""tei.v1 over gRPC, as text-embeddings-inference has it: values of the models' own libraries, orders, refusals."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from google.rpc.error_details_pb2 import BadRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoTokenizer

from shortlist.client import Client
from shortlist.proto import tei_pb2 as pb
from shortlist.proto import tei_pb2_grpc as tei

WAIT_S = 60.0
WINDOW = 48  # tokens of the tiny models
QUERY = "who printed the first book"
TEXTS = ["the press was moved to town", "A clerk printed the old paper,", "the river", "naïve café 日本"]
LONG = " ".join(f"the press of {number} printed paper" for number in range(200))
INVALID, UNIMPLEMENTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED
LEFT = pb.TRUNCATION_DIRECTION_LEFT


@pytest.fixture(scope="module")
def channel(server) -> Iterator[grpc.Channel]:
    """Open a channel to a server with the tiny models."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def embed(channel: grpc.Channel) -> tei.EmbedStub:
    """Return the stub for vectors."""
    return tei.EmbedStub(channel)


@pytest.fixture(scope="module")
def predict(channel: grpc.Channel) -> tei.PredictStub:
    """Return the stub for predictions."""
    return tei.PredictStub(channel)


@pytest.fixture(scope="module")
def rerank(channel: grpc.Channel) -> tei.RerankStub:
    """Return the stub for ranks."""
    return tei.RerankStub(channel)


@pytest.fixture(scope="module")
def tokenize(channel: grpc.Channel) -> tei.TokenizeStub:
    """Return the stub for tokens."""
    return tei.TokenizeStub(channel)


@pytest.fixture(scope="module")
def authors_embedder(tiny_folders) -> SentenceTransformer:
    """Return the embedder as its author runs it."""
    return SentenceTransformer(str(tiny_folders.embedder), device="cpu")


@pytest.fixture(scope="module")
def authors_reranker(tiny_folders) -> CrossEncoder:
    """Return the reranker as its author runs it."""
    return CrossEncoder(str(tiny_folders.reranker), device="cpu")


def logits(reranker: CrossEncoder, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Return what the author's reranker makes of pairs, without a sigmoid."""
    return np.asarray(reranker.predict(pairs, batch_size=1, activation_fn=torch.nn.Identity()))


def refused(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
    """Return the status of a call that is refused, and the field at fault; empty where none is."""
    with pytest.raises(grpc.RpcError) as error:
        list(call(request, timeout=WAIT_S))  # a stream is refused where it is read
    rich, bad = rpc_status.from_call(error.value), BadRequest()
    fields = [bad.field_violations[0].field for detail in rich.details if detail.Unpack(bad)]
    return error.value.code(), "".join(fields)


def test_vectors_are_the_authors_and_those_of_our_own_contract(embed, authors_embedder, client: Client):
    """A text's vector is sentence-transformers', divided by its length, and shortlist.v1's."""
    expected = authors_embedder.encode(TEXTS, batch_size=1, normalize_embeddings=True)
    found = np.array([embed.Embed(pb.EmbedRequest(inputs=text), timeout=WAIT_S).embeddings for text in TEXTS])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    ours = client.embed(TEXTS, "document").vectors
    np.testing.assert_allclose(found, ours / np.linalg.norm(ours, axis=1, keepdims=True), atol=1e-6)


def test_vectors_as_the_model_pools_them(embed, authors_embedder):
    """Without normalize a vector keeps the length that the model gives it."""
    expected = authors_embedder.encode(TEXTS[:1], normalize_embeddings=False)[0]
    assert abs(np.linalg.norm(expected) - 1) > 0.1
    found = embed.Embed(pb.EmbedRequest(inputs=TEXTS[0], normalize=False), timeout=WAIT_S).embeddings
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    few = embed.Embed(pb.EmbedRequest(inputs=TEXTS[0], normalize=False, dimensions=4), timeout=WAIT_S).embeddings
    np.testing.assert_array_equal(few, found[:4])


def test_fewer_dimensions(embed):
    """A vector is cut first and divided by its length then; none, or more than there are, is refused."""
    whole = np.array(embed.Embed(pb.EmbedRequest(inputs=QUERY, normalize=False), timeout=WAIT_S).embeddings)
    few = embed.Embed(pb.EmbedRequest(inputs=QUERY, dimensions=8), timeout=WAIT_S).embeddings
    np.testing.assert_allclose(few, whole[:8] / np.linalg.norm(whole[:8]), atol=1e-6)
    for dimensions in (0, len(whole) + 1):
        request = pb.EmbedRequest(inputs=QUERY, dimensions=dimensions)
        assert refused(embed.Embed, request) == (INVALID, "dimensions")


def test_texts_that_do_not_fit(embed, rerank, predict):
    """A long text is refused unless it may be cut, and then on the side that is asked for, to the window."""
    assert refused(embed.Embed, pb.EmbedRequest(inputs=LONG)) == (INVALID, "inputs")
    assert refused(predict.Predict, pb.PredictRequest(inputs=LONG)) == (INVALID, "inputs")
    assert refused(predict.PredictPair, pb.PredictPairRequest(inputs=[QUERY, LONG])) == (INVALID, "inputs")
    assert refused(rerank.Rerank, pb.RerankRequest(query=QUERY, texts=["the", LONG])) == (INVALID, "texts[1]")
    text = "the " * WINDOW + "of " * WINDOW
    for direction, word in ((pb.TRUNCATION_DIRECTION_RIGHT, "the "), (LEFT, "of ")):
        request = pb.EmbedRequest(inputs=text, truncate=True, truncation_direction=direction)
        cut = embed.Embed(request, timeout=WAIT_S)
        fits = embed.Embed(pb.EmbedRequest(inputs=word * (WINDOW - 2)), timeout=WAIT_S)
        assert cut.metadata.compute_tokens == fits.metadata.compute_tokens == WINDOW
        np.testing.assert_allclose(cut.embeddings, fits.embeddings, atol=1e-6)


def test_prompts(embed):
    """A model without prefixes reads queries, documents and plain texts the same; another name is refused."""
    plain = embed.Embed(pb.EmbedRequest(inputs=QUERY), timeout=WAIT_S).embeddings
    for name in ("query", "document", "passage"):
        named = embed.Embed(pb.EmbedRequest(inputs=QUERY, prompt_name=name), timeout=WAIT_S).embeddings
        np.testing.assert_array_equal(named, plain)
    assert refused(embed.Embed, pb.EmbedRequest(inputs=QUERY, prompt_name="")) == (INVALID, "prompt_name")


def test_streams_are_answered_in_order(embed, predict, tokenize):
    """Each message of a stream gets what a call of its own gets, in the order of the messages."""
    texts = [f"{text} {number}" for number in range(40) for text in TEXTS]
    found = embed.EmbedStream((pb.EmbedRequest(inputs=text) for text in texts), timeout=WAIT_S)
    expected = [embed.Embed(pb.EmbedRequest(inputs=text), timeout=WAIT_S).embeddings for text in texts]
    np.testing.assert_array_equal([each.embeddings for each in found], expected)

    pairs = [pb.PredictPairRequest(inputs=[QUERY, text]) for text in TEXTS]
    found = [each.predictions for each in predict.PredictPairStream(iter(pairs), timeout=WAIT_S)]
    assert found == [predict.PredictPair(pair, timeout=WAIT_S).predictions for pair in pairs]
    alone = [pb.PredictRequest(inputs=text) for text in TEXTS]
    found = [each.predictions for each in predict.PredictStream(iter(alone), timeout=WAIT_S)]
    assert found == [predict.Predict(one, timeout=WAIT_S).predictions for one in alone]

    encoded = list(tokenize.TokenizeStream((pb.EncodeRequest(inputs=text) for text in TEXTS), timeout=WAIT_S))
    assert encoded == [tokenize.Tokenize(pb.EncodeRequest(inputs=text), timeout=WAIT_S) for text in TEXTS]
    ids = [pb.DecodeRequest(ids=[token.id for token in each.tokens]) for each in encoded]
    decoded = list(tokenize.DecodeStream(iter(ids), timeout=WAIT_S))
    assert decoded == [tokenize.Decode(each, timeout=WAIT_S) for each in ids]


def test_the_first_message_that_fails_ends_a_stream(embed):
    """What came before it is answered, nothing after it, though the caller sends on."""
    texts = ["one", "two", "", "four", "five"]
    answers = embed.EmbedStream((pb.EmbedRequest(inputs=text) for text in texts), timeout=WAIT_S)
    taken = [next(answers), next(answers)]
    assert all(len(answer.embeddings) for answer in taken)
    with pytest.raises(grpc.RpcError) as failed:
        next(answers)
    assert failed.value.code() is INVALID
    assert "inputs: got ''" in failed.value.details()


def test_scores_are_the_authors(rerank, predict, authors_reranker):
    """All texts come back, best first, with CrossEncoder's logits or their sigmoids, of pairs that are cut too."""
    texts = [*TEXTS, LONG]
    expected = logits(authors_reranker, [(QUERY, text) for text in texts])
    raw = rerank.Rerank(pb.RerankRequest(query=QUERY, texts=texts, raw_scores=True, truncate=True), timeout=WAIT_S)
    assert [rank.index for rank in raw.ranks] == np.argsort(-expected).tolist()
    np.testing.assert_allclose([rank.score for rank in raw.ranks], -np.sort(-expected), atol=1e-4)
    assert not any(rank.HasField("text") for rank in raw.ranks)

    request = pb.RerankRequest(query=QUERY, texts=texts, truncate=True, return_text=True)
    ranks = rerank.Rerank(request, timeout=WAIT_S).ranks
    assert [rank.text for rank in ranks] == [texts[rank.index] for rank in ranks]
    np.testing.assert_allclose([rank.score for rank in ranks], 1 / (1 + np.exp(np.sort(-expected))), atol=1e-5)

    for rank in ranks:
        pair = pb.PredictPairRequest(inputs=[QUERY, texts[rank.index]], truncate=True)
        (prediction,) = predict.PredictPair(pair, timeout=WAIT_S).predictions
        assert (prediction.score, prediction.label) == (pytest.approx(rank.score, abs=1e-6), "LABEL_0")


def test_a_text_by_itself(predict, authors_reranker):
    """Predict reads one text as a classifier does, without a second one beside it; so does a pair of one."""
    model, tokenizer = authors_reranker.model, authors_reranker.tokenizer
    with torch.no_grad():
        expected = [model(**tokenizer(text, return_tensors="pt")).logits.item() for text in TEXTS]
    assert np.ptp(expected) > 0.02
    for text, logit in zip(TEXTS, expected, strict=True):
        for call, request in (
            (predict.Predict, pb.PredictRequest(inputs=text, raw_scores=True)),
            (predict.PredictPair, pb.PredictPairRequest(inputs=[text], raw_scores=True)),
        ):
            assert call(request, timeout=WAIT_S).predictions[0].score == pytest.approx(logit, abs=1e-4)


def test_equal_scores_stand_in_reverse(rerank):
    """Texts that are the same come in reverse order of the request, as TEI's stable sort leaves them."""
    texts = ["the river", TEXTS[0], "the river", "the river"]
    ranks = rerank.Rerank(pb.RerankRequest(query=QUERY, texts=texts), timeout=WAIT_S).ranks
    assert [rank.index for rank in ranks if texts[rank.index] == "the river"] == [3, 2, 0]


def test_a_stream_of_pairs_is_ranked_at_its_end(rerank):
    """RerankStream answers once, as Rerank does; each pair may have its own query; an empty stream is refused."""
    whole = rerank.Rerank(pb.RerankRequest(query=QUERY, texts=TEXTS, return_text=True), timeout=WAIT_S)
    requests = [pb.RerankStreamRequest(query=QUERY, text=text, return_text=True) for text in TEXTS]
    found = rerank.RerankStream(iter(requests), timeout=WAIT_S)
    assert found.ranks == whole.ranks
    counted = ("compute_chars", "compute_tokens")
    assert [getattr(found.metadata, name) for name in counted] == [getattr(whole.metadata, name) for name in counted]

    mixed = [pb.RerankStreamRequest(query=query, text="the river", raw_scores=query == "a") for query in ("a", "b c")]
    (single,) = rerank.Rerank(pb.RerankRequest(query="b c", texts=["the river"], raw_scores=True)).ranks
    by_index = {rank.index: rank.score for rank in rerank.RerankStream(iter(mixed), timeout=WAIT_S).ranks}
    assert by_index[1] == pytest.approx(single.score, abs=1e-6)

    with pytest.raises(grpc.RpcError) as empty:
        rerank.RerankStream(iter(()), timeout=WAIT_S)
    assert (empty.value.code(), empty.value.details()[:5]) == (INVALID, "text:")


def test_limits(rerank, predict, embed, tokenize):
    """What is empty, or too many, is refused by the field that TEI's callers sent."""
    assert refused(rerank.Rerank, pb.RerankRequest(query=QUERY)) == (INVALID, "texts")
    assert refused(rerank.Rerank, pb.RerankRequest(query=QUERY, texts=["a"] * 1001)) == (INVALID, "texts")
    assert refused(rerank.Rerank, pb.RerankRequest(query="", texts=["a"])) == (INVALID, "query")
    assert refused(rerank.Rerank, pb.RerankRequest(query=QUERY, texts=["a", " "])) == (INVALID, "texts[1]")
    assert refused(predict.PredictPair, pb.PredictPairRequest(inputs=["a", "b", "c"])) == (INVALID, "inputs")
    assert refused(predict.PredictPair, pb.PredictPairRequest()) == (INVALID, "inputs")
    assert refused(predict.PredictPair, pb.PredictPairRequest(inputs=["a", ""])) == (INVALID, "inputs[1]")
    assert refused(tokenize.Tokenize, pb.EncodeRequest()) == (INVALID, "inputs")
    assert refused(tokenize.Decode, pb.DecodeRequest()) == (INVALID, "ids")
    stream = (pb.RerankStreamRequest(query=QUERY, text="a") for _ in range(1001))
    assert refused(rerank.RerankStream, stream) == (INVALID, "text")
    odd = pb.EmbedRequest(inputs="a", truncation_direction=7)  # type: ignore[arg-type]
    assert refused(embed.Embed, odd) == (INVALID, "truncation_direction")


def test_what_no_bundle_can_do(embed):
    """Sparse vectors and vectors of tokens are refused in a sentence, over calls and streams."""
    assert refused(embed.EmbedSparse, pb.EmbedSparseRequest(inputs="a")) == (UNIMPLEMENTED, "")
    assert refused(embed.EmbedAll, pb.EmbedAllRequest(inputs="a")) == (UNIMPLEMENTED, "")
    assert refused(embed.EmbedSparseStream, iter([pb.EmbedSparseRequest(inputs="a")])) == (UNIMPLEMENTED, "")
    assert refused(embed.EmbedAllStream, iter([pb.EmbedAllRequest(inputs="a")])) == (UNIMPLEMENTED, "")


@pytest.mark.parametrize("text", [*TEXTS, LONG])
def test_tokens(tokenize, tiny_folders, text: str):
    """Tokens are those of the author's tokenizer, however many; offsets are bytes, and decoding is the author's."""
    authors = AutoTokenizer.from_pretrained(tiny_folders.embedder)
    found = tokenize.Tokenize(pb.EncodeRequest(inputs=text, add_special_tokens=True), timeout=WAIT_S).tokens
    assert [token.id for token in found] == authors(text, truncation=False)["input_ids"]
    assert [token.special for token in found] == [True, *[False] * (len(found) - 2), True]
    raw = text.encode()
    assert all(raw[token.start : token.stop].decode() == token.text for token in found[1:-1])
    assert not any(token.HasField("start") for token in (found[0], found[-1]))
    plain = tokenize.Tokenize(pb.EncodeRequest(inputs=text), timeout=WAIT_S).tokens
    assert list(plain) == list(found[1:-1])
    ids = [token.id for token in found]
    for skip in (False, True):
        decoded = tokenize.Decode(pb.DecodeRequest(ids=ids, skip_special_tokens=skip), timeout=WAIT_S)
        assert decoded.text == authors.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)


def test_what_a_call_took(embed, rerank):
    """Answers tell characters, tokens and times, and single ones in headers too."""
    answer, call = embed.Embed.with_call(pb.EmbedRequest(inputs="naïve 日本"), timeout=WAIT_S)
    took = answer.metadata
    assert (took.compute_chars, took.total_time_ns > 0) == (8, True)
    assert took.total_time_ns >= took.tokenization_time_ns + took.queue_time_ns + took.inference_time_ns
    headers = dict(call.initial_metadata())
    assert (headers["x-compute-characters"], headers["x-compute-tokens"]) == ("8", str(took.compute_tokens))
    assert headers["x-compute-type"] == "CPUExecutionProvider"
    times = ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time")
    assert all(headers[name].isdecimal() for name in times)
    ranked = rerank.Rerank(pb.RerankRequest(query="abc", texts=["de", "fgh"]), timeout=WAIT_S)
    assert ranked.metadata.compute_chars == 3 + 2 + 3 + 3


def test_info(channel: grpc.Channel, client: Client):
    """Info tells of the embedder unless set otherwise, with the limits in force."""
    found = tei.InfoStub(channel).Info(pb.InfoRequest(), timeout=WAIT_S)
    described = client.describe()
    assert (found.model_id, found.model_dtype) == (described.embedder.source, described.embedder.variant)
    assert (found.model_type, found.version) == (pb.MODEL_TYPE_EMBEDDING, described.version)
    assert (found.max_input_length, found.max_client_batch_size) == (WINDOW, described.limits.max_batch)
    assert not any(found.HasField(name) for name in ("sha", "docker_label", "max_batch_requests", "model_sha"))


def test_found_by_reflection_and_health(channel: grpc.Channel):
    """The services are in reflection, from which a client can make its requests, and SERVING by their names."""
    found = ProtoReflectionDescriptorDatabase(channel)
    for service in pb.DESCRIPTOR.services_by_name.values():
        assert service.full_name in found.get_services()
        file = found.FindFileContainingSymbol(service.full_name)
        assert file.SerializeToString() == pb.DESCRIPTOR.serialized_pb
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service.full_name), timeout=WAIT_S
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


ODD = ("", " ", "\u200b", "[CLS] [SEP]", "\x00", "a" * 3000, "naïve 日本 🦊", "the river")
NUMBERS = (0, 1, 31, 33, 599, 2**31, 2**32 - 1)


def drawn(draw: random.Random, message: Any) -> bytes:
    """Return a message with odd values in its fields, now and then a damaged one."""
    filled = getattr(pb, message.name)()
    for field in message.fields:
        values = {field.TYPE_STRING: ODD, field.TYPE_BOOL: (False, True), field.TYPE_ENUM: (0, 1, 2, -1)}
        chosen = draw.choices(values.get(field.type, NUMBERS), k=draw.choice((0, 1, 1, 2)))
        if field.is_repeated:
            getattr(filled, field.name).extend(chosen)
        elif chosen:
            setattr(filled, field.name, chosen[0])
    data = bytearray(filled.SerializeToString())
    if data and draw.random() < 0.2:
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("service", pb.DESCRIPTOR.services_by_name)
def test_odd_messages(channel: grpc.Channel, service: str):
    """Whatever messages hold, they are answered, or refused as the caller's fault: nothing is the server's."""
    draw = random.Random(7)  # the same in every run
    kinds = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    ended = set()
    for method in [*pb.DESCRIPTOR.services_by_name[service].methods] * 25:
        call = kinds[method.client_streaming, method.server_streaming](f"/tei.v1.{service}/{method.name}")
        messages = [drawn(draw, method.input_type) for _ in range(draw.choice((1, 1, 3)))]
        try:
            list(call(iter(messages) if method.client_streaming else messages[0], timeout=WAIT_S))
            ended.add("OK")
        except grpc.RpcError as error:
            ended.add(error.code().name)
    assert ended <= {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
