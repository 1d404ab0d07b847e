"""Every error that a call raises. Each is also the built-in that a Python person would catch.

    ShortlistError                            `reason` is the server's name of the error, empty if none spoke
    ├── InvalidRequest     (ValueError)       `field` is at fault; value, limit and remedy are in the message
    │   └── TooLarge                          too much for one call: send or ask for less, in several
    ├── NotFound           (LookupError)      a collection or a document that is not there
    ├── AlreadyExists                         a collection that is there
    ├── Overloaded                            the server's queue is full, still after the client's retries;
    │                                         `retry_after_s` says when to call again
    ├── DeadlineExceeded   (TimeoutError)     no answer within the call's `timeout_s`
    ├── Unavailable        (ConnectionError)  no server there, or it starts, stops or is stuck
    ├── Unauthenticated    (PermissionError)
    ├── PermissionDenied   (PermissionError)
    ├── Unsupported        (NotImplementedError)  what the models that are served cannot do
    ├── UnusableClient     (RuntimeError)     a client that is closed, or an AsyncClient in a second event loop
    └── ServerError                           the server failed, or said what this client does not know

An interrupted or cancelled call raises what Python raises for it: KeyboardInterrupt, asyncio.CancelledError.
"""

import re

import grpc

from . import details


class ShortlistError(Exception):
    """The root of every error that a client raises.

    Attributes:
        reason: the server's name of the error, by which those of one class can be told apart (UNKNOWN_COLLECTION and
            UNKNOWN_DOCUMENT, both NotFound); the proto lists them at `Failure`. Empty where no server spoke.
        request_id: the id of the call, by which the server's log has what became of it; in the message too where the
            caller is not at fault. Empty where no server spoke.
    """

    reason: str = ""
    request_id: str = ""


class InvalidRequest(ShortlistError, ValueError):
    """A field outside its limits, found by the client or by the server.

    Attributes:
        field: its path in the request, such as `documents[3].text`; empty where it is none of one field.
    """

    field: str = ""


class TooLarge(InvalidRequest):
    """A request, or the answer to it, that is too much for one call; smaller ones are served."""


class NotFound(ShortlistError, LookupError):
    """A collection or a document that is not there."""


class AlreadyExists(ShortlistError):
    """A collection that is there already."""


class Overloaded(ShortlistError):
    """A full queue of the server, still at the last of the five attempts that gRPC makes.

    That may be seconds after the first and long before the deadline: wait, and call again.

    Attributes:
        retry_after_s: after how many seconds the server expects to take the call; None where it did not say.
    """

    retry_after_s: float | None = None


class DeadlineExceeded(ShortlistError, TimeoutError):
    """A deadline that passed, or that the server cannot meet."""


class Unavailable(ShortlistError, ConnectionError):
    """A server that does not answer, that starts or stops, or whose models do not run."""


class Unauthenticated(ShortlistError, PermissionError):
    """A caller that the server does not know."""


class PermissionDenied(ShortlistError, PermissionError):
    """A caller that the server knows and does not allow to do this."""


class Unsupported(ShortlistError, NotImplementedError):
    """What the models that the server runs cannot do; started with another one, it can."""


class UnusableClient(ShortlistError, RuntimeError):
    """A client that is closed, or an `AsyncClient` that belongs to another event loop."""


class ServerError(ShortlistError):
    """A failure of the server; its log says why."""


_ERRORS: dict[grpc.StatusCode, type[ShortlistError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}
# Where the reason says more than the status.
_REASONS: dict[str, type[ShortlistError]] = {"TOO_LARGE": TooLarge, "UNSUPPORTED": Unsupported}


def of_rpc(error: grpc.RpcError, timeout_s: float, address: str = "", note: str = "") -> ShortlistError:
    """Translate what gRPC raised for a call that had `timeout_s`; the caller chains it.

    Args:
        error: what gRPC raised.
        timeout_s: the call's deadline.
        address: where the server was looked for.
        note: what stands in the way to the server, to put behind words that come from no server.
    """
    told = details.of(error)
    found = _named(error, told, timeout_s, address, note)
    found.reason, found.request_id = told.reason, told.request_id
    if told.request_id and isinstance(found, (Overloaded, DeadlineExceeded, Unavailable, ServerError)):
        found.args = (f"{found} (request {told.request_id})",)
    if isinstance(found, InvalidRequest):
        found.field = told.field
    if isinstance(found, Overloaded):
        found.retry_after_s = told.retry_after_s
    return found


def is_unreached(error: grpc.RpcError) -> bool:
    """Return whether a call failed since nobody was there to take it, by the words of gRPC's core."""
    return (error.details() or "").startswith(_UNREACHED)


def of_refusal(reason: str, field: str, message: str) -> ShortlistError:
    """Translate why a server refused one document of many."""
    kinds = {"INFERENCE_FAILED": ServerError, "TOO_LARGE": TooLarge}
    found = kinds.get(reason, InvalidRequest)(message)
    found.reason = reason
    if isinstance(found, InvalidRequest):
        found.field = field
    return found


def _named(error: grpc.RpcError, told: details.Details, timeout_s: float, address: str, note: str) -> ShortlistError:
    """Return the error of a status, with its words and what they leave out."""
    code, words = error.code(), error.details() or ""
    note = "" if told.reason else note
    # gRPC itself gives a message over its size limit the status of a full queue, and no field that tells.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and not told.reason and (size := _TOO_LARGE.search(words)):
        return TooLarge(_too_large(*size.groups()))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"{words} (timeout_s={timeout_s:g}){note}")
    if code is grpc.StatusCode.UNAVAILABLE:
        slow = "; if the line is slow, send less in one call" if "ping timeout" in words else ""
        return Unavailable(f"{'' if told.reason else _absence(error, address)}{words}{slow}{note}")
    if told.reason in _REASONS:
        return _REASONS[told.reason](words)
    if code in _ERRORS:
        return _ERRORS[code](words)
    return ServerError(words if told.reason else f"{code.name}: {words}")


def _absence(error: grpc.RpcError, address: str) -> str:
    """Return what to put before gRPC's words where they tell of a server that is not there."""
    if not is_unreached(error):
        return ""
    if _NO_GRPC in (error.details() or ""):
        return (
            f"what answers at {address} does not speak gRPC, and may be the server's HTTP port; give that of gRPC,"
            " 50051 unless `shortlist serve --port` says otherwise: "
        )
    return f"nothing answers at {address}; see that `shortlist serve` runs there and that host and port are right: "


def _too_large(side: str, done: str, size: str, most: str) -> str:
    """Return what to do about a message over a size limit of gRPC's, by who refused to send or to receive it."""
    sizes = f"got {int(size):,} bytes, but {int(most):,} is the most"
    if (side == "SERVER") == (done.lower() == "received"):
        return f"request: {sizes}; send fewer or shorter texts in one call"
    return f"answer: {sizes}; ask for less in one call: fewer texts, hits or documents, or hits without their text"


def invalid(field: str, value: object, limit: str, remedy: str) -> InvalidRequest:
    """Make the error for a value that cannot be sent, in the words that the server uses for its own."""
    shown = repr(value)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}..."
    found = InvalidRequest(f"{field}: got {shown}, but {limit}; {remedy}")
    found.field = field
    return found


_SHOWN_CHARACTERS = 60
# gRPC's own words.
_UNREACHED = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed")
_NO_GRPC = "Expected SETTINGS frame"
_TOO_LARGE = re.compile(r"(CLIENT|SERVER): (Received|Sent) message larger than max \((\d+) vs\. (\d+)\)")
