"""gRPC's statuses to errors that a Python person expects."""

import grpc
import pytest

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

    def __init__(self, code, details):
        super().__init__()
        self._code, self._details = code, details

    def code(self):
        """Return the status."""
        return self._code

    def details(self):
        """Return the server's message."""
        return self._details


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
    assert isinstance(error, errors.InvalidRequest)
    assert str(error).startswith(message)


def test_what_may_be_in_the_way():
    """A note about the way is put behind gRPC's words for a failed connection, and not behind a server's."""
    code = grpc.StatusCode
    for status, details, is_told in (
        (code.UNAVAILABLE, "failed to connect to all addresses", True),
        (code.DEADLINE_EXCEEDED, "Deadline Exceeded", True),
        (code.DEADLINE_EXCEEDED, "the queue is long", False),
        (code.NOT_FOUND, "no collection 'notes'", False),
    ):
        assert str(errors.of_rpc(Status(status, details), 1.5, "; a proxy")).endswith("; a proxy") is is_told


def test_a_slow_line():
    """A request that a ping had to wait behind for too long is to be sent in parts."""
    error = errors.of_rpc(Status(grpc.StatusCode.UNAVAILABLE, "Stream removed (ping timeout)"), 1.5)
    assert str(error) == "Stream removed (ping timeout); if the line is slow, send less in one call"
