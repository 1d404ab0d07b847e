"""What a failed call says in fields, beside its status and its words: `Failure` in the proto.

Where no server of ours spoke (gRPC itself, a proxy in between), there is nothing.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from shortlist.proto import retrieval_pb2 as pb

_TRAILER = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"
_DOMAIN = "shortlist"

_Detail = TypeVar("_Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class Details:
    """The fields of one failure; empty where the server sent none."""

    reason: str = ""  # the server's name of the error, such as UNKNOWN_COLLECTION
    field: str = ""  # of the request, that is at fault
    retry_after_s: float | None = None
    request_id: str = ""  # by which the server's log has the call


def of(error: grpc.RpcError) -> Details:
    """Return what a failure says."""
    trailers: Any = error.trailing_metadata() or ()  # pairs; the stubs of one client's know no iteration
    told: dict[str, Any] = dict(trailers)
    request_id = str(told.get(_REQUEST_ID, ""))
    data = told.get(_TRAILER, b"")
    try:
        failure = pb.Failure.FromString(data if isinstance(data, bytes) else b"")
        info = _detail(failure, pb.Failure.ErrorInfo())
        request = _detail(failure, pb.Failure.BadRequest())
        retry = _detail(failure, pb.Failure.RetryInfo())
    except DecodeError:
        return Details(request_id=request_id)
    if info.domain != _DOMAIN:
        return Details(request_id=request_id)
    return Details(
        info.reason,
        next((one.field for one in request.field_violations), ""),
        retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        request_id,
    )


def _detail(failure: pb.Failure, into: _Detail) -> _Detail:
    """Return the detail of a kind; empty if there is none."""
    # Not `Any.Unpack`, which compares whole names: these messages are google.rpc's under another one.
    name = f"google.rpc.{into.DESCRIPTOR.name}"
    for one in failure.details:
        if one.type_url.rpartition("/")[2] == name:
            into.ParseFromString(one.value)
    return into
