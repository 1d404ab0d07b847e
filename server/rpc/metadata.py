"""A document's metadata between protobuf's Struct and the JSON text that is stored, both ways."""

import json
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from shortlist.server.storage.document import canonical


def stored(message: Struct) -> str:
    """Return metadata as the JSON text to store; NaN and infinity stand in it as Python writes them."""
    return canonical({key: _plain(value) for key, value in message.fields.items()})


def message(text: str) -> Struct | None:
    """Return stored metadata as a message; None where there is none."""
    if not text:
        return None
    found = Struct()
    found.update(json.loads(text))
    return found


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {key: _plain(inner) for key, inner in value.struct_value.fields.items()}
        case "list_value":
            return [_plain(inner) for inner in value.list_value.values]
        case None | "null_value":
            return None
        case kind:
            return getattr(value, kind)
