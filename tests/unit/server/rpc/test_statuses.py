"""Errors to statuses: the table is total, fields are google.rpc's, and nothing internal is told."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from shortlist.server import errors
from shortlist.server.rpc import statuses


def leaves(root: type[Exception]) -> list[type[Exception]]:
    """Return the classes below a root that have none below them."""
    below = root.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [root]


PROTO = Path(__file__).parents[4] / "proto" / "retrieval.proto"
# Those of HTTP alone are in a module of their own, and are found here where another test imported it.
REQUEST_TIME = [
    leaf
    for leaf in leaves(errors.ShortlistError)
    if leaf.__module__ == errors.__name__ and not issubclass(leaf, errors.StartupError)
]


@pytest.mark.parametrize("leaf", REQUEST_TIME)
def test_the_table_is_total(leaf: type[errors.ShortlistError]):
    """Every error that a request can meet has a row, its own or that of the kind of error that it is."""
    assert sum(kind in statuses.CODES for kind in leaf.__mro__) == 1


def test_every_row_is_of_an_error():
    """The table has no row for an error that is gone."""
    assert set(statuses.CODES) <= {kind for leaf in REQUEST_TIME for kind in leaf.__mro__}


def test_the_proto_lists_every_reason():
    """The names by which programs tell errors apart are those that the proto promises."""
    (comment,) = re.findall(
        r"which error it is\..*?\{(.*?)string reason", PROTO.read_text(encoding="utf-8"), re.DOTALL
    )
    kinds = [*REQUEST_TIME, errors.InvalidRequest]
    reasons = {kind.__new__(kind).reason for kind in kinds}
    assert set(re.findall(r"[A-Z]+(?:_[A-Z]+)*(?=[,; (.])", comment)) == {*reasons, "INTERNAL"}


def details(error: Exception) -> list[object]:
    """Return the details of an error's status, in google.rpc's own messages."""
    code, message, trailers = statuses.of(error)
    rich = status_pb2.Status.FromString(dict(trailers)["grpc-status-details-bin"])
    assert (rich.code, rich.message) == (code.value[0], message)
    found = []
    for one in rich.details:
        found.append(getattr(error_details_pb2, one.TypeName().rpartition(".")[2])())
        assert one.Unpack(found[-1])
    return found


def test_a_field_at_fault_is_a_field():
    """A refused request names the field and what is wrong with it apart, and its error as a name."""
    info, request = details(errors.TooLarge("ids", 7, "the most is 5", "send fewer"))
    assert (info.reason, info.domain) == ("TOO_LARGE", "shortlist")
    (violation,) = request.field_violations
    assert (violation.field, violation.description) == ("ids", "got 7, but the most is 5; send fewer")
    _, request = details(errors.NoTokens(3, "\u200b"))
    assert request.field_violations[0].field == "texts[3]"


def test_other_errors_have_a_name_alone():
    """Where no field is at fault and no wait helps, the details are the error's name."""
    (info,) = details(errors.UnknownCollection("there is none"))
    assert info.reason == "UNKNOWN_COLLECTION"


def test_overload_carries_the_retry_hint():
    """A full queue tells gRPC when to try again, in the trailer that gRPC itself reads."""
    overloaded = errors.Overloaded("full", retry_after_ms=250)
    code, message, trailers = statuses.of(overloaded)
    assert (code, message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    assert ("grpc-retry-pushback-ms", "250") in trailers
    info, retry = details(overloaded)
    assert (info.reason, retry.retry_delay.ToMilliseconds()) == ("OVERLOADED", 250)


def test_the_unforeseen_is_internal_and_silent():
    """An error that nobody foresaw is INTERNAL, and its text stays in the log."""
    code, message, trailers = statuses.of(ZeroDivisionError("secret"))
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in message
    assert not any(b"secret" in value for _, value in trailers)
    (info,) = details(ZeroDivisionError("secret"))
    assert info.reason == "INTERNAL"


def test_long_values_are_cut():
    """A message shows the beginning of a long value, not all of it."""
    message = str(errors.InvalidRequest("query", "x" * 10_000, "the limit is 5", "shorten it"))
    assert len(message) < 200
