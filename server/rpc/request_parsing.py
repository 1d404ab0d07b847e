"""Bytes that are no request: too many, what protobuf cannot parse, numbers that an enum does not have.

gRPC answers a request that does not parse with INTERNAL and no reason, as if the server were broken. Here
parsing never raises: it returns a `Malformed` that says what is wrong, and `interceptor.py` refuses it like any
bad request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from shortlist.server.errors import InvalidRequest, TooLarge

_LENGTH_DELIMITED = 2  # wire type of strings, bytes and messages
# Enough for the text of a document's metadata. Each level reads its bytes once more, and metadata nests without end.
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that could not be parsed, and why."""

    reason: InvalidRequest


def sound(request: Message | Malformed) -> Message:
    """Return a request that could be parsed, or raise why it could not."""
    if isinstance(request, Malformed):
        raise request.reason
    return request


def parser(message: type[Message], max_bytes: int) -> Callable[[bytes], Message | Malformed]:
    """Return a deserializer for one kind of request, of so many bytes at most, that does not raise."""
    enums: list[tuple[str, Any]] = [
        (field.name, field.enum_type.values_by_number) for field in message.DESCRIPTOR.fields if field.enum_type
    ]

    def parse(data: bytes) -> Message | Malformed:
        if len(data) > max_bytes:
            limit = f"the most is {max_bytes} (the server's max_request_bytes)"
            return Malformed(TooLarge("bytes of the request", len(data), limit, "send fewer or shorter texts"))
        try:
            parsed = message.FromString(data)
        except DecodeError:
            return Malformed(_reason(message.DESCRIPTOR, data))
        for name, known in enums:  # proto3 lets any number through
            if (number := getattr(parsed, name)) not in known:
                limit = f"the enum has {', '.join(map(str, known))}"
                return Malformed(InvalidRequest(name, number, limit, "use one of them, or a server that knows it"))
        return parsed

    return parse


def _reason(descriptor: Any, data: bytes) -> InvalidRequest:
    found = _bad_text(descriptor, data, _DEEPEST)
    if found is None:
        limit = "it must be a message of this type, with metadata nested 32 levels deep at most, and a filter 16"
        return InvalidRequest(
            descriptor.full_name, data[:20], limit, "flatten what nests, or generate your stubs again"
        )
    field, value = found
    return InvalidRequest(field, value, "text must be valid UTF-8", "decode it with its real encoding first")


def _bad_text(descriptor: Any, data: bytes, levels: int) -> tuple[str, bytes] | None:
    """Return path and bytes of the first string that is not UTF-8, if there is one so many levels deep."""
    if not levels:
        return None
    try:
        # A message without fields of its own keeps every field as unknown: number, wire type and bytes.
        unknown: Any = UnknownFieldSet(Empty.FromString(data))  # its stubs miss that it is a sequence
    except DecodeError:
        return None
    seen: dict[int, int] = {}  # entries so far, by field number
    for entry in unknown:
        field = descriptor.fields_by_number.get(entry.field_number)
        index = seen.setdefault(entry.field_number, 0)
        seen[entry.field_number] += 1
        if field is None or entry.wire_type != _LENGTH_DELIMITED:
            continue
        name = f"{field.name}[{index}]" if field.is_repeated else field.name
        if field.message_type is not None:
            inner = _bad_text(field.message_type, entry.data, levels - 1)
            if inner is not None:
                return f"{name}.{inner[0]}", inner[1]
        elif field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(entry.data):
            return name, entry.data
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
