"""A document's metadata, between a Python mapping and a protobuf Struct.

A Struct holds JSON, with every number a double. What it would change or could not hold is refused before the
call.
"""

import math
import numbers
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

from . import arguments, errors

# A double holds every whole number up to here.
_LARGEST_WHOLE = 2**53
# Protobuf parses 100 messages deep, and an object in an object is three of them.
_MAX_DEPTH = 32


def to_struct(metadata: object, field: str) -> struct_pb2.Struct:
    """Convert metadata to a Struct that gives the same value back.

    Args:
        metadata: a JSON object.
        field: what to call it in an error, such as "document 'a': metadata".

    Raises:
        InvalidRequest: a value is not JSON, or would not come back as it is.
    """
    if not isinstance(metadata, Mapping):
        raise errors.invalid(field, metadata, "it must be a JSON object", "pass a dict with strings as keys")
    return _struct(metadata, field, 1)


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Convert a Struct to plain values; whole numbers become `int`."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def _struct(mapping: Mapping[str, Any], field: str, depth: int) -> struct_pb2.Struct:
    _check_depth(mapping, field, depth)
    values = {}
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise errors.invalid(f"{field} key", key, "keys must be strings", "convert it with str()")
        arguments.text(f"{field} key", key)
        values[key] = _value(value, f"{field}.{key}", depth)
    return struct_pb2.Struct(fields=values)


def _value(value: object, field: str, depth: int) -> struct_pb2.Value:  # noqa: PLR0911 (one a kind of JSON)
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case str():
            return struct_pb2.Value(string_value=arguments.text(field, value))
        case numbers.Integral():  # numpy's too
            if abs(int(value)) > _LARGEST_WHOLE:
                raise errors.invalid(
                    field, value, "whole numbers beyond 2**53 would be rounded", "send it as a string"
                )
            return struct_pb2.Value(number_value=float(value))
        case numbers.Real() if not isinstance(value, numbers.Rational):  # a fraction would be rounded
            if not math.isfinite(value):
                raise errors.invalid(field, value, "numbers must be finite", "leave it out or use None")
            return struct_pb2.Value(number_value=float(value))
        case Mapping():
            return struct_pb2.Value(struct_value=_struct(value, field, depth + 1))
        case list() | tuple():
            _check_depth(value, field, depth + 1)
            items = [_value(item, f"{field}[{place}]", depth + 1) for place, item in enumerate(value)]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
        case _:
            raise errors.invalid(
                field,
                value,
                f"{type(value).__name__} is not a JSON value",
                "convert it to one, such as a string",
            )


def _check_depth(value: object, field: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise errors.invalid(field, value, f"it nests deeper than {_MAX_DEPTH} levels", "flatten it")


def _plain(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _LARGEST_WHOLE else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case _:
            return None
