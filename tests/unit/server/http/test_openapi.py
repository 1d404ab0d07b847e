"""The description of the routes: comments as protoc reads them, schemas as protobuf writes JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from google.protobuf import descriptor_pb2, json_format

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.http import connect, openapi, proto_comments
from shortlist.server.http.app import Route
from shortlist.server.http.call import Answer, Call
from shortlist.server.http.operations import operation

ROOT = Path(__file__).parents[4]


async def handle(call: Call) -> Answer:
    """Answer nothing: these routes are described, not called."""
    raise AssertionError


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Return a description of the RPCs and of two routes more."""
    rpcs = [connect._route(Servicers(), method, 1000) for method in connect._methods()]
    more = [
        Route("GET", "/a/*", handle, operation=operation("Say a", tag="a", answer={"type": "string"})),
        Route("GET", "/hidden", handle),
    ]
    return openapi.description([*rpcs, *more])


class Servicers:
    """Anything that is asked for, in place of the services."""

    def __getattr__(self, name: str) -> Any:
        return Servicers()


def from_protoc(tmp_path: Path) -> dict[str, str]:
    """Return the comments that protoc finds, by full name."""
    out = tmp_path / "set"
    arguments = ["--include_source_info", f"--descriptor_set_out={out}", f"-I{ROOT}/proto", "retrieval.proto"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True, timeout=60)
    file = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    found = {}
    for location in file.source_code_info.location:
        if not location.leading_comments or len(location.path) % 2:  # what has no name of its own: the package
            continue
        name, at = file.package, file
        for step, index in zip(location.path[::2], location.path[1::2], strict=True):
            at = getattr(at, at.DESCRIPTOR.fields_by_number[step].name)[index]
            name = f"{name}.{at.name}"
        if not isinstance(at, descriptor_pb2.OneofDescriptorProto):  # described by its fields
            lines = location.leading_comments.splitlines()
            found[name] = "\n".join(line.removeprefix(" ").rstrip() for line in lines)
    return found


def test_comments_are_what_protoc_reads(tmp_path: Path):
    """Every comment of the proto stands under the name that protoc gives it."""
    told = from_protoc(tmp_path)
    assert len(told) > 300
    assert proto_comments.comments() == told


def test_comments_beside_options_and_in_what_is_nested():
    """Blocks without a name of their own end no scope but theirs."""
    source = """
    package a.b;
    // A service.
    service S {
      // Does it.
      // At once.
      rpc Do(M) returns (M) {
        option idempotency_level = NO_SIDE_EFFECTS;
      }
      // Does it too.
      rpc Too(M) returns (M);
    }
    // A message.
    message M {
      // Inside.
      message N {
        oneof kind {
          // One of two.
          string one = 1 [deprecated = true];
        }
        // Another.
        repeated a.b.M other = 2;
      }
      string silent = 1;
      // Empty.
      message E {}
      // Last.
      optional int32 last = 2;
    }
    """
    assert proto_comments.read(source) == {
        "a.b.S": "A service.",
        "a.b.S.Do": "Does it.\nAt once.",
        "a.b.S.Too": "Does it too.",
        "a.b.M": "A message.",
        "a.b.M.N": "Inside.",
        "a.b.M.N.one": "One of two.",
        "a.b.M.N.other": "Another.",
        "a.b.M.E": "Empty.",
        "a.b.M.last": "Last.",
    }


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a value of JSON."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def test_every_reference_leads_somewhere(described: dict[str, Any]):
    """What is referred to is there, and all that is there is a sound JSON Schema that something refers to."""
    there = described["components"]["schemas"]
    asked = {part["$ref"].removeprefix("#/components/schemas/") for part in parts(described) if "$ref" in part}
    assert asked == set(there)
    for schema in there.values():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_what_is_described(described: dict[str, Any]):
    """Each unary RPC, and each route that asks for it; the rest of a path, and errors in the route's form."""
    unary = {
        f"/shortlist.v1.{service.name}/{method.name}"
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if not method.client_streaming
    }
    assert set(described["paths"]) == {*unary, "/a/{rest}"}
    search = described["paths"]["/shortlist.v1.Retrieval/Search"]["post"]
    assert search["summary"].startswith("Finds the documents that answer a query")
    assert search["responses"]["4XX"]["content"]["application/json"]["schema"] == connect.FORM.schema
    assert [one["name"] for one in described["paths"]["/a/{rest}"]["get"]["parameters"]] == ["rest"]
    ids = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))


def validator(described: dict[str, Any], name: str) -> Any:
    """Return what checks values by the schema of a message."""
    return jsonschema_rs.validator_for({**described, "$ref": f"#/components/schemas/shortlist.v1.{name}"})


def test_schemas_are_those_of_protobufs_own_json(described: dict[str, Any]):
    """What protobuf writes of a message, with all kinds of fields, is what its schema allows, and no more."""
    document = pb.Document(id="a", vector=[0.5, float("nan"), float("-inf")])
    document.metadata.update({"a": [1, None]})
    collection = pb.Collection(name="a", documents=2**63, quantization=pb.QUANTIZATION_INT8)
    collection.created_at.FromJsonString("2026-01-02T03:04:05.678Z")
    value = pb.FilterValue(integer=-(2**63))
    for message in (document, collection, value):
        written = json.loads(json_format.MessageToJson(message, always_print_fields_with_no_presence=True))
        assert validator(described, message.DESCRIPTOR.name).is_valid(written), written
    search = validator(described, "SearchRequest")
    assert search.is_valid({"collection": "a", "topK": 3, "mode": "MODE_DENSE", "where": {"allOf": {"filters": []}}})
    assert search.is_valid({"mode": 1, "topK": None, "where": None})
    for wrong in (
        {"topK": -1},
        {"topK": 2**32},
        {"topk": 1},
        {"mode": "DENSE"},
        {"mode": 99},
        {"where": []},
        [],
        None,
    ):
        assert not search.is_valid(wrong), wrong
    assert not validator(described, "SearchResponse").is_valid({})  # the server leaves nothing out
