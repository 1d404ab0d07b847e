"""Errors over HTTP: each has a status, and a body in every form."""

import orjson
import pytest

from shortlist.server import errors as server_errors
from shortlist.server.errors import InvalidRequest, Overloaded, ShortlistError, StartupError, TooLarge
from shortlist.server.http import connect, errors
from shortlist.server.rpc import statuses


def below(root: type[ShortlistError]) -> list[type[ShortlistError]]:
    """Return a class and all below it."""
    return [root, *(leaf for child in root.__subclasses__() for leaf in below(child))]


KINDS = [kind for kind in below(ShortlistError) if not issubclass(kind, StartupError) and not kind.__subclasses__()]
# What Connect makes of gRPC's codes (connectrpc.com/docs/protocol, "Error codes").
CONNECT = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
}


def made(kind: type[ShortlistError]) -> ShortlistError:
    """Return an error of a class, whatever it is made from."""
    error = kind.__new__(kind)
    Exception.__init__(error, "some words")
    error.field, error.description, error.allowed, error.retry_after_ms = "field", "said", "GET", 5
    return error


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status(kind: type[ShortlistError]):
    """Each error of a request has a row of its own, or its kind's, and a body that JSON can hold in every form."""
    assert any(parent in errors.STATUSES for parent in kind.__mro__)
    error = made(kind)
    for form in (errors.COMMON, errors.TEI, connect.FORM):
        status = form.status(error)
        assert str(error) in orjson.dumps(form.body(error, status)).decode()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.__module__ == server_errors.__name__])
def test_statuses_of_connect(kind: type[ShortlistError]):
    """Over Connect the status is the one that the protocol has for the code that gRPC's callers get."""
    error = made(kind)
    code = statuses.of(error)[0].name
    status = connect.FORM.status(error)
    assert status == CONNECT[code]
    assert connect.FORM.body(error, status)["code"] == code.lower()


@pytest.mark.parametrize(("waits_ms", "whole_s"), [(1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (60_000, "60")])
def test_hints(waits_ms: int, whole_s: str):
    """Whole seconds are rounded up: a caller that comes too early is refused again."""
    told = errors.headers(Overloaded("too much", waits_ms))
    assert told == {"retry-after-ms": str(waits_ms), "retry-after": whole_s}


def test_the_common_body():
    """One body has what OpenAI's, Cohere's, Voyage's and LlamaIndex's clients each look for."""
    error = TooLarge("documents", 1001, "it must be 1 to 1000 entries", "send them in several calls")
    body = errors.COMMON.body(error, 413)
    told = "documents: got 1001, but it must be 1 to 1000 entries; send them in several calls"
    kind = "invalid_request_error"
    assert body["error"] == {"message": told, "type": kind, "param": "documents", "code": "too_large"}
    assert body["message"] == body["detail"] == told
    assert body["id"] == ""  # outside of a request


def test_the_body_of_tei():
    """The words and the kind, with 422 for fields and 400 for what is no JSON."""
    error = InvalidRequest("query", "", "it must hold more than white space", "send the text")
    assert errors.TEI.status(error) == 422
    assert errors.TEI.status(errors.BadBody("body", "", "it must be JSON", "send JSON")) == 400
    assert errors.TEI.body(error, 422) == {"error": str(error), "error_type": "Validation"}
    assert errors.TEI.body(Overloaded("too much", 5), 429)["error_type"] == "Overloaded"
