"""A document's metadata between protobuf's Struct and the JSON text that is stored, both ways."""

import json
import math
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from shortlist.server.errors import InvalidRequest, shown
from shortlist.server.storage.document import canonical

MAX_LEVELS = 32  # what protobuf's own limit of 100 messages leaves for objects in objects


def stored(field: str, message: Struct) -> str:
    """Return metadata as the JSON text to store.

    Raises:
        InvalidRequest: a number that JSON does not have, or objects and lists too deep in each other.
    """
    try:
        plain = json_format.MessageToDict(message)
    except (ValueError, json_format.SerializeToJsonError) as error:
        name, number = next(_no_numbers(field, message), (field, str(error)))
        raise InvalidRequest(
            name, number, "JSON has finite numbers only", "leave such values out, or send them as text"
        ) from error
    if (levels := _levels(plain)) > MAX_LEVELS:
        raise InvalidRequest(field, f"{levels} levels", f"it nests {MAX_LEVELS} levels deep at most", "flatten it")
    return canonical(plain)


def message(text: str) -> Struct | None:
    """Return stored metadata as a message; None where there is none."""
    if not text:
        return None
    found = Struct()
    found.update(json.loads(text))
    return found


def _levels(value: object) -> int:
    """Return how deep objects and lists nest."""
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0


def _no_numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield name and value of every number in a Struct that is not finite."""
    if isinstance(value, Struct):
        for key, inner in value.fields.items():
            yield from _no_numbers(f"{name}[{shown(key)}]", inner)
    elif (kind := value.WhichOneof("kind")) == "list_value":
        for index, inner in enumerate(value.list_value.values):
            yield from _no_numbers(f"{name}[{index}]", inner)
    elif kind == "struct_value":
        yield from _no_numbers(name, value.struct_value)
    elif kind == "number_value" and not math.isfinite(value.number_value):
        yield name, value.number_value
