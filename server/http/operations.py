"""What the description of the routes says of one: an operation, as OpenAPI 3.1 has it."""

from collections.abc import Mapping
from typing import Any

from .call import JSON

Schema = Mapping[str, Any]


def operation(
    summary: str,
    *,
    tag: str,
    request: Schema | None = None,
    answer: Schema | None = None,
    description: str = "",
    media_type: str = JSON,
) -> Mapping[str, Any]:
    """Return an operation.

    Args:
        summary: a line.
        tag: the face, under which it stands.
        request: the body as JSON Schema, where it takes one.
        answer: the body of status 200 as JSON Schema, where it has one.
        description: more, in Markdown.
        media_type: of the answer.
    """
    ok: dict[str, Any] = {"description": "OK"}
    if answer is not None or media_type != JSON:
        ok["content"] = {media_type: {"schema": answer or {"type": "string"}}}
    described: dict[str, Any] = {"summary": summary, "tags": [tag], "responses": {"200": ok}}
    if description:
        described["description"] = description
    if request is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": request}}}
    return described
