"""Errors to statuses: the table is total, and nothing internal is told."""

import grpc
import pytest

from shortlist.server import errors
from shortlist.server.rpc import statuses


def leaves(root: type[Exception]) -> list[type[Exception]]:
    """Return the classes below a root that have none below them."""
    below = root.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [root]


REQUEST_TIME = [leaf for leaf in leaves(errors.ShortlistError) if not issubclass(leaf, errors.StartupError)]


@pytest.mark.parametrize("leaf", REQUEST_TIME)
def test_the_table_is_total(leaf: type[errors.ShortlistError]):
    """Every error that a request can meet has a row of its own."""
    assert leaf in statuses.CODES


def test_the_tree_has_no_other_leaves():
    """The table has no row for an error that is gone."""
    assert set(statuses.CODES) == set(REQUEST_TIME)


def test_overload_carries_the_retry_hint():
    """A full queue tells gRPC when to try again, in the trailer that gRPC itself reads."""
    code, message, trailers = statuses.of(errors.Overloaded("full", retry_after_ms=250))
    assert (code, message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    assert trailers == (("grpc-retry-pushback-ms", "250"),)


def test_the_unforeseen_is_internal_and_silent():
    """An error that nobody foresaw is INTERNAL, and its text stays in the log."""
    code, message, trailers = statuses.of(ZeroDivisionError("secret"))
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in message
    assert trailers == ()


def test_long_values_are_cut():
    """A message shows the beginning of a long value, not all of it."""
    message = str(errors.InvalidRequest("query", "x" * 10_000, "the limit is 5", "shorten it"))
    assert len(message) < 200
