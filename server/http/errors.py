"""Errors to what an HTTP caller gets: the status, and a body in the form that the route's clients read.

The one table from errors to HTTP statuses, as `rpc/statuses.py` is the one for gRPC. A `Form` says how a body is
made, and where a face's statuses differ. What HTTP itself refuses (no such route, another method) is an
InvalidRequest like any other: a field, its value, the limit and a remedy.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.server import observed
from shortlist.server.errors import (
    CollectionExists,
    DeadlineExceeded,
    Empty,
    InferenceFailed,
    InvalidRequest,
    NotServing,
    Overloaded,
    PermissionDenied,
    ShortlistError,
    ShuttingDown,
    SnapshotExists,
    StorageFailed,
    TooLarge,
    Unauthenticated,
    UnknownCollection,
    UnknownDocument,
    UnknownSnapshot,
    Unsupported,
)
from shortlist.server.rpc.statuses import message


class BadBody(InvalidRequest):
    """A body that cannot be read at all: no JSON, no gzip."""


class WrongMediaType(InvalidRequest):
    """A body of another kind than the route reads."""


class UnknownRoute(InvalidRequest):
    """A path at which nothing is served."""


class WrongMethod(InvalidRequest):
    """A method that a path does not have."""

    def __init__(self, method: str, path: str, allowed: str) -> None:
        """Keep the methods that it has: HTTP wants them in a header."""
        super().__init__("method", method, f"{path} has {allowed}", "use one of them")
        self.allowed = allowed


class ForeignOrigin(InvalidRequest):
    """A write that a page of another site has a browser send."""


class NotUnary(InvalidRequest):
    """An RPC that streams, which HTTP has not."""


class ForeignHost(InvalidRequest):
    """A call by a name that is not this machine's, of what is for this machine alone."""


STATUSES: Mapping[type[ShortlistError], int] = {
    Unauthenticated: 401,
    PermissionDenied: 403,
    InvalidRequest: 400,
    TooLarge: 413,
    WrongMediaType: 415,
    UnknownRoute: 404,
    WrongMethod: 405,
    ForeignOrigin: 403,
    NotUnary: 501,
    ForeignHost: 403,
    UnknownCollection: 404,
    UnknownDocument: 404,
    UnknownSnapshot: 404,
    CollectionExists: 409,
    SnapshotExists: 409,
    Unsupported: 501,
    Overloaded: 429,
    DeadlineExceeded: 504,
    NotServing: 503,
    ShuttingDown: 503,
    StorageFailed: 500,
    InferenceFailed: 500,
}
UNEXPECTED = 500


@dataclass(frozen=True, slots=True)
class Form:
    """How errors look to the clients of a route."""

    body: Callable[[Exception, int], Any]  # error and status to what JSON can hold
    schema: Mapping[str, Any]  # of such a body, as JSON Schema
    statuses: Mapping[type[ShortlistError], int] = field(default_factory=dict)  # those that differ from STATUSES

    def status(self, error: Exception) -> int:
        """Return the status of an error; 500 where it is none of ours."""
        for kind in type(error).__mro__:
            for table in (self.statuses, STATUSES):
                if kind in table:
                    return table[kind]
        return UNEXPECTED


def headers(error: Exception) -> dict[str, str]:
    """Return what an error says in headers: when to come back, which methods there are, or what to bring.

    The SDKs of OpenAI and Cohere read `retry-after-ms`, others whole seconds.
    """
    if isinstance(error, WrongMethod):
        return {"allow": error.allowed}
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": 'Bearer realm="shortlist"'}
    if not isinstance(error, Overloaded):
        return {}
    return {
        "retry-after-ms": str(error.retry_after_ms),
        "retry-after": str(max(1, math.ceil(error.retry_after_ms / 1000))),
    }


def _common(error: Exception, status: int) -> dict[str, Any]:
    told = message(error)
    kind = "server_error" if status >= UNEXPECTED else "invalid_request_error"
    return {
        "error": {
            "message": told,
            "type": "rate_limit_error" if isinstance(error, Overloaded) else kind,
            "param": error.field if isinstance(error, InvalidRequest) else None,
            "code": error.reason.lower() if isinstance(error, ShortlistError) else "internal",
        },
        "message": told,
        "detail": told,
        "id": observed.request_id(),
    }


_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}

# OpenAI's SDK reads `error`, Cohere's `message`, Voyage's and LlamaIndex's `detail`; Cohere's tells `id`.
COMMON = Form(
    _common,
    {
        "type": "object",
        "required": ["error", "message", "detail", "id"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {"message": _TEXT, "type": _TEXT, "param": _TEXT_OR_NULL, "code": _TEXT_OR_NULL},
            },
            "message": _TEXT,
            "detail": _TEXT,
            "id": _TEXT,
        },
    },
)


_TEI_TYPES = {422: "Validation", 424: "Backend", 429: "Overloaded", 500: "Backend", 503: "Unhealthy", 504: "Backend"}


def _tei(error: Exception, status: int) -> dict[str, str]:
    kind = "Empty" if isinstance(error, Empty) else _TEI_TYPES.get(status, "Validation")
    return {"error": message(error), "error_type": kind}


# text-embeddings-inference answers 422 where a field is not what it may be, 400 where it is empty or the body is no
# JSON, and 424 where its model is of another kind.
TEI = Form(
    _tei,
    {"type": "object", "required": ["error", "error_type"], "properties": {"error": _TEXT, "error_type": _TEXT}},
    {
        InvalidRequest: 422,
        Empty: 400,
        BadBody: 400,
        Unsupported: 424,
    },
)
