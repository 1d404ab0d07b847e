"""gRPC's statuses to errors that a Python person expects."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RichStatus

from shortlist.client import errors

_EXPECTED = {
    "INVALID_ARGUMENT": (errors.InvalidRequest, ValueError),
    "NOT_FOUND": (errors.NotFound, LookupError),
    "ALREADY_EXISTS": (errors.AlreadyExists, errors.ShortlistError),
    "RESOURCE_EXHAUSTED": (errors.Overloaded, errors.ShortlistError),
    "DEADLINE_EXCEEDED": (errors.DeadlineExceeded, TimeoutError),
    "UNAVAILABLE": (errors.Unavailable, ConnectionError),
    "UNAUTHENTICATED": (errors.Unauthenticated, PermissionError),
    "PERMISSION_DENIED": (errors.PermissionDenied, PermissionError),
}


class Status(grpc.RpcError):
    """What gRPC raises, as far as a client looks at it."""

    def __init__(self, code, details, *fields, domain="shortlist", reason=""):
        super().__init__()
        self._code, self._details = code, details
        rich = RichStatus(code=code.value[0], message=details or "")
        for field in (*([ErrorInfo(reason=reason, domain=domain)] if reason else []), *fields):
            rich.details.add().Pack(field)
        self._trailers = (("grpc-status-details-bin", rich.SerializeToString()),) if rich.details else None

    def code(self):
        """Return the status."""
        return self._code

    def details(self):
        """Return the server's message."""
        return self._details

    def trailing_metadata(self):
        """Return what came behind the answer: pairs, or None."""
        return self._trailers


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_has_an_error(code):
    """Each status becomes its error, which is also the built-in that fits; the rest is ServerError."""
    error = errors.of_rpc(Status(code, "the server's words"), 1.5)
    exact, builtin = _EXPECTED.get(code.name, (errors.ServerError, errors.ShortlistError))
    assert type(error) is exact
    assert isinstance(error, builtin)
    assert isinstance(error, errors.ShortlistError)
    assert "the server's words" in str(error)


def test_what_is_added_to_the_words():
    """A deadline's error tells the deadline, and one without a class its status."""
    assert str(errors.of_rpc(Status(grpc.StatusCode.DEADLINE_EXCEEDED, "late"), 1.5)) == "late (timeout_s=1.5)"
    assert str(errors.of_rpc(Status(grpc.StatusCode.INTERNAL, None), 1.5)) == "INTERNAL: "
    failed = Status(grpc.StatusCode.INTERNAL, "the disk is full", reason="STORAGE_FAILED")
    assert str(errors.of_rpc(failed, 1.5)) == "the disk is full"


def test_fields_are_read_as_google_writes_them():
    """The name of the error, the field at fault and the time to come back are read from google.rpc's own messages."""
    violation = BadRequest.FieldViolation(field="documents[3].text", description="got ''")
    refused = Status(
        grpc.StatusCode.INVALID_ARGUMENT, "words", BadRequest(field_violations=[violation]), reason="NO_TOKENS"
    )
    error = errors.of_rpc(refused, 1.5)
    assert (type(error), error.field, error.reason) == (errors.InvalidRequest, "documents[3].text", "NO_TOKENS")
    delay = RetryInfo(retry_delay=Duration(seconds=1, nanos=250_000_000))
    busy = errors.of_rpc(Status(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", delay, reason="OVERLOADED"), 1.5)
    assert (type(busy), busy.retry_after_s) == (errors.Overloaded, 1.25)


def test_too_much_for_one_call_is_a_kind_of_its_own():
    """What smaller calls would mend is told apart from other refusals, by its name and not by its words."""
    code = grpc.StatusCode.INVALID_ARGUMENT
    assert type(errors.of_rpc(Status(code, "words", reason="TOO_LARGE"), 1.5)) is errors.TooLarge
    assert type(errors.of_rpc(Status(code, "words", reason="INVALID_REQUEST"), 1.5)) is errors.InvalidRequest
    unsupported = errors.of_rpc(Status(grpc.StatusCode.UNIMPLEMENTED, "no such model", reason="UNSUPPORTED"), 1.5)
    assert (type(unsupported), str(unsupported)) == (errors.Unsupported, "no such model")
    assert isinstance(unsupported, NotImplementedError)


@pytest.mark.parametrize(
    "trailers", [None, (), (("grpc-status-details-bin", b"\xff\xff"),), (("grpc-status-details-bin", "text"),)]
)
def test_a_server_without_fields(trailers):
    """Where no fields came, or broken ones, the status and the words are what there is."""
    status = Status(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    status._trailers = trailers
    error = errors.of_rpc(status, 1.5)
    assert (type(error), str(error), error.reason, error.retry_after_s) == (errors.Overloaded, "full", "", None)


def test_a_call_is_named_by_its_id():
    """Each error has the id under which the server logged the call; at the server's fault people read it too."""
    for code, shown in (
        (grpc.StatusCode.INTERNAL, "INTERNAL: no (request abc)"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "no (timeout_s=1.5) (request abc)"),
        (grpc.StatusCode.NOT_FOUND, "no"),
    ):
        status = Status(code, "no")
        status._trailers = (("x-request-id", "abc"),)
        error = errors.of_rpc(status, 1.5)
        assert (str(error), error.request_id) == (shown, "abc")
    assert errors.of_rpc(Status(grpc.StatusCode.UNAVAILABLE, "no"), 1.5).request_id == ""


def test_fields_of_others_are_not_ours():
    """A proxy's details, under another domain, name none of the server's errors."""
    error = errors.of_rpc(Status(grpc.StatusCode.INTERNAL, "no route", reason="TOO_LARGE", domain="proxy"), 1.5)
    assert (type(error), error.reason, str(error)) == (errors.ServerError, "", "INTERNAL: no route")


@pytest.mark.parametrize(
    ("details", "message"),
    [
        (
            "SERVER: Received message larger than max (70 vs. 64)",
            "request: got 70 bytes, but 64 is the most; send fewer",
        ),
        ("CLIENT: Sent message larger than max (70 vs. 64)", "request: got 70 bytes, but 64 is the most; send fewer"),
        (
            "Stream removed (CLIENT: Received message larger than max (7000 vs. 64))",
            "answer: got 7,000 bytes, but 64 is",
        ),
        (
            "SERVER: Sent message larger than max (70 vs. 64)",
            "answer: got 70 bytes, but 64 is the most; ask for less",
        ),
    ],
)
def test_a_message_that_is_too_large(details: str, message: str):
    """A message over gRPC's own size limit is no full queue: it is told with its size, the limit and a remedy."""
    error = errors.of_rpc(Status(grpc.StatusCode.RESOURCE_EXHAUSTED, details), 1.5)
    assert type(error) is errors.TooLarge
    assert str(error).startswith(message)


def test_what_may_be_in_the_way():
    """A note about the way is put behind gRPC's words for a failed connection, and not behind a server's."""
    code = grpc.StatusCode
    for status, details, reason in (
        (code.UNAVAILABLE, "failed to connect to all addresses", ""),
        (code.UNAVAILABLE, "the server is stopping", "SHUTTING_DOWN"),
        (code.DEADLINE_EXCEEDED, "Deadline Exceeded", ""),
        (code.DEADLINE_EXCEEDED, "the queue is long", "DEADLINE_EXCEEDED"),
        (code.NOT_FOUND, "no collection 'notes'", "UNKNOWN_COLLECTION"),
    ):
        error = errors.of_rpc(Status(status, details, reason=reason), 1.5, "host:1", "; a proxy")
        assert str(error).endswith("; a proxy") is (not reason)


def test_a_slow_line():
    """A request that a ping had to wait behind for too long is to be sent in parts."""
    error = errors.of_rpc(Status(grpc.StatusCode.UNAVAILABLE, "Stream removed (ping timeout)"), 1.5)
    assert str(error) == "Stream removed (ping timeout); if the line is slow, send less in one call"


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:50051: Connection refused",
            "nothing answers at host:50051; see that `shortlist serve` runs there",
        ),
        ("errors resolving host:50051: [Domain name not found]", "nothing answers at host:50051; see that"),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: Failed parsing (Expected SETTINGS frame)",
            "what answers at host:50051 does not speak gRPC, and may be the server's HTTP port; give that of gRPC",
        ),
    ],
)
def test_a_server_that_is_not_there(words: str, start: str):
    """Plain words with the address and a remedy stand before gRPC's own, which are kept."""
    error = errors.of_rpc(Status(grpc.StatusCode.UNAVAILABLE, words), 1.5, "host:50051")
    assert str(error).startswith(start)
    assert str(error).endswith(words)


def test_a_server_that_speaks_is_there():
    """Neither its own words nor a line that broke are called a server that is not there."""
    for words, reason in (("failed to connect to all addresses", "SHUTTING_DOWN"), ("Socket closed", "")):
        error = errors.of_rpc(Status(grpc.StatusCode.UNAVAILABLE, words, reason=reason), 1.5, "host:50051")
        assert str(error) == words
