"""The RPCs as methods: requests to the pipeline and back, over real components with the tiny models.

Of gRPC there is the time that a call has left, and no more: what stands around the calls, `test_interceptor.py` has.
"""

import math
import time
from typing import Any

import pytest

from fake_call import CALL, Call
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.errors import CollectionExists, InvalidRequest, UnknownCollection, UnknownDocument, Unsupported
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.services import Retrieval
from shortlist.server.search import contents, request_checks

DOCUMENTS = [
    pb.Document(id="fox", text="the quick brown fox jumps over the lazy dog", title="animals"),
    pb.Document(id="tea", text="boil the water and pour it over the leaves"),
    pb.Document(id="sea", text="the tide follows the moon twice a day"),
]
NOW_S = 1000.0


@pytest.fixture
async def filled(retrieval: Retrieval) -> Retrieval:
    """Return the service of collections, with the documents in `c`."""
    await retrieval.CreateCollection(pb.CreateCollectionRequest(name="c"), CALL)
    done = await retrieval.Upsert(pb.UpsertRequest(collection="c", documents=DOCUMENTS), CALL)
    assert done.inserted == len(DOCUMENTS)
    return retrieval


@pytest.mark.parametrize(
    ("left_s", "works_s"),
    [
        (10.0, 9.5),  # a twentieth of the time is for answering,
        (0.1, 0.085),  # and never less than the margin
        (0.01, -0.005),
        (None, 28.5),
        (math.inf, 28.5),
    ],
)
def test_work_ends_before_the_call_does(left_s: float | None, works_s: float, monkeypatch: pytest.MonkeyPatch):
    """Work stops by the margin before a call's deadline; a call that brings none has the default."""
    monkeypatch.setattr(time, "monotonic", lambda: NOW_S)
    assert Deadlines(30.0, 0.015).of(Call(left_s)) == pytest.approx(NOW_S + works_s)


async def test_a_collection_s_life(retrieval: Retrieval):
    """A collection is made, is there on the second asking, is listed by name, and is dropped with its documents."""
    made = await retrieval.CreateCollection(pb.CreateCollectionRequest(name="b"), CALL)
    assert (made.created, made.collection.name, made.collection.documents) == (True, "b", 0)
    again = await retrieval.CreateCollection(pb.CreateCollectionRequest(name="b", exist_ok=True), CALL)
    assert (again.created, again.collection) == (False, made.collection)
    with pytest.raises(CollectionExists):
        await retrieval.CreateCollection(pb.CreateCollectionRequest(name="b"), CALL)
    await retrieval.CreateCollection(pb.CreateCollectionRequest(name="a"), CALL)
    listed = await retrieval.ListCollections(pb.ListCollectionsRequest(), CALL)
    assert [collection.name for collection in listed.collections] == ["a", "b"]
    await retrieval.Upsert(pb.UpsertRequest(collection="b", documents=DOCUMENTS), CALL)
    dropped = await retrieval.DropCollection(pb.DropCollectionRequest(name="b"), CALL)
    assert dropped.documents == len(DOCUMENTS)
    with pytest.raises(UnknownCollection, match="there are: a"):
        await retrieval.DropCollection(pb.DropCollectionRequest(name="b"), CALL)


async def test_a_collection_has_a_target_of_recall(retrieval: Retrieval):
    """It is the one that was named, or 0.99; naming another one for a collection that is there is refused."""
    default = await retrieval.CreateCollection(pb.CreateCollectionRequest(name="a"), CALL)
    assert default.collection.recall == pb.Recall(target=0.99, state=pb.RECALL_STATE_EXACT, measured=1.0)
    request = pb.CreateCollectionRequest(name="b", exist_ok=True, recall_target=0.95)
    for created in (True, False):
        made = await retrieval.CreateCollection(request, CALL)
        assert (made.created, made.collection.recall.target) == (created, 0.95)
    again = await retrieval.CreateCollection(pb.CreateCollectionRequest(name="b", exist_ok=True), CALL)
    assert again.collection.recall.target == 0.95
    with pytest.raises(
        CollectionExists, match=r"recall_target: collection 'b' is there already, with 0.95 and not 1"
    ):
        await retrieval.CreateCollection(pb.CreateCollectionRequest(name="b", exist_ok=True, recall_target=1.0), CALL)
    with pytest.raises(InvalidRequest, match=r"recall_target: got 95\.0"):
        await retrieval.CreateCollection(pb.CreateCollectionRequest(name="c", recall_target=95.0), CALL)


async def test_a_collection_is_quantized_as_chosen(retrieval: Retrieval):
    """A collection's index is float16 unless int8 is chosen; another choice than what is there is refused."""
    plain = await retrieval.CreateCollection(pb.CreateCollectionRequest(name="a"), CALL)
    assert plain.collection.quantization == pb.QUANTIZATION_NONE
    request = pb.CreateCollectionRequest(name="b", exist_ok=True, quantization=pb.QUANTIZATION_INT8)
    for _ in range(2):
        made = await retrieval.CreateCollection(request, CALL)
        assert made.collection.quantization == pb.QUANTIZATION_INT8
    request.quantization = pb.QUANTIZATION_NONE
    with pytest.raises(
        CollectionExists, match="quantization: collection 'b' is there already, with int8 and not none"
    ):
        await retrieval.CreateCollection(request, CALL)


async def test_a_collection_without_token_vectors(retrieval: Retrieval):
    """It says that it has none and is to have none, when it is made, listed, and set to have none once more."""
    none = pb.TokenVectors(pooling=pb.TOKEN_POOLING_NO_VECTORS, state=pb.TOKEN_VECTORS_STATE_NONE)
    for pooling in (pb.TOKEN_POOLING_UNSPECIFIED, pb.TOKEN_POOLING_NO_VECTORS):
        request = pb.CreateCollectionRequest(name="a", exist_ok=True, token_pooling=pooling)
        assert (await retrieval.CreateCollection(request, CALL)).collection.token_vectors == none
    again = pb.SetTokenVectorsRequest(collection="a", token_pooling=pb.TOKEN_POOLING_NO_VECTORS)
    made = (await retrieval.SetTokenVectors(again, CALL)).collection
    listed = await retrieval.ListCollections(pb.ListCollectionsRequest(), CALL)
    assert (made.token_vectors, list(listed.collections)) == (none, [made])
    with pytest.raises(UnknownCollection, match="there are: a"):
        await retrieval.SetTokenVectors(
            pb.SetTokenVectorsRequest(collection="b", token_pooling=pb.TOKEN_POOLING_NO_VECTORS), CALL
        )
    with pytest.raises(InvalidRequest, match=r"^token_pooling: got 'TOKEN_POOLING_UNSPECIFIED', but it must be set"):
        await retrieval.SetTokenVectors(pb.SetTokenVectorsRequest(collection="a"), CALL)


@pytest.mark.parametrize(
    ("method", "request_", "refusal"),
    [
        ("Search", pb.SearchRequest(mode=pb.MODE_LATE_INTERACTION), "mode: got 'MODE_LATE_INTERACTION'"),
        ("Search", pb.SearchRequest(mode=pb.MODE_CASCADE), "mode: got 'MODE_CASCADE'"),
        (
            "CreateCollection",
            pb.CreateCollectionRequest(name="new", token_pooling=pb.TOKEN_POOLING_NONE),
            "token_pooling: got 'TOKEN_POOLING_NONE'",
        ),
        (
            "SetTokenVectors",
            pb.SetTokenVectorsRequest(token_pooling=pb.TOKEN_POOLING_BY_TWO),
            "token_pooling: got 'TOKEN_POOLING_BY_TWO'",
        ),
    ],
)
async def test_what_needs_a_late_interaction_model(filled: Retrieval, method: str, request_: Any, refusal: str):
    """Without one, its modes and token vectors are refused with field, value and remedy, and nothing is made."""
    if "collection" in request_.DESCRIPTOR.fields_by_name:
        request_.collection = "c"
    if method == "Search":
        request_.query = "water"
    with pytest.raises(
        Unsupported, match=f"^{refusal}, but .*; start the server with --late-interaction BUNDLE, or "
    ):
        await getattr(filled, method)(request_, CALL)
    listed = await filled.ListCollections(pb.ListCollectionsRequest(), CALL)
    assert [(one.name, one.token_vectors.pooling) for one in listed.collections] == [
        ("c", pb.TOKEN_POOLING_NO_VECTORS)
    ]


async def test_an_upsert_counts_what_it_did(filled: Retrieval):
    """New, changed and unchanged documents are told apart, and those longer than the window are counted."""
    request = pb.UpsertRequest(
        collection="c",
        documents=[
            DOCUMENTS[0],
            pb.Document(id="tea", text="water " * 1000),
            pb.Document(id="new", text="a contract binds"),
        ],
    )
    done = await filled.Upsert(request, CALL)
    assert (done.inserted, done.updated, done.unchanged, done.truncated) == (1, 1, 1, 1)
    assert done.timing.write_ms > 0
    assert done.timing.total_ms >= done.timing.write_ms


async def test_a_document_at_fault_is_named_by_its_place(filled: Retrieval):
    """What cannot be stored is refused with its place in the request, and nothing of the request is written."""
    documents = [pb.Document(id="good", text="text"), pb.Document(id="bad", text="  ")]
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.text"):
        await filled.Upsert(pb.UpsertRequest(collection="c", documents=documents), CALL)
    documents[1] = pb.Document(id="bad", text="text")
    documents[1].metadata.update({"n": math.inf})
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.metadata\['n'\]"):
        await filled.Upsert(pb.UpsertRequest(collection="c", documents=documents), CALL)
    listed = await filled.List(pb.ListRequest(collection="c"), CALL)
    assert list(listed.documents) == DOCUMENTS


async def test_get_keeps_the_order_that_was_asked_for(filled: Retrieval):
    """Documents come whole, one an id in the order of the ids, though one is asked for twice."""
    got = await filled.Get(pb.GetRequest(collection="c", ids=["sea", "fox", "sea"]), CALL)
    assert list(got.documents) == [DOCUMENTS[2], DOCUMENTS[0], DOCUMENTS[2]]


async def test_ids_that_are_not_there(filled: Retrieval):
    """Unknown ids are counted, and the first five of them named."""
    names = [f"n{place}" for place in range(7)]
    with pytest.raises(UnknownDocument, match=r"^ids: 7 of 8 are not in collection 'c': 'n0', .*'n4', \.\.\.$"):
        await filled.Get(pb.GetRequest(collection="c", ids=["fox", *names]), CALL)
    with pytest.raises(UnknownDocument, match=r"^ids: 1 of 1 are not in collection 'c': 'n0'$"):
        await filled.Get(pb.GetRequest(collection="c", ids=["n0"]), CALL)


async def test_ids_that_may_be_missing(filled: Retrieval):
    """Where that is asked for, unknown ids are passed over, and the others come in their order."""
    got = await filled.Get(pb.GetRequest(collection="c", ids=["none", "sea", "gone", "fox"], skip_missing=True), CALL)
    assert list(got.documents) == [DOCUMENTS[2], DOCUMENTS[0]]
    nothing = await filled.Get(pb.GetRequest(collection="c", ids=["none"], skip_missing=True), CALL)
    assert list(nothing.documents) == []


async def test_vectors_out_and_in(filled: Retrieval):
    """Documents come with vectors where that is asked for, and another collection takes them as they are."""
    ids = ["fox", "tea", "sea"]
    got = await filled.Get(pb.GetRequest(collection="c", ids=ids, include_vectors=True), CALL)
    await filled.CreateCollection(pb.CreateCollectionRequest(name="d"), CALL)
    documents = [*got.documents, pb.Document(id="new", text="a contract binds")]
    done = await filled.Upsert(pb.UpsertRequest(collection="d", documents=documents), CALL)
    assert (done.inserted, done.updated) == (4, 0)
    again = await filled.Get(pb.GetRequest(collection="d", ids=ids, include_vectors=True), CALL)
    assert list(again.documents) == list(got.documents)
    asked = {"query": "water", "mode": pb.MODE_DENSE, "top_k": 3}
    await filled.Delete(pb.DeleteRequest(collection="d", ids=["new"]), CALL)
    hits = [
        (await filled.Search(pb.SearchRequest(collection=name, include_vectors=True, **asked), CALL)).hits
        for name in ("c", "d")
    ]
    assert list(hits[0]) == list(hits[1])
    assert {hit.id: list(hit.vector) for hit in hits[0]} == {one.id: list(one.vector) for one in got.documents}
    plain = await filled.Search(pb.SearchRequest(collection="c", **asked), CALL)
    assert [len(hit.vector) for hit in plain.hits] == [0, 0, 0]


async def test_a_brought_vector_counts(filled: Retrieval):
    """A vector that is brought decides where its document is found; one of another size is refused."""
    got = await filled.Get(pb.GetRequest(collection="c", ids=["fox"], include_vectors=True), CALL)
    fox = list(got.documents[0].vector)
    brought = pb.Document(id="tea", text=DOCUMENTS[1].text, vector=fox)
    done = await filled.Upsert(pb.UpsertRequest(collection="c", documents=[brought]), CALL)
    assert (done.updated, done.unchanged, done.timing.infer_ms) == (1, 0, 0)
    done = await filled.Upsert(pb.UpsertRequest(collection="c", documents=[brought]), CALL)
    assert (done.updated, done.unchanged) == (0, 1)
    found = await filled.Search(pb.SearchRequest(collection="c", query="fox", mode=pb.MODE_DENSE), CALL)
    similarity = {hit.id: hit.similarity for hit in found.hits}
    assert similarity["tea"] == similarity["fox"]
    wrong = [pb.Document(id="new", text="text"), pb.Document(id="bad", text="text", vector=fox[1:])]
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.vector: got "):
        await filled.Upsert(pb.UpsertRequest(collection="c", documents=wrong), CALL)
    listed = await filled.List(pb.ListRequest(collection="c", ids_only=True), CALL)
    assert sorted(one.id for one in listed.documents) == ["fox", "sea", "tea"]


async def test_metadata_is_set_without_embedding(filled: Retrieval):
    """Metadata alone is changed by an upsert or a call of its own, and no model runs; unknown ids change nothing."""
    changed = pb.Document()
    changed.CopyFrom(DOCUMENTS[0])
    changed.metadata.update({"year": 2020})
    done = await filled.Upsert(pb.UpsertRequest(collection="c", documents=[changed, DOCUMENTS[1]]), CALL)
    assert (done.inserted, done.updated, done.unchanged, done.timing.infer_ms) == (0, 1, 1, 0)
    got = await filled.Get(pb.GetRequest(collection="c", ids=["fox"]), CALL)
    assert list(got.documents) == [changed]
    updates = [pb.MetadataUpdate(id="fox"), pb.MetadataUpdate(id="tea")]
    updates[1].metadata.update({"year": 2021})
    with pytest.raises(UnknownDocument, match=r"^documents: 1 of 3 are not in collection 'c': 'gone'$"):
        await filled.UpdateMetadata(
            pb.UpdateMetadataRequest(collection="c", documents=[*updates, pb.MetadataUpdate(id="gone")]), CALL
        )
    await filled.UpdateMetadata(pb.UpdateMetadataRequest(collection="c", documents=updates), CALL)
    got = await filled.Get(pb.GetRequest(collection="c", ids=["fox", "tea", "sea"]), CALL)
    assert got.documents[0] == DOCUMENTS[0]
    assert dict(got.documents[1].metadata) == {"year": 2021}
    assert got.documents[2] == DOCUMENTS[2]


async def test_delete_counts_what_was_there(filled: Retrieval):
    """Ids that are not there are no error and are not counted."""
    done = await filled.Delete(pb.DeleteRequest(collection="c", ids=["fox", "none"]), CALL)
    assert done.deleted == 1
    with pytest.raises(UnknownDocument):
        await filled.Get(pb.GetRequest(collection="c", ids=["fox"]), CALL)


async def test_pages_end_and_are_whole(filled: Retrieval):
    """Page by page every document comes once, whatever changes behind; the last page has no token."""
    first = await filled.List(pb.ListRequest(collection="c", page_size=2), CALL)
    assert list(first.documents) == DOCUMENTS[:2]
    await filled.Delete(pb.DeleteRequest(collection="c", ids=["fox"]), CALL)
    request = pb.ListRequest(collection="c", page_size=2, page_token=first.next_page_token)
    last = await filled.List(request, CALL)
    assert (list(last.documents), last.next_page_token) == (DOCUMENTS[2:], "")


@pytest.mark.parametrize("token", ["x", "-1", "1.0", " 1", "1" * 19, "\u0661"])
async def test_a_page_token_of_no_page(filled: Retrieval, token: str):
    """What is no token of List's is refused with the way to begin."""
    with pytest.raises(InvalidRequest, match=r"^page_token: got .* begin with an empty one"):
        await filled.List(pb.ListRequest(collection="c", page_token=token), CALL)


async def test_answers_that_no_client_takes_are_not_made(filled: Retrieval, monkeypatch: pytest.MonkeyPatch):
    """Documents of more bytes than a message holds are refused by Get and Search, and end a page of List early."""
    for module in (request_checks, contents):
        monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 95)
    with pytest.raises(InvalidRequest, match=r"^ids: got '3 documents of 1\d\d bytes', .* ask for fewer at once"):
        await filled.Get(pb.GetRequest(collection="c", ids=["fox", "tea", "sea"]), CALL)
    with pytest.raises(InvalidRequest, match=r"^top_k: got '3 documents of 1\d\d bytes'"):
        await filled.Search(pb.SearchRequest(collection="c", query="water", include_text=True), CALL)
    assert len((await filled.Search(pb.SearchRequest(collection="c", query="water"), CALL)).hits) == 3
    page = await filled.List(pb.ListRequest(collection="c"), CALL)
    assert list(page.documents) == DOCUMENTS[:1]
    assert page.next_page_token


async def test_a_search_passes_on_what_was_asked(filled: Retrieval):
    """Number of hits, candidates, mode, margin, weight and what hits carry arrive; each is what the answer shows."""
    asked = {"collection": "c", "query": "water", "top_k": 2, "mode": pb.MODE_TWO_STAGE}
    plain = await filled.Search(pb.SearchRequest(**asked, candidates=3, similarity_weight=0.0), CALL)
    assert (len(plain.hits), plain.candidates, plain.reranked, plain.mode) == (2, 3, 3, pb.MODE_TWO_STAGE)
    assert plain.hits[0].score >= plain.hits[1].score
    similar = await filled.Search(pb.SearchRequest(**asked, candidates=3, similarity_weight=100.0), CALL)
    assert [hit.rank for hit in similar.hits] == [1, 2]
    near = await filled.Search(pb.SearchRequest(**asked, margin=0.0), CALL)
    assert (near.candidates, near.selected, near.limited_by) == (3, 2, pb.LIMITED_BY_MARGIN)
    dense = await filled.Search(pb.SearchRequest(collection="c", query="water", mode=pb.MODE_DENSE), CALL)
    assert (dense.mode, len(dense.hits), dense.reranked) == (pb.MODE_DENSE, 3, 0)


async def test_a_search_that_says_nothing_has_the_defaults(filled: Retrieval):
    """Ten hits and mode auto, which reads a small collection whole."""
    documents = [pb.Document(id=str(number), text=f"document number {number}") for number in range(12)]
    await filled.Upsert(pb.UpsertRequest(collection="c", documents=documents), CALL)
    found = await filled.Search(pb.SearchRequest(collection="c", query="number 7", margin=2.0), CALL)
    assert (len(found.hits), found.candidates, found.mode) == (10, 15, pb.MODE_RERANK_ALL)


@pytest.mark.parametrize(
    ("field", "value"),
    [("top_k", 0), ("candidates", 0), ("margin", 3.0), ("similarity_weight", -0.5), ("query", " ")],
)
async def test_a_search_s_zero_is_no_default(filled: Retrieval, field: str, value: object):
    """A value outside its limits is refused by its field, a zero that was sent among them."""
    request = pb.SearchRequest(**{"collection": "c", "query": "water", field: value})
    with pytest.raises(InvalidRequest) as refused:
        await filled.Search(request, CALL)
    assert refused.value.field == field
