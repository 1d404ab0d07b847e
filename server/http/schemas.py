"""JSON Schema as the descriptions of the faces write it: bodies and answers, from the same few parts.

Fields that are optional may be null, and fields that are not named are passed over.
"""

from collections.abc import Mapping

from .operations import Schema

TEXT: Schema = {"type": "string", "minLength": 1}
WORD: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": ["integer", "null"], "minimum": 1}
FLAG: Schema = {"type": ["boolean", "null"]}
NUMBER: Schema = {"type": "number"}
INDEX: Schema = {"type": "integer", "minimum": 0}
OBJECT: Schema = {"type": "object"}


def objects(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of objects with these fields; others may stand in them too."""
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}}


def many(of: Schema) -> Schema:
    """Return the schema of lists of one or more."""
    return {"type": "array", "minItems": 1, "items": of}
