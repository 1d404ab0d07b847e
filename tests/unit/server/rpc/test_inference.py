"""The Inference service as methods: embed, rerank, tokenize and describe, with the tiny models."""

from importlib.metadata import version

import pytest

from fake_call import CALL
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.app import Components
from shortlist.server.errors import InvalidRequest, Unsupported
from shortlist.server.inference.lanes import Lane
from shortlist.server.rpc.inference import Inference


async def test_embed_puts_each_kind_in_its_lane(inference: Inference, components: Components):
    """A query overtakes, documents wait with the ingest, and each text gets a vector of the model's width."""
    runs = components.scheduler.statistics().runs
    found = await inference.Embed(pb.EmbedRequest(texts=["one", "two"], kind=pb.TEXT_KIND_QUERY), CALL)
    asked = components.scheduler.statistics().runs
    assert (asked[Lane.QUERY] > runs[Lane.QUERY], asked[Lane.INGEST]) == (True, runs[Lane.INGEST])
    await inference.Embed(pb.EmbedRequest(texts=["one"]), CALL)
    assert components.scheduler.statistics().runs[Lane.INGEST] > asked[Lane.INGEST]
    assert [len(one.values) for one in found.embeddings] == [components.pipeline.embedder.graph.width] * 2


async def test_rerank_returns_as_many_as_are_asked_for(inference: Inference):
    """Without top_k every document comes back, with it the best ones; the scores are the same."""
    texts = [
        "the quick brown fox jumps over the lazy dog",
        "boil the water and pour it over the leaves",
        "the tide follows the moon twice a day",
    ]
    whole = await inference.Rerank(pb.RerankRequest(query="water", documents=texts), CALL)
    assert sorted(entry.index for entry in whole.results) == [0, 1, 2]
    first = await inference.Rerank(pb.RerankRequest(query="water", documents=texts, top_k=1), CALL)
    assert (list(first.results), first.reranked) == ([whole.results[0]], 3)
    with pytest.raises(InvalidRequest, match=r"^top_k: got 0"):
        await inference.Rerank(pb.RerankRequest(query="water", documents=texts, top_k=0), CALL)


async def test_tokenize_shows_what_a_model_reads(inference: Inference, components: Components):
    """Texts are shown alone, or for the reranker beside a query, as the model's own tokenizer encodes them."""
    alone = await inference.Tokenize(pb.TokenizeRequest(texts=["the tide", "word " * 900]), CALL)
    encoded = components.pipeline.embedder.tokenizer.encode(["the tide"])[0]
    assert list(alone.tokenizations[0].ids) == encoded.input_ids.tolist()
    assert [one.truncated for one in alone.tokenizations] == [False, True]
    request = pb.TokenizeRequest(texts=["the tide"], query="moon", model=pb.MODEL_RERANKER)
    pair = (await inference.Tokenize(request, CALL)).tokenizations[0]
    (both,) = components.pipeline.scorer.tokenizer.encode_pairs("moon", ["the tide"])
    assert list(pair.ids) == both.input_ids.tolist()
    assert len(pair.tokens) == len(pair.ids)


async def test_an_embedder_reads_no_pairs(inference: Inference):
    """A query for the embedder's tokens is refused, with the model that takes one."""
    with pytest.raises(InvalidRequest, match=r"^query: got 'moon', but .* set model to MODEL_RERANKER"):
        await inference.Tokenize(pb.TokenizeRequest(texts=["the tide"], query="moon"), CALL)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Rerank", pb.RerankRequest(query="q", documents=["a"], model=pb.MODEL_LATE_INTERACTION)),
        ("Tokenize", pb.TokenizeRequest(texts=["a"], model=pb.MODEL_LATE_INTERACTION)),
        ("Tokenize", pb.TokenizeRequest(texts=["a"], model=pb.MODEL_LATE_INTERACTION, ends_only=True)),
    ],
)
async def test_a_model_that_is_not_there(inference: Inference, method: str, request_: object):
    """Without a late-interaction model, what names it is refused with field, value and remedy."""
    remedy = "start the server with --late-interaction BUNDLE, or name another model"
    with pytest.raises(Unsupported, match=f"^model: got 'MODEL_LATE_INTERACTION', but .*; {remedy}"):
        await getattr(inference, method)(request_, CALL)


async def test_an_embedder_scores_no_pairs(inference: Inference):
    """A rerank by the embedder is refused, with the model that can; by the reranker's name it is the default's."""
    request = pb.RerankRequest(query="q", documents=["a", "b"])
    default = await inference.Rerank(request, CALL)
    request.model = pb.MODEL_RERANKER
    assert (await inference.Rerank(request, CALL)).results == default.results
    request.model = pb.MODEL_EMBEDDER
    with pytest.raises(InvalidRequest, match=r"^model: got 'MODEL_EMBEDDER', but .*; use MODEL_RERANKER"):
        await inference.Rerank(request, CALL)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Embed", pb.EmbedRequest(), "texts"),
        ("Embed", pb.EmbedRequest(texts=["a", ""]), "texts[1]"),
        ("Rerank", pb.RerankRequest(query="q"), "documents"),
        ("Rerank", pb.RerankRequest(documents=["a"]), "query"),
        ("Tokenize", pb.TokenizeRequest(texts=["a"], model=pb.MODEL_RERANKER, query="\t"), "query"),
    ],
)
async def test_what_no_model_can_read(inference: Inference, method: str, request_: object, field: str):
    """A request without texts, with an empty one, or of a kind that is not there is refused by its field."""
    with pytest.raises(InvalidRequest) as refused:
        await getattr(inference, method)(request_, CALL)
    assert refused.value.field == field


async def test_describe(inference: Inference, components: Components):
    """The server tells its version, both models, its limits, and how much runs at once."""
    told = await inference.Describe(pb.DescribeRequest(), CALL)
    assert (told.version, told.slots, told.threads) == (version("shortlist"), 1, 2)
    for message, graph in (
        (told.embedder, components.pipeline.embedder.graph),
        (told.reranker, components.pipeline.scorer.graph),
    ):
        assert (message.fingerprint, message.variant) == (graph.info.fingerprint, "fp32")
    assert told.limits.max_top_k == components.pipeline.limits.max_top_k
