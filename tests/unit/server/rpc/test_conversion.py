"""Messages to plain types and back: every field arrives, absent stays absent."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.fusion import Fusion
from shortlist.server.inference.result import Spent
from shortlist.server.rpc import conversion, enums
from shortlist.server.runtime.graph import ModelInfo
from shortlist.server.runtime.manifest import Source
from shortlist.server.runtime.tokens import Tokens
from shortlist.server.search.limits import Limits
from shortlist.server.search.query import Found, Hit, Ranked, Score, Timing
from shortlist.server.search.token_upkeep import TokenState
from shortlist.server.settings import Settings
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document, Origin

FOX = Document("fox", "the quick brown fox", "animals", '{"legs":4.0,"tags":["a",null]}')
TIMING = Timing(
    spent=Spent(0.001, 0.002, 0.004), retrieve_s=0.008, write_s=0.016, embed_s=0.032, rerank_s=0.064, maxsim_s=0.256
)


def found(*hits: Hit, **changes: Any) -> Found:
    """Return what a search found, whole unless something else is said."""
    plain: dict[str, Any] = {
        "reranked": 2,
        "selected": 2,
        "limited_by": "none",
        "similarity_weight": 0.0,
        "candidates": 2,
        "candidates_from": "dense",
        "degraded": "none",
    }
    plain |= {"mode": "two-stage", "truncated": 1, "timing": TIMING, **changes}
    return Found(hits=list(hits), **plain)


@pytest.mark.parametrize("number", pb.Mode.values())
def test_every_mode_is_known(number: int):
    """Each number of the proto's enum has a plain name, and an answer names what ran by a number of its own."""
    plain = enums.MODES[number]
    answered = conversion.search_response(found(mode=plain), pb.SearchRequest(), 0.0).mode
    assert answered == (pb.MODE_AUTO if number == pb.MODE_UNSPECIFIED else number)


@pytest.mark.parametrize("number", pb.CandidatesFrom.values())
def test_every_source_of_candidates_is_known(number: int):
    """Each number has a plain name, but for the one that leaves it to the mode, and an answer names what ran."""
    plain = enums.SOURCES[number]
    answered = conversion.search_response(found(candidates_from=plain), pb.SearchRequest(), 0.0).candidates_from
    assert answered == number
    assert (plain is None) == (number == pb.CANDIDATES_FROM_UNSPECIFIED)


def test_what_is_left_out_has_its_default():
    """The zeros of proto3 are the defaults that the proto names: auto, by scores, a document, the embedder."""
    assert [enums.FUSIONS[number] for number in pb.RankFusion.values()] == [*["distribution"] * 2, "rrf"]
    assert (enums.MODES[0], enums.KINDS[0], enums.TOKENIZERS[0]) == ("auto", "document", "embedder")
    assert [enums.KINDS[number] for number in pb.TextKind.values()] == ["document", "query", "document"]
    named = ["embedder", "reranker", "late-interaction"]
    assert [enums.TOKENIZERS[number] for number in pb.Model.values()] == ["embedder", *named]
    assert [enums.SCORERS[number] for number in pb.Model.values()] == ["reranker", *named]
    poolings = [enums.TOKEN_POOLINGS[number] for number in pb.TokenPooling.values()]
    assert poolings == [None, "no-vectors", "none", "by-two"]
    assert [enums.TRUNCATIONS[number] for number in pb.Truncation.values()] == [None, "end", "start", "none"]


def test_a_document_comes_back_whole():
    """Id, text, title and metadata survive the way in and out."""
    message = pb.Document(id="fox", text="the quick brown fox", title="animals")
    message.metadata.update({"legs": 4, "tags": ["a", None]})
    assert conversion.document(message) == FOX
    assert conversion.document_message(FOX) == message


def test_absent_metadata_stays_absent():
    """A document without metadata gets none on its way, and an empty object stays an empty object."""
    bare = pb.Document(id="a", text="b")
    assert conversion.document(bare) == Document("a", "b")
    assert not conversion.document_message(Document("a", "b")).HasField("metadata")
    bare.metadata.SetInParent()
    assert conversion.document_message(conversion.document(bare)) == bare


def test_metadata_of_every_kind():
    """What JSON has comes back as it came; numbers that it does not have are kept for the checks to refuse."""
    message = pb.Document(id="a", text="b")
    message.metadata.update({"n": None, "yes": True, "x": 1.5, "s": "é", "o": {"deep": [[], {}]}, "bad": math.inf})
    stored = conversion.document(message).metadata
    assert stored == '{"bad":Infinity,"n":null,"o":{"deep":[[],{}]},"s":"é","x":1.5,"yes":true}'
    assert conversion.document_message(Document("a", "b", metadata=stored)) == message


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return the catalog of an empty folder."""
    made = Catalog(tmp_path, Origin("model (fp32)", "f00d", 2))
    yield made
    made.close()


def test_a_collection(catalog: Catalog):
    """A collection is told by name, size, what made its vectors, and when it was made."""
    collection, _ = catalog.create("papers", exist_ok=False)
    collection.upsert([FOX], np.ones((1, 2), np.float32), [4])
    message = conversion.collection_message(collection, TokenState("unusable", "why"))
    assert (message.name, message.documents, message.dimensions) == ("papers", 1, 2)
    assert (message.embedder, message.embedder_fingerprint) == ("model (fp32)", "f00d")
    assert message.created_at.ToDatetime(collection.created_at.tzinfo) == collection.created_at


def test_a_hit_without_a_score_has_none():
    """A score of 0 is told, and no score is absent; similarity and place are there in either case."""
    hits = (
        Hit(FOX, 0.25, 0.0, 0.5, 2, dense_rank=3, lexical_rank=1),
        Hit(Document("tea", "water"), None, None, 0.75, 1, dense_rank=1),
    )
    scored, bare = conversion.search_response(found(*hits), pb.SearchRequest(), 0.0).hits
    assert (scored.dense_rank, scored.lexical_rank, bare.dense_rank) == (3, 1, 1)
    assert not bare.HasField("lexical_rank")
    assert (scored.HasField("score"), scored.score, scored.similarity, scored.rank) == (True, 0.0, 0.5, 2)
    assert (bare.HasField("score"), bare.similarity, bare.rank) == (False, 0.75, 1)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("metadata", [False, True])
def test_hits_carry_what_was_asked_for(text: bool, metadata: bool):
    """Title and text come with include_text, metadata with include_metadata, and neither without."""
    request = pb.SearchRequest(include_text=text, include_metadata=metadata)
    (hit,) = conversion.search_response(found(Hit(FOX, 0.5, 0.5, 0.5, 1)), request, 0.0).hits
    assert (hit.id, hit.title, hit.text) == ("fox", *((FOX.title, FOX.text) if text else ("", "")))
    assert hit.HasField("metadata") == metadata
    if metadata:
        assert dict(hit.metadata.items())["legs"] == 4


def test_a_bare_document_s_metadata_stays_absent_in_a_hit():
    """A hit without metadata of its own has none, though it was asked for."""
    request = pb.SearchRequest(include_metadata=True)
    (hit,) = conversion.search_response(found(Hit(Document("a", "b"), 0.5, 0.5, 0.5, 1)), request, 0.0).hits
    assert not hit.HasField("metadata")


def test_late_interaction_in_an_answer():
    """A hit's MaxSim and its place by it travel, a MaxSim of 0 too, and are absent where there is none."""
    hits = (
        Hit(FOX, None, None, 0.5, 2, maxsim=0.0, maxsim_rank=1),
        Hit(Document("tea", "water"), None, None, 0.75, 1),
    )
    message = conversion.search_response(found(*hits, maxsim_scored=1, query_vectors=32), pb.SearchRequest(), 0.0)
    ordered, bare = message.hits
    assert (ordered.HasField("maxsim"), ordered.maxsim, ordered.maxsim_rank) == (True, 0.0, 1)
    assert not bare.HasField("maxsim")
    assert not bare.HasField("maxsim_rank")
    assert (message.maxsim_scored, message.query_vectors) == (1, 32)


def test_counts_of_a_search():
    """How many there were, were to be scored, and were; and how many texts were cut."""
    whole = found(reranked=3, selected=4, candidates=5, truncated=6)
    message = conversion.search_response(whole, pb.SearchRequest(), 0.0)
    assert (message.reranked, message.selected, message.candidates, message.truncated) == (3, 4, 5, 6)


DEGRADED = pytest.mark.parametrize(
    ("plain", "told"),
    [
        ("none", pb.DEGRADED_NONE),
        ("deadline", pb.DEGRADED_DEADLINE),
        ("inference-failed", pb.DEGRADED_INFERENCE_FAILED),
    ],
)


@DEGRADED
def test_why_a_search_scored_less(plain: Any, told: int):
    """What kept candidates that were to be scored without a score has the number of its name."""
    assert conversion.search_response(found(degraded=plain), pb.SearchRequest(), 0.0).degraded == told


@pytest.mark.parametrize(
    ("plain", "told"),
    [("none", pb.LIMITED_BY_NONE), ("margin", pb.LIMITED_BY_MARGIN), ("budget", pb.LIMITED_BY_BUDGET)],
)
def test_what_kept_the_rest_out(plain: Any, told: int):
    """The bound that kept candidates from stage two has the number of its name."""
    assert conversion.search_response(found(limited_by=plain), pb.SearchRequest(), 0.0).limited_by == told


def test_what_decided_the_order():
    """The similarity's share travels as it was used."""
    assert (
        conversion.search_response(found(similarity_weight=0.25), pb.SearchRequest(), 0.0).similarity_weight == 0.25
    )


def test_times_are_milliseconds():
    """Each phase stands in its own field, in milliseconds, beside the whole."""
    message = conversion.search_response(found(), pb.SearchRequest(), 0.128).timing
    assert [value for _, value in message.ListFields()] == pytest.approx([1, 2, 4, 8, 16, 128, 32, 64, 256])


@DEGRADED
def test_a_rerank(plain: Any, told: int):
    """Results travel as they stand, what was not scored without a score, and so does why."""
    results = [Score(2, 0.75, 1.25), Score(0, 0.5, 0.0), Score(3, 0.25, None, 8.0), Score(1, None, None)]
    spent = Timing(spent=Spent(0.001, 0.002, 0.004))
    message = conversion.rerank_response(Ranked(results, 2, plain, 1, np.array([7, 0, 9], np.int32), spent), 0.008)
    assert [
        Score(
            one.index,
            one.score if one.HasField("score") else None,
            one.logit if one.HasField("logit") else None,
            one.maxsim if one.HasField("maxsim") else None,
        )
        for one in message.results
    ] == results
    assert (message.reranked, message.degraded, message.truncated, message.tokens) == (2, told, 1, 16)
    assert (message.timing.infer_ms, message.timing.total_ms) == pytest.approx((4, 8))


def test_tokens():
    """A text is told as ids and strings, with whether it was cut."""
    message = conversion.tokenization_message(Tokens((2, 5, 3), ("[CLS]", "tea", "[SEP]"), truncated=True))
    assert (list(message.ids), list(message.tokens), message.truncated) == (
        [2, 5, 3],
        ["[CLS]", "tea", "[SEP]"],
        True,
    )


def test_a_model():
    """A loaded model is told by where it came from, what runs it, and what it makes."""
    source = Source(model="some/model", revision="abc", architecture="BertModel", weights_sha256="00")
    running = ModelInfo(source, "int8", ("fp32", "int8"), "CPUExecutionProvider", 256, 384, "f00d", Fusion(0.25, 0.5))
    assert conversion.model_message(running) == pb.ModelDescription(
        source="some/model",
        revision="abc",
        variant="int8",
        provider="CPUExecutionProvider",
        max_tokens=256,
        dimensions=384,
        fingerprint="f00d",
        variants=["fp32", "int8"],
        similarity_weight=0.25,
        similarity_center=0.5,
    )


def test_every_limit_is_told():
    """Each field of the message holds the setting of its name."""
    settings = Settings(max_top_k=11, max_candidates=22, max_batch=33, max_text_bytes=44, auto_rerank_all=55)
    message = conversion.limits_message(Limits.of(settings))
    told = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    assert told == {name: getattr(settings, name) for name in told}
