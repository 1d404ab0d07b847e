"""Messages of shortlist.v1 as JSON Schema, as proto3's JSON writes them (protobuf.dev/programming-guides/json)."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from .proto_comments import comments

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
}
_LONG = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_SINT64)
_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    **{kind: {"type": "integer", "minimum": low, "maximum": high} for kind, (low, high) in _INTEGERS.items()},
}
# Messages that JSON writes in a way of their own.
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}


def reference(name: str) -> dict[str, Any]:
    """Return what points to the schema of a message or an enum."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(requests: Iterable[Descriptor], answers: Iterable[Descriptor]) -> dict[str, Any]:
    """Return the schemas of messages, and of what is in them, by name.

    Args:
        requests: messages that callers send, of which any field may be absent or null.
        answers: messages that the server sends: what is in these alone has every field that has no presence.
    """
    sent, received = _within(requests), _within(answers)
    return {
        name: _enum(kind) if isinstance(kind, EnumDescriptor) else _message(kind, whole=name not in sent)
        for name, kind in (sent | received).items()
    }


def _within(messages: Iterable[Descriptor]) -> dict[str, Descriptor | EnumDescriptor]:
    """Return messages, and the messages and enums that are in them."""
    found: dict[str, Descriptor | EnumDescriptor] = {}
    waiting: list[Descriptor | EnumDescriptor] = [*messages]
    while waiting:
        kind = waiting.pop()
        if kind.full_name in found or kind.full_name in _WELL_KNOWN:
            continue
        found[kind.full_name] = kind
        if isinstance(kind, Descriptor):
            waiting += [inner for one in kind.fields if (inner := one.message_type or one.enum_type)]
    return found


def _message(kind: Descriptor, *, whole: bool) -> dict[str, Any]:
    described = {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.json_name: _field(field, may_be_null=not whole) for field in kind.fields},
        **_told(kind.full_name),
    }
    required = [field.json_name for field in kind.fields if not field.has_presence]
    return described | ({"required": required} if whole and required else {})


def _field(field: FieldDescriptor, *, may_be_null: bool) -> dict[str, Any]:
    if inner := field.message_type or field.enum_type:
        schema = _WELL_KNOWN.get(inner.full_name) or reference(inner.full_name)
    elif field.type in _LONG:
        least, pattern = ({"minimum": 0}, r"^\d+$") if field.type == FieldDescriptor.TYPE_UINT64 else ({}, r"^-?\d+$")
        schema = {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer", **least}]}
    else:
        schema = _SCALARS[field.type]
    if field.is_repeated:
        schema = {"type": "array", "items": schema}
    if may_be_null:
        schema = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
    return {**schema, **_told(field.full_name)}


def _enum(kind: EnumDescriptor) -> dict[str, Any]:
    scope = kind.full_name
    values = [(value.name, comments().get(f"{scope}.{value.name}", "")) for value in kind.values]
    meanings = "\n".join(f"- `{name}`: {' '.join(told.split())}" for name, told in values if told)
    text = "\n\n".join(filter(None, (comments().get(scope, ""), meanings)))
    return {
        "anyOf": [
            {"type": "string", "enum": [name for name, _ in values]},
            {"type": "integer", "enum": [value.number for value in kind.values]},
        ],
        **({"description": text} if text else {}),
    }


def _told(name: str) -> dict[str, str]:
    return {"description": comments()[name]} if name in comments() else {}
