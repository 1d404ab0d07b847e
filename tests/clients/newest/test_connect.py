"""Connect's client for Python: `shortlist.v1` over HTTP, in both encodings."""

import pytest
from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType

from recorded_bodies import PASSAGES, QUERY
from shortlist.proto import retrieval_pb2 as pb

pytestmark = pytest.mark.client("connectrpc", points="ConnectClientSync(ORIGIN, codec=...)")

CODECS = {"json": google_protobuf_json_codec, "proto": google_protobuf_binary_codec}


def method(service: str, name: str) -> MethodInfo:
    """Return a method of shortlist.v1."""
    described = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    return MethodInfo(
        name=name,
        service_name=f"shortlist.v1.{service}",
        input=getattr(pb, described.input_type.name),
        output=getattr(pb, described.output_type.name),
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )


@pytest.fixture(params=CODECS)
def client(request, origin):
    """Return a client that writes and reads JSON, or protobuf."""
    with ConnectClientSync(origin, codec=CODECS[request.param](), timeout_ms=60_000) as opened:
        yield opened


def test_rerank(client, truth):
    """`Inference/Rerank`, as JSON and as protobuf, packed with gzip as the client does."""
    request = pb.RerankRequest(query=QUERY, documents=PASSAGES)
    answer = client.execute_unary(request=request, method=method("Inference", "Rerank"))
    truth.assert_ranking([(one.index, one.score) for one in answer.results])


def test_search(client, shortlist, request):
    """`Retrieval/CreateCollection`, `Upsert`, `Search` and `DropCollection`: the right passage first."""
    name = "connect"
    call = client.execute_unary
    call(request=pb.CreateCollectionRequest(name=name), method=method("Retrieval", "CreateCollection"))
    documents = [pb.Document(id=str(place), text=passage) for place, passage in enumerate(PASSAGES)]
    try:
        call(request=pb.UpsertRequest(collection=name, documents=documents), method=method("Retrieval", "Upsert"))
        wanted = pb.SearchRequest(collection=name, query=QUERY, include_text=True)
        found = call(request=wanted, method=method("Retrieval", "Search"))
        expected = shortlist.search(name, QUERY)
        assert [hit.id for hit in found.hits] == [hit.id for hit in expected.hits]
        assert found.hits[0].text == PASSAGES[1]
    finally:
        call(request=pb.DropCollectionRequest(name=name), method=method("Retrieval", "DropCollection"))


def test_errors(client):
    """`ConnectError` with gRPC's code: of a bad request, of a collection that is not there, of a deadline."""
    with pytest.raises(ConnectError) as raised:
        client.execute_unary(request=pb.RerankRequest(documents=PASSAGES), method=method("Inference", "Rerank"))
    assert raised.value.code == Code.INVALID_ARGUMENT
    assert "query: got ''" in raised.value.message
    search = pb.SearchRequest(collection="none", query=QUERY)
    with pytest.raises(ConnectError) as raised:
        client.execute_unary(request=search, method=method("Retrieval", "Search"))
    assert raised.value.code == Code.NOT_FOUND
    late = pb.EmbedRequest(texts=PASSAGES)
    with pytest.raises(ConnectError) as raised:
        client.execute_unary(request=late, method=method("Inference", "Embed"), timeout_ms=1)
    assert raised.value.code == Code.DEADLINE_EXCEEDED
