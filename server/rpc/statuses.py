"""Errors to what a caller gets: the status code, the words, and the same as fields for programs.

The one table from errors to codes. A class that is not in it takes its nearest base's code;
`tests/unit/server/rpc/test_statuses.py` walks the tree to prove that every request-time error has one. The fields are
those of `google.rpc`, in the trailer where gRPC's libraries look for them; `Failure` in the proto describes them.
"""

from collections.abc import Iterator

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from shortlist.server import observed
from shortlist.server.errors import (
    CollectionExists,
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    NotServing,
    Overloaded,
    PermissionDenied,
    ShortlistError,
    ShuttingDown,
    SnapshotExists,
    StorageFailed,
    Unauthenticated,
    UnknownCollection,
    UnknownDocument,
    UnknownSnapshot,
    Unsupported,
)

CODES: dict[type[ShortlistError], grpc.StatusCode] = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownCollection: grpc.StatusCode.NOT_FOUND,
    UnknownDocument: grpc.StatusCode.NOT_FOUND,
    UnknownSnapshot: grpc.StatusCode.NOT_FOUND,
    CollectionExists: grpc.StatusCode.ALREADY_EXISTS,
    SnapshotExists: grpc.StatusCode.ALREADY_EXISTS,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    NotServing: grpc.StatusCode.UNAVAILABLE,
    ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    StorageFailed: grpc.StatusCode.INTERNAL,
    InferenceFailed: grpc.StatusCode.INTERNAL,
}

# gRPC's own name: a client with a retry policy waits this long before it tries again (gRFC A6).
_PUSHBACK = "grpc-retry-pushback-ms"
_DOMAIN = "shortlist"


def of(error: Exception) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Return the status, the message and the trailing metadata that a caller gets for an error.

    An error that is not in the table is INTERNAL, without its cause.
    """
    status, told = code(error), message(error)
    rich = Status(code=status.value[0], message=told)
    for detail in details(error):
        rich.details.add().Pack(detail)
    trailers = rpc_status.to_status(rich).trailing_metadata
    if isinstance(error, Overloaded):
        trailers += ((_PUSHBACK, str(error.retry_after_ms)),)
    return status, told, trailers


def code(error: Exception) -> grpc.StatusCode:
    """Return the status of an error; INTERNAL of one that is not in the table."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def message(error: Exception) -> str:
    """Return what a caller may read of an error: all of our own, nothing of any other but where to look for it."""
    if isinstance(error, ShortlistError):
        return str(error)
    request_id = observed.request_id()
    return f"the server failed; its log has the cause{f', as request {request_id}' if request_id else ''}"


def details(error: Exception) -> Iterator[Message]:
    """Yield what the words say, as fields."""
    yield ErrorInfo(reason=error.reason if isinstance(error, ShortlistError) else "INTERNAL", domain=_DOMAIN)
    if isinstance(error, InvalidRequest):
        violation = BadRequest.FieldViolation(field=error.field, description=error.description)
        yield BadRequest(field_violations=[violation])
    if isinstance(error, Overloaded):
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        yield RetryInfo(retry_delay=delay)
    if request_id := observed.request_id():
        yield RequestInfo(request_id=request_id)
