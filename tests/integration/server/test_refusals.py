"""Bad input over gRPC: the status, and a message with field, value, limit and remedy."""

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from shortlist.client import Client, Document
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
DETAILS = {
    INVALID: ["google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RequestInfo"],
    NOT_FOUND: ["google.rpc.ErrorInfo", "google.rpc.RequestInfo"],
    grpc.StatusCode.ALREADY_EXISTS: ["google.rpc.ErrorInfo", "google.rpc.RequestInfo"],
}


@pytest.fixture
def channel(server):
    """Open a bare channel: these requests are ones that the client would not send."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def collection(server) -> str:
    """Make a collection with one document."""
    with Client(server.address) as client:
        client.create_collection("refusals", exist_ok=True)
        client.upsert("refusals", [Document("a", "text")])
    return "refusals"


def documents(*entries: pb.Document) -> pb.UpsertRequest:
    """Return an upsert of these documents."""
    return pb.UpsertRequest(collection="refusals", documents=entries)


def nested(lists: int) -> pb.Document:
    """Return a document whose metadata holds so many lists in each other, in an object in an object."""
    value: object = []
    for _ in range(lists - 1):
        value = [value]
    document = pb.Document(id="a", text="b")
    document.metadata.update({"deep": {"lists": value}})
    return document


def with_metadata(number: float) -> pb.Document:
    """Return a document with a number in its metadata."""
    document = pb.Document(id="a", text="b")
    document.metadata.update({"deep": {"number": number}})
    return document


def search(**fields: object) -> pb.SearchRequest:
    """Return a search that is sound but for these fields."""
    return pb.SearchRequest(**{"collection": "refusals", "query": "q", **fields})  # type: ignore[arg-type]


CASES = [
    ("Search", search(query=""), INVALID, "query: got '', but it must hold more than white space; send"),
    ("Search", search(query=" \t\n"), INVALID, "query: got"),
    ("Search", search(query="x" * (2 << 20)), INVALID, "query: got"),
    ("Search", search(top_k=0), INVALID, "top_k: got 0, but it must be 1 to 1000 hits; give at least 1"),
    ("Search", search(top_k=1001), INVALID, "top_k: got 1001, but it must be 1 to 1000 hits"),
    ("Search", search(candidates=5), INVALID, "candidates: got 5, but it must be top_k (10) or more"),
    ("Search", search(candidates=1001), INVALID, "candidates: got 1001, but it must be 1 to 1000"),
    ("Search", search(mode=99), INVALID, "mode: got 99"),
    ("Search", search(collection="nope"), NOT_FOUND, "there is no collection named 'nope'"),
    ("Search", search(collection=""), NOT_FOUND, "there is no collection named ''"),
    ("Upsert", documents(), INVALID, "documents: got []"),
    ("Upsert", documents(pb.Document(text="b")), INVALID, "documents[0].id: got ''"),
    ("Upsert", documents(pb.Document(id="a")), INVALID, "documents[0].text: got ''"),
    (
        "Upsert",
        documents(*[pb.Document(id="a", text="b")] * 2),
        INVALID,
        "documents[1].id: got 'a', but documents[0]",
    ),
    ("Upsert", documents(pb.Document(id="a", text="x" * (1 << 20) + "x")), INVALID, "documents[0].text: got"),
    ("Upsert", documents(with_metadata(float("nan"))), INVALID, "metadata['deep']['number']: got nan, but JSON"),
    ("Upsert", documents(with_metadata(float("inf"))), INVALID, "metadata['deep']['number']: got inf, but JSON"),
    ("Upsert", documents(nested(31)), INVALID, "documents[0].metadata: got '33 levels', but it nests 32 levels deep"),
    ("DropCollection", pb.DropCollectionRequest(name="nope"), NOT_FOUND, "nothing was dropped; name one of these"),
    ("Delete", pb.DeleteRequest(collection="nope", ids=["a"]), NOT_FOUND, "name one of these, or create it"),
    ("Upsert", pb.UpsertRequest(collection="nope", documents=[pb.Document(id="a", text="b")]), NOT_FOUND, "'nope'"),
    ("Delete", pb.DeleteRequest(collection="refusals"), INVALID, "ids: got []"),
    ("Delete", pb.DeleteRequest(collection="nope", ids=["a"]), NOT_FOUND, "'nope'"),
    ("Get", pb.GetRequest(collection="refusals", ids=["a", "b", "c"]), NOT_FOUND, "ids: 2 of 3 are not in"),
    ("Get", pb.GetRequest(collection="refusals", ids=[""]), INVALID, "ids[0]: got ''"),
    ("List", pb.ListRequest(collection="refusals", page_size=0), INVALID, "page_size: got 0"),
    ("List", pb.ListRequest(collection="refusals", page_token="x"), INVALID, "page_token: got 'x'"),
    ("List", pb.ListRequest(collection="refusals", page_token="9" * 30), INVALID, "page_token: got"),
    ("List", pb.ListRequest(collection="refusals", page_token="1"), INVALID, "a next_page_token that List gave"),
    ("List", pb.ListRequest(collection="refusals", page_token="1-0123456789ab"), INVALID, "page_token: got"),
    ("List", pb.ListRequest(collection="refusals", page_token="\u0661-a"), INVALID, "page_token: got"),
    ("CreateCollection", pb.CreateCollectionRequest(name="No!"), INVALID, "name: got 'No!', but a name is 1 to 64"),
    ("CreateCollection", pb.CreateCollectionRequest(name="refusals"), grpc.StatusCode.ALREADY_EXISTS, "'refusals'"),
    ("DropCollection", pb.DropCollectionRequest(name="nope"), NOT_FOUND, "name: there is no collection named 'nope'"),
    ("Embed", pb.EmbedRequest(), INVALID, "texts: got []"),
    ("Embed", pb.EmbedRequest(texts=["a", ""]), INVALID, "texts[1]: got ''"),
    ("Embed", pb.EmbedRequest(texts=["a"] * 1001), INVALID, "texts: got 1001, but it must be 1 to 1000"),
    ("Embed", pb.EmbedRequest(texts=["a"], kind=9), INVALID, "kind: got 9"),
    ("Rerank", pb.RerankRequest(query="q"), INVALID, "documents: got []"),
    ("Rerank", pb.RerankRequest(documents=["d"]), INVALID, "query: got ''"),
    ("Rerank", pb.RerankRequest(query="q", documents=["d", " "]), INVALID, "documents[1]: got ' '"),
    ("Rerank", pb.RerankRequest(query="q", documents=["d"], top_k=0), INVALID, "top_k: got 0"),
    ("Tokenize", pb.TokenizeRequest(), INVALID, "texts: got []"),
    ("Tokenize", pb.TokenizeRequest(texts=["a"], query="q"), INVALID, "query: got 'q', but the embedder"),
    ("Tokenize", pb.TokenizeRequest(texts=["a"], model=2, query=" "), INVALID, "query: got ' '"),
    ("Tokenize", pb.TokenizeRequest(texts=["a"], model=2, query="x" * (2 << 20)), INVALID, "query: got"),
    ("Search", search(collection="x" * 50_000), NOT_FOUND, "there is no collection named 'xxx"),
    ("Tokenize", pb.TokenizeRequest(texts=["a"], model=9), INVALID, "model: got 9"),
    (
        "Tokenize",
        pb.TokenizeRequest(texts=["a"], model=2, query="q", ends_only=True),
        INVALID,
        "query: got 'q', but ends_only is about texts alone; leave the query out, or ask for the tokens",
    ),
]


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(("method", "request_", "code", "message"), CASES)
def test_refused(channel, method: str, request_: object, code: grpc.StatusCode, message: str):
    """Each bad request gets its status, a message that says what to do, and its field where one is at fault."""
    stub = InferenceStub(channel) if hasattr(InferenceStub(channel), method) else RetrievalStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        getattr(stub, method)(request_, timeout=20)
    assert refused.value.code() is code
    assert message in refused.value.details()
    rich = rpc_status.from_call(refused.value)
    assert [one.TypeName() for one in rich.details] == DETAILS[code]
    if code is INVALID:
        request = BadRequest.FromString(rich.details[1].value)
        assert refused.value.details().startswith(f"{request.field_violations[0].field}: got ")


def test_invalid_utf8_names_its_field(channel, collection: str):
    """Text that is not UTF-8 is the caller's fault, by the path of its field, and not an internal error."""
    request = documents(pb.Document(id="good", text="fine"), pb.Document(id="bad", text="QQQQ"))
    raw = request.SerializeToString().replace(b"QQQQ", b"Q\xffQQ")
    call = channel.unary_unary("/shortlist.v1.Retrieval/Upsert")
    with pytest.raises(grpc.RpcError) as refused:
        call(raw, timeout=20)
    assert refused.value.code() is INVALID
    assert "documents[1].text: got b'Q\\xffQQ', but text must be valid UTF-8" in refused.value.details()


def test_a_refused_upsert_writes_nothing(channel, collection: str):
    """One bad document keeps the whole call from being written."""
    request = documents(pb.Document(id="fresh", text="fine"), pb.Document(id="bad", text=""))
    with pytest.raises(grpc.RpcError):
        RetrievalStub(channel).Upsert(request, timeout=20)
    with pytest.raises(grpc.RpcError) as missing:
        RetrievalStub(channel).Get(pb.GetRequest(collection=collection, ids=["fresh"]), timeout=20)
    assert missing.value.code() is NOT_FOUND


def test_a_request_over_the_size_limit(channel, collection: str):
    """A request larger than max_request_bytes is refused by its size, with the limit and a remedy."""
    request = pb.EmbedRequest(texts=["x" * (1 << 20)] * 65)
    with pytest.raises(grpc.RpcError) as refused:
        InferenceStub(channel).Embed(request, timeout=20)
    assert refused.value.code() is INVALID
    assert refused.value.details() == (
        f"bytes of the request: got {request.ByteSize()}, but the most is 67108864 (the server's max_request_bytes);"
        " send fewer or shorter texts"
    )


def test_a_request_far_over_the_size_limit(channel, collection: str):
    """A request of twice the limit is not even read: gRPC itself refuses it."""
    with pytest.raises(grpc.RpcError) as refused:
        InferenceStub(channel).Embed(pb.EmbedRequest(texts=["x" * (1 << 20)] * 129), timeout=20)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in refused.value.details()


def test_an_answer_over_the_size_limit(channel, collection: str):
    """Documents that are too large for one message are refused before they are read, and come in smaller ones."""
    stub = RetrievalStub(channel)
    stub.Upsert(documents(pb.Document(id="large", text="word " * 200_000)), timeout=20)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Get(pb.GetRequest(collection=collection, ids=["large"] * 63), timeout=20)
    assert refused.value.code() is INVALID
    assert "63 documents of 63," in refused.value.details()
    assert "but an answer holds 62,914,560; ask for fewer at once" in refused.value.details()
    assert len(stub.Get(pb.GetRequest(collection=collection, ids=["large"]), timeout=20).documents) == 1
    stub.Delete(pb.DeleteRequest(collection=collection, ids=["large"]), timeout=20)


def test_hits_over_the_size_limit(channel, collection: str):
    """Hits whose texts are too large for one message are refused, and come without their texts."""
    stub = RetrievalStub(channel)
    names = [f"large {number}" for number in range(62)]
    for start in (0, 31):
        given = [pb.Document(id=name, text=name + "." * 1_040_000) for name in names[start : start + 31]]
        stub.Upsert(documents(*given), timeout=60)
    asked = pb.SearchRequest(collection=collection, query="large", mode=pb.MODE_DENSE, top_k=100)
    bare = stub.Search(asked, timeout=20)
    asked.include_text = True
    with pytest.raises(grpc.RpcError) as refused:
        stub.Search(asked, timeout=20)
    assert len(bare.hits) >= len(names)
    assert refused.value.code() is INVALID
    assert "an answer holds 62,914,560; ask for fewer hits, or without include_text" in refused.value.details()
    stub.Delete(pb.DeleteRequest(collection=collection, ids=names), timeout=20)


def test_the_largest_values_pass(channel, collection: str):
    """What is exactly at a limit is served: the largest text, id, top_k and batch."""
    stub, inference = RetrievalStub(channel), InferenceStub(channel)
    stub.Upsert(documents(pb.Document(id="i" * 512, text="x " * (1 << 19))), timeout=60)
    stub.Search(search(top_k=1000, candidates=1000), timeout=60)
    assert len(inference.Embed(pb.EmbedRequest(texts=["a"] * 1000), timeout=60).embeddings) == 1000
