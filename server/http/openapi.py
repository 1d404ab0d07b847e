"""GET /openapi.json: every route that is described, as OpenAPI 3.1 has it; and GET /docs/, a page of it."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import orjson

from shortlist.ui import assets

from . import connect, static
from .app import Route
from .call import JSON, Answer, Call
from .operations import operation

_INTRODUCTION = """\
The APIs that a Shortlist server speaks over HTTP, beside gRPC.

A request may say how long its caller waits: `x-shortlist-timeout-ms` or `connect-timeout-ms` in milliseconds, or
`x-stainless-read-timeout` in seconds. A body may be packed with gzip. With `429`, `retry-after-ms` says when to come
back.
"""


def routes(others: Iterable[Route]) -> list[Route]:
    """Return the routes of the description of all others, and of itself."""
    told = operation("Describe this API", tag="server", answer={"type": "object"})

    async def describe(_: Call) -> Answer:
        return Answer(text)

    own = Route("GET", "/openapi.json", describe, operation=told)
    text = orjson.dumps(description([*others, own]))
    return [own, *static.routes("/docs", assets.files("reference"))]


def description(described: Iterable[Route]) -> dict[str, Any]:
    """Return the description of some routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        if route.operation is not None:
            path = route.path.replace("*", "{rest}")
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, route.operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shortlist",
            "version": version("shortlist"),
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": connect.schemas()},
    }


def _operation(route: Route, told: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{route.method.lower()}{route.path.replace('*', 'rest')}"
    error = {"content": {JSON: {"schema": route.errors.schema}}}
    whole = {
        "operationId": "".join(one if one.isalnum() else "_" for one in name),
        **told,
        "responses": {
            "4XX": {"description": "What the caller can mend, or try again (429)", **error},
            "5XX": {"description": "What the server could not do", **error},
            **told["responses"],
        },
    }
    if route.path.endswith("*"):
        rest = {"name": "rest", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        whole["parameters"] = [rest, *told.get("parameters", ())]
    return whole
