"""The one table from errors to gRPC status codes.

A class that is not in it takes its nearest base's code; `tests/unit/server/rpc/test_statuses.py` walks the tree to
prove that every request-time error has one.
"""

import grpc

from shortlist.server.errors import (
    CollectionExists,
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    NoTokens,
    NotServing,
    Overloaded,
    ShortlistError,
    ShuttingDown,
    StorageFailed,
    UnknownCollection,
    UnknownDocument,
)

CODES: dict[type[ShortlistError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NoTokens: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownCollection: grpc.StatusCode.NOT_FOUND,
    UnknownDocument: grpc.StatusCode.NOT_FOUND,
    CollectionExists: grpc.StatusCode.ALREADY_EXISTS,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    NotServing: grpc.StatusCode.UNAVAILABLE,
    ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    StorageFailed: grpc.StatusCode.INTERNAL,
    InferenceFailed: grpc.StatusCode.INTERNAL,
}

# gRPC's own name: a client with a retry policy waits this long before it tries again (gRFC A6).
_PUSHBACK = "grpc-retry-pushback-ms"
_INTERNAL = "the server failed; its log has the cause"


def of(error: Exception) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """Return the status, the message and the trailing metadata that a caller gets for an error.

    An error that is not in the table is INTERNAL, without its cause.
    """
    trailers = ((_PUSHBACK, str(error.retry_after_ms)),) if isinstance(error, Overloaded) else ()
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    return (code, str(error), trailers) if code else (grpc.StatusCode.INTERNAL, _INTERNAL, ())
