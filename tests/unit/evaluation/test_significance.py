"""Whether two runs differ, on values that can be worked out by hand."""

import math

import pytest

from shortlist.evaluation.significance import compare


def test_by_hand():
    """Changes of 1, 2 and 3: t is 2 over 1/sqrt(3), and Student's distribution of 2 has its p in closed form."""
    found = compare("dense", "nDCG@10", {"a": 0, "b": 0, "c": 5}, {"a": 1, "b": 2, "c": 8})
    t = 2 * math.sqrt(3)
    assert found.p == pytest.approx(1 - t / math.sqrt(t**2 + 2))
    assert (found.before, found.now, found.difference) == (pytest.approx(5 / 3), pytest.approx(11 / 3), 2.0)
    half = 4.302653 / math.sqrt(3)  # the 97.5% point of Student's t of 2, from its table
    assert (found.low, found.high) == (pytest.approx(2 - half, abs=1e-5), pytest.approx(2 + half, abs=1e-5))
    assert (found.queries, found.better, found.worse) == (3, 3, 0)


def test_queries_are_paired():
    """The same values of other queries are another result: each query is compared with itself, common ones alone."""
    old = {"a": 0.1, "b": 0.5, "c": 0.9, "gone": 0.0}
    found = compare("dense", "nDCG@10", old, {"a": 0.2, "b": 0.61, "c": 0.99, "new": 1.0})
    assert found.queries == 3
    assert found.p is not None
    assert found.p < 0.01
    crossed = compare("dense", "nDCG@10", old, {"a": 0.99, "b": 0.61, "c": 0.2})
    assert crossed.difference == pytest.approx(found.difference)
    assert crossed.p is not None
    assert crossed.p > 0.5


def test_the_same_run():
    """A run does not differ from itself."""
    values = {"a": 0.25, "b": 0.75}
    found = compare("dense", "nDCG@10", values, values)
    assert (found.difference, found.low, found.high, found.p, found.better, found.worse) == (0, 0, 0, 1.0, 0, 0)


def test_one_query():
    """One query tells a difference, and nothing about chance."""
    found = compare("dense", "nDCG@10", {"a": 0.25}, {"a": 0.75})
    assert (found.difference, found.low, found.high, found.p) == (0.5, None, None, None)
