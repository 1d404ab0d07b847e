"""shortlist.v1 over HTTP by the Connect protocol (connectrpc.com/docs/protocol): unary RPCs as JSON or protobuf.

POST /shortlist.v1.Retrieval/Search runs the servicer that answers the RPC over gRPC. JSON is proto3's; it becomes the
bytes that gRPC would bring, so both are held to one set of rules on what a message may be. Answers have every field
without presence, zeros too: what reads them with curl should not have to know the defaults.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from shortlist.proto import retrieval_pb2
from shortlist.server.errors import InvalidRequest, TooLarge
from shortlist.server.rpc import statuses
from shortlist.server.rpc.request_parsing import Malformed, parser, sound
from shortlist.server.rpc.server import Servicers

from . import proto_schemas
from .app import Handler, Route
from .call import JSON, Answer, Call
from .errors import BadBody, Form, NotUnary, UnknownRoute, WrongMediaType, WrongMethod
from .operations import operation
from .proto_comments import comments
from .strict_json import loads

PROTO = "application/proto"
_STREAM = "application/connect+"  # begins the content types of streams
_END_OF_STREAM = 2  # flag of the last envelope
# Larger ones are translated in a thread: the event loop has others to serve.
_FEW_BYTES_IN, _FEW_BYTES_OUT = 64 << 10, 4 << 10
_UNIMPLEMENTED = (NotUnary, UnknownRoute, WrongMethod)


def _error(error: Exception, _: int) -> dict[str, Any]:
    code = statuses.of(error)[0].name.lower()
    details = [
        {
            "type": detail.DESCRIPTOR.full_name,
            "value": base64.b64encode(detail.SerializeToString()).rstrip(b"=").decode(),
            "debug": json_format.MessageToDict(detail),
        }
        for detail in statuses.details(error)
    ]
    return {
        "code": "unimplemented" if isinstance(error, _UNIMPLEMENTED) else code,
        "message": statuses.message(error),
        "details": details,
    }


_CODES = sorted({code.name.lower() for code in statuses.CODES.values()} | {"unimplemented"})
_DETAIL = {
    "type": "object",
    "required": ["type", "value"],
    "properties": {"type": {"type": "string"}, "value": {"type": "string"}, "debug": {"type": "object"}},
}
FORM = Form(
    _error,
    {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"enum": _CODES},
            "message": {"type": "string"},
            "details": {"type": "array", "items": _DETAIL},
        },
    },
    {TooLarge: 400},  # what gRPC calls INVALID_ARGUMENT too
)


class Context:
    """The one thing of a gRPC call that an RPC asks for."""

    def __init__(self, call: Call) -> None:
        """Take it from an HTTP request."""
        self._expires = call.expires

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller stops waiting, if it says when."""
        return None if self._expires is None else self._expires - time.monotonic()


def routes(servicers: Servicers, max_bytes: int) -> list[Route]:
    """Return a route for each RPC, with requests of so many bytes at most."""
    return [_route(servicers, method, max_bytes) for method in _methods()]


def schemas() -> dict[str, Any]:
    """Return the messages of the RPCs that are served, as JSON Schema."""
    unary = [method for method in _methods() if not _streams(method)]
    return proto_schemas.schemas([one.input_type for one in unary], [one.output_type for one in unary])


def _methods() -> list[MethodDescriptor]:
    return [method for service in retrieval_pb2.DESCRIPTOR.services_by_name.values() for method in service.methods]


def _streams(method: MethodDescriptor) -> bool:
    return method.client_streaming or method.server_streaming


def _route(servicers: Servicers, method: MethodDescriptor, max_bytes: int) -> Route:
    service = method.containing_service
    path = f"/{service.full_name}/{method.name}"
    if _streams(method):
        return Route("POST", path, _refuse_stream, FORM, name=method.name)
    run = getattr(getattr(servicers, service.name.lower()), method.name)
    return Route("POST", path, _handler(run, method, max_bytes), FORM, _described(method), name=method.name)


def _described(method: MethodDescriptor) -> Mapping[str, Any]:
    told = comments().get(method.full_name, method.name)
    return operation(
        told.partition(". ")[0].rstrip(".").replace("\n", " "),
        tag=method.containing_service.full_name,
        description=told,
        request=proto_schemas.reference(method.input_type.full_name),
        answer=proto_schemas.reference(method.output_type.full_name),
    )


def _handler(run: Callable[..., Awaitable[Message]], method: MethodDescriptor, max_bytes: int) -> Handler:
    request_type = GetMessageClass(method.input_type)
    return _Rpc(run, request_type, parser(request_type, max_bytes))


async def _refuse_stream(call: Call) -> Answer:
    """Refuse an RPC that streams, in the way in which its caller reads an end."""
    remedy = "call it over gRPC, or send Upsert in portions"
    error = NotUnary("path", call.path, "streams are served over gRPC alone", remedy)
    if not call.headers.get("content-type", "").startswith(_STREAM):
        raise error
    end = orjson.dumps({"error": _error(error, 200)})
    envelope = bytes([_END_OF_STREAM]) + len(end).to_bytes(4, "big") + end
    return Answer(envelope, content_type=call.headers["content-type"])


@dataclass(frozen=True, slots=True)
class _Rpc:
    """A unary RPC as a handler."""

    run: Callable[[Any, Context], Awaitable[Message]]
    request_type: type[Message]
    parse: Callable[[bytes], Message | Malformed]

    async def __call__(self, call: Call) -> Answer:
        version = call.headers.get("connect-protocol-version", "1")
        if version != "1":
            raise InvalidRequest(
                "connect-protocol-version", version, "this server speaks 1", "send 1, or leave it out"
            )
        kind = call.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if kind not in {JSON, PROTO}:
            limit = f"an RPC takes {JSON} and {PROTO}"
            raise WrongMediaType("content-type", kind, limit, "send one of them; gRPC has a port of its own")
        data = await call.body()
        read = self._from_bytes if kind == PROTO else self._from_json
        request = read(data) if len(data) < _FEW_BYTES_IN else await asyncio.to_thread(read, data)
        call.caller.check(request)
        answer = await self.run(request, Context(call))
        call.caller.keep_own(answer)
        if kind == PROTO:
            return Answer(answer.SerializeToString(), content_type=PROTO)
        few = answer.ByteSize() < _FEW_BYTES_OUT
        return Answer(_json(answer) if few else await asyncio.to_thread(_json, answer))

    def _from_bytes(self, data: bytes) -> Message:
        return sound(self.parse(data))

    def _from_json(self, data: bytes) -> Message:
        """Return the message that JSON stands for.

        Raises:
            InvalidRequest: it stands for none, or for one that gRPC would refuse too.
        """
        value, made = loads(data), self.request_type()
        try:
            if not isinstance(value, dict):
                raise json_format.ParseError("it is no object")
            json_format.ParseDict(value, made)
        except (json_format.ParseError, RecursionError) as error:
            why = " ".join(str(error).split())  # some are of two lines
            limit = f"it must be a {made.DESCRIPTOR.full_name} in proto3's JSON: {why}"
            raise BadBody("body", value, limit, "see /openapi.json for its fields") from None
        return self._from_bytes(made.SerializeToString())


def _json(answer: Message) -> bytes:
    vectors = list(_take_vectors(answer))
    told = json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)
    for (*above, last), vector in vectors:
        at = told
        for step in above:
            at = at[step]
        at[last] = vector
    return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)


def _take_vectors(message: Message) -> Iterator[tuple[list[Any], NDArray[np.float32]]]:
    """Take the vectors out of a message, each with its place in the JSON: protobuf takes a microsecond a number."""
    for field, value in message.ListFields():
        if field.is_repeated and field.type == FieldDescriptor.TYPE_FLOAT:
            yield [field.json_name], np.array(value, np.float32)
            message.ClearField(field.name)
        elif field.message_type and field.message_type.file.package == message.DESCRIPTOR.file.package:
            for index, inner in enumerate(value if field.is_repeated else [value]):
                for place, vector in _take_vectors(inner):
                    yield [field.json_name, *([index] if field.is_repeated else []), *place], vector
