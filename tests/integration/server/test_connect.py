"""shortlist.v1 over HTTP by the Connect protocol: its own client, bodies as curl sends them, answers as over gRPC."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest

from shortlist.proto import retrieval_pb2 as pb

WAIT_S = 60
RPCS = [
    f"{service.name}/{method.name}"
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if not method.client_streaming
]
Call = Callable[[str, Message], Any]


@pytest.fixture(params=[google_protobuf_binary_codec, google_protobuf_json_codec], ids=["proto", "json"])
def connect(server, request: pytest.FixtureRequest) -> Iterator[Call]:
    """Return calls by the protocol's own client, as protobuf and as JSON; it packs requests with gzip."""
    with ConnectClientSync(server.http, codec=request.param()) as client:
        yield lambda rpc, message: client.execute_unary(
            request=message, method=described(rpc), timeout_ms=1000 * WAIT_S
        )


def described(rpc: str) -> MethodInfo[Any, Any]:
    """Return what the client's generated code would say of an RPC."""
    service, _, name = rpc.partition("/")
    method = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    return MethodInfo(
        name=name,
        service_name=method.containing_service.full_name,
        input=GetMessageClass(method.input_type),
        output=GetMessageClass(method.output_type),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.BIDI_STREAM if method.client_streaming else StreamType.UNARY,
    )


@pytest.fixture
def direct(server) -> Iterator[Call]:
    """Return calls over gRPC."""
    with grpc.insecure_channel(server.address) as channel:

        def call(rpc: str, message: Message) -> Any:
            kinds = described(rpc)
            return channel.unary_unary(
                f"/{kinds.service_name}/{kinds.name}", lambda sent: sent.SerializeToString(), kinds.output.FromString
            )(message, timeout=WAIT_S)

        yield call


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    """Return a plain HTTP client, as curl is one."""
    with httpx.Client(base_url=f"{server.http}/", trust_env=False, timeout=WAIT_S) as opened:
        yield opened


def untimed(message: Message) -> Message:
    """Return an answer without the times in it."""
    if "timing" in message.DESCRIPTOR.fields_by_name:
        message.ClearField("timing")
    return message


def test_answers_as_over_grpc(connect: Call, direct: Call, name: str):
    """Documents go in over Connect, and what is read of them, and of the models, is what gRPC answers."""
    assert connect("Retrieval/CreateCollection", pb.CreateCollectionRequest(name=name)).created
    document = pb.Document(id="ä\U0001f600", text="rivers and lakes", title="Water", source="a/b")
    document.metadata.update({"year": 1999, "deep": {"list": [1, None, {"a": "ä\U0001f600"}]}, "flag": True})
    documents = [document, pb.Document(id="b", text="hills")]
    filled = connect("Retrieval/Upsert", pb.UpsertRequest(collection=name, documents=documents))
    assert (filled.inserted, filled.updated, filled.unchanged) == (2, 0, 0)
    again = direct("Retrieval/Upsert", pb.UpsertRequest(collection=name, documents=documents))
    assert again.unchanged == 2

    where = pb.Filter(condition=pb.Condition(path="year", equals=pb.FilterValue(integer=1999)))
    asked: list[tuple[str, Message]] = [
        ("Retrieval/Get", pb.GetRequest(collection=name, ids=[document.id, "b"], include_vectors=True)),
        ("Retrieval/List", pb.ListRequest(collection=name, page_size=1)),
        ("Retrieval/Count", pb.CountRequest(collection=name, where=where)),
        ("Retrieval/ListSources", pb.ListSourcesRequest(collection=name)),
        ("Retrieval/ListCollections", pb.ListCollectionsRequest()),
        (
            "Retrieval/SetTokenVectors",
            pb.SetTokenVectorsRequest(collection=name, token_pooling=pb.TOKEN_POOLING_NO_VECTORS),
        ),
        ("Retrieval/Search", pb.SearchRequest(collection=name, query="water", top_k=2, include_metadata=True)),
        ("Inference/Embed", pb.EmbedRequest(texts=["a river", "ä\U0001f600"])),
        ("Inference/Rerank", pb.RerankRequest(query="a river", documents=["water", "ä\U0001f600", "hills"])),
        ("Inference/Tokenize", pb.TokenizeRequest(texts=["a river"])),
        ("Inference/Describe", pb.DescribeRequest()),
        ("Snapshots/ListSnapshots", pb.ListSnapshotsRequest()),
        ("Reindexes/GetReindex", pb.GetReindexRequest(collection=name)),
    ]
    for rpc, message in asked:
        assert untimed(connect(rpc, message)) == untimed(direct(rpc, message)), rpc
    assert connect("Retrieval/Count", pb.CountRequest(collection=name, where=where)).documents == 1
    assert connect("Retrieval/DropCollection", pb.DropCollectionRequest(name=name)).documents == 2


def test_errors_as_over_grpc(connect: Call, direct: Call):
    """A refusal has the code, the words and the fields that gRPC's callers get."""
    message = pb.SearchRequest(collection="none", query=" ")
    with pytest.raises(ConnectError) as over_connect:
        connect("Retrieval/Search", message)
    with pytest.raises(grpc.RpcError) as over_grpc:
        direct("Retrieval/Search", message)
    assert over_connect.value.code == Code.INVALID_ARGUMENT
    assert over_connect.value.message == over_grpc.value.details()
    details = {detail.type_name: detail.message_bytes for detail in over_connect.value.details}
    assert BadRequest.FromString(details["google.rpc.BadRequest"]).field_violations[0].field == "query"
    with pytest.raises(ConnectError) as unknown:
        connect("Retrieval/Search", pb.SearchRequest(collection="none", query="water"))
    assert unknown.value.code == Code.NOT_FOUND


def test_deadlines(server):
    """A deadline that cannot be met is told as one."""
    with ConnectClientSync(server.http, codec=google_protobuf_json_codec()) as client:
        kind = described("Inference/Embed")
        headers = {"x-shortlist-timeout-ms": "0"}  # before the client's own, which it keeps itself
        with pytest.raises(ConnectError) as raised:
            client.execute_unary(
                request=pb.EmbedRequest(texts=["a"]), method=kind, headers=headers, timeout_ms=60_000
            )
    assert raised.value.code == Code.DEADLINE_EXCEEDED


def test_a_stream(server):
    """Ingest is told to be served over gRPC alone, in the way in which streams end."""
    told = "call it over gRPC, or send Upsert in portions"
    with (
        ConnectClientSync(server.http, codec=google_protobuf_json_codec()) as client,
        pytest.raises(ConnectError, match=told) as raised,
    ):
        list(client.execute_bidi_stream(request=iter([pb.IngestRequest()]), method=described("Retrieval/Ingest")))
    assert raised.value.code == Code.UNIMPLEMENTED


def test_bodies_as_curl_sends_them(http: httpx.Client, name: str):
    """JSON with either spelling of names, 64-bit numbers as text, times, zeros, and enums by name."""
    made = http.post("shortlist.v1.Retrieval/CreateCollection", json={"name": name, "exist_ok": True}).json()
    assert made["collection"]["documents"] == "0"
    assert made["collection"]["createdAt"].endswith("Z")
    assert made["collection"]["quantization"] == "QUANTIZATION_NONE"
    documents = [{"id": "a", "text": "rivers", "metadata": {"big": 2**53 + 1, "n": None}}]
    http.post("shortlist.v1.Retrieval/Upsert", json={"collection": name, "documents": documents}).raise_for_status()
    asked = {"collection": name, "query": "water", "topK": 1, "include_metadata": True, "mode": "MODE_TWO_STAGE"}
    hit = http.post("shortlist.v1.Retrieval/Search", json=asked).json()["hits"][0]
    assert (hit["id"], hit["rank"], hit["metadata"]) == ("a", 1, {"big": 2**53, "n": None})
    condition = {"path": "big", "equals": {"number": 9007199254740992}}
    counted = http.post(
        "shortlist.v1.Retrieval/Count", json={"collection": name, "where": {"condition": condition}}
    ).json()
    assert counted == {"documents": "1"}


@pytest.mark.parametrize("rpc", RPCS)
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"1", b'"a"', b'{"none": 1}', b"{", b'{"a": NaN}', b'{"\\ud800": 1}', b'"\xff"']
)
def test_bodies_that_are_no_message(http: httpx.Client, rpc: str, body: bytes):
    """What is no message of an RPC's is the caller's mistake, over every RPC."""
    answer = http.post(f"shortlist.v1.{rpc}", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(
    ("rpc", "body", "told"),
    [
        ("Retrieval/Search", {"collection": "a", "query": "b", "mode": 99}, "mode: got 99, but the enum has 0, 1, "),
        ("Retrieval/Search", {"collection": "a", "query": "b", "mode": "MODE_X"}, "Invalid enum value MODE_X"),
        ("Retrieval/Search", {"collection": "a", "query": "b", "topK": -1}, "Value out of range: -1"),
        ("Retrieval/Search", {"collection": "a", "query": "b", "topK": 2**32}, "Value out of range: 4294967296"),
        ("Retrieval/Search", {"collection": "a", "query": "b", "topK": 1.5}, "Couldn't parse integer: 1.5"),
        ("Retrieval/Search", {"collection": "a", "query": "b", "margin": "NaN"}, "margin: got nan"),
        ("Retrieval/Search", {"collection": "a", "query": "b", "where": {}}, "where: got "),
        ("Inference/Embed", {"texts": "a"}, "repeated field texts must be in []"),
        ("Inference/Embed", {"texts": [None]}, "null is not allowed"),
        ("Reindexes/GetReindex", {"collection": "a", "after": 2**64}, "Value out of range"),
    ],
)
def test_fields_that_are_not_what_they_may_be(http: httpx.Client, rpc: str, body: dict[str, Any], told: str):
    """A field that is wrong is named, by proto3's rules for JSON and then by those that gRPC's callers meet."""
    answer = http.post(f"shortlist.v1.{rpc}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert told in answer.json()["message"]


def nested(levels: int) -> dict[str, Any]:
    """Return metadata of so many levels."""
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


def test_metadata_that_nests(http: httpx.Client, name: str):
    """JSON may nest metadata as deep as protobuf may, and no deeper: what is stored, gRPC must be able to read."""
    http.post("shortlist.v1.Retrieval/CreateCollection", json={"name": name}).raise_for_status()
    found = {}
    for levels in (32, 33, 50, 500, 5000):
        documents = [{"id": "a", "text": "b", "metadata": nested(levels)}] if levels < 900 else None
        body = json.dumps({"collection": name, "documents": documents}) if documents else '{"a":' * levels
        answer = http.post(
            "shortlist.v1.Retrieval/Upsert", content=body, headers={"content-type": "application/json"}
        )
        found[levels] = answer.status_code
    assert found == {32: 200, 33: 400, 50: 400, 500: 400, 5000: 400}


def test_kinds_of_bodies(http: httpx.Client):
    """Protobuf and JSON are read, packed or not; gRPC's own framing and what browsers send unasked are not."""
    path = "shortlist.v1.Inference/Tokenize"
    message = pb.TokenizeRequest(texts=["rivers"])
    binary = {"content-type": "application/proto"}
    answer = http.post(path, content=message.SerializeToString(), headers=binary)
    assert answer.headers["content-type"] == "application/proto"
    tokens = pb.TokenizeResponse.FromString(answer.content).tokenizations
    packed = gzip.compress(json.dumps({"texts": ["rivers"]}).encode())
    headers = {"content-type": "application/json; charset=utf-8", "content-encoding": "gzip"}
    answer = http.post(path, content=packed, headers=headers).json()
    assert len(answer["tokenizations"]) == len(tokens) == 1
    for kind in ("application/grpc", "application/grpc-web+proto", "text/plain", "application/connect+proto"):
        answer = http.post(path, content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, answer.json()["code"]) == (415, "invalid_argument")
    wrong = http.post(path, content=b"\x0a\x02\xff\xff", headers=binary)
    assert wrong.json()["message"].startswith("texts[0]: got b'\\xff\\xff', but text must be valid UTF-8")
    assert http.post(path, json={}, headers={"connect-protocol-version": "2"}).status_code == 400
    assert http.get(path).status_code == 405
    assert http.post("shortlist.v1.Inference/None", json={}).status_code == 404
