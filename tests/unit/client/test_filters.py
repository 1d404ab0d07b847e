"""Filters in Python: dicts and built ones are the same on the wire, and what cannot be meant is refused."""

import math
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from shortlist.client import InvalidRequest, field
from shortlist.client.filter_requests import where
from shortlist.proto import retrieval_pb2 as pb


def value(plain: Any) -> pb.FilterValue:
    """Return a plain value as the wire has it, by the type that the test says."""
    kinds = {str: "text", int: "integer", float: "number", bool: "truth"}
    return pb.FilterValue(**{kinds[type(plain)]: plain})


def condition(path: str, **test: Any) -> pb.Filter:
    """Return a condition."""
    return pb.Filter(condition=pb.Condition(path=path, **test))


YEAR = condition("year", range=pb.Range(gte=value(2020)))
LANG = condition("lang", one_of=pb.FilterValues(values=[value("de"), value("en")]))
DRAFT = condition("draft", equals=value(True))
BOTH = pb.Filter(all_of=pb.Filters(filters=[YEAR, LANG]))
SEVERAL = pb.Filters(filters=[YEAR, LANG, DRAFT])
IS_DRAFT = field("draft") == True  # noqa: E712 (a filter)
RANGE = condition("year", range=pb.Range(gt=value(1), lte=value(2.5)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({"year": {"gte": 2020}}, YEAR),
        (field("year") >= 2020, YEAR),
        ({"year": {"gte": 2020}, "lang": {"in": ["de", "en"]}}, BOTH),
        (OrderedDict(year={"gte": np.int32(2020)}, lang={"in": (one for one in ("de", "en"))}), BOTH),
        ((field("year") >= 2020) & field("lang").is_in(["de", "en"]), BOTH),
        ({"draft": True}, DRAFT),
        ({"draft": {"equals": True}}, DRAFT),
        (IS_DRAFT, DRAFT),
        ((field("year") >= 2020) & field("lang").is_in(["de", "en"]) & IS_DRAFT, pb.Filter(all_of=SEVERAL)),
        ((field("year") >= 2020) | field("lang").is_in(["de", "en"]) | IS_DRAFT, pb.Filter(any_of=SEVERAL)),
        (
            {"any_of": [{"year": {"gte": 2020}}, field("lang").is_in(["de", "en"]), {"draft": True}]},
            pb.Filter(any_of=SEVERAL),
        ),
        ({"not_of": {"draft": True}}, pb.Filter(not_of=DRAFT)),
        (~IS_DRAFT, pb.Filter(not_of=DRAFT)),
        (field("draft") != True, pb.Filter(not_of=DRAFT)),  # noqa: E712 (a filter)
        ({"year": {"gt": 1, "lte": 2.5}}, RANGE),
        ((field("a.b") < "x"), condition("a.b", range=pb.Range(lt=value("x")))),
        ((field("a.b") > -1.0), condition("a.b", range=pb.Range(gt=value(-1.0)))),
        ((field("a.b") <= 2**63 - 1), condition("a.b", range=pb.Range(lte=value(2**63 - 1)))),
        (field("a").exists(), condition("a", exists=True)),
        ({"a": {"exists": False}}, condition("a", exists=False)),
        ({"a": {"equals": "x", "lenient": True}}, condition("a", equals=value("x"), lenient=True)),
        (field("a", lenient=True) == "x", condition("a", equals=value("x"), lenient=True)),
        ({"a": {"exists": True, "lenient": False}}, condition("a", exists=True)),
    ],
)
def test_to_the_wire(given: Any, expected: pb.Filter | None):
    """Each form is the filter that it says; numpy's numbers, and several filters joined one by one, are no other."""
    assert where(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        date(2024, 5, 1),
        datetime(2024, 5, 1, tzinfo=UTC),
        datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_times(given: date):
    """A time is sent in UTC, and a date as its midnight there."""
    assert where(field("when") == given).condition.equals.time.seconds == 1_714_521_600


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"a": [1, 2]},
            r'where\.a: got \[1, 2\], but a field is compared with one value; write \{"in": \[\.\.\.\]\}',
        ),
        (
            {"a": {"b": 1}},
            r"where\.a: got 'b', but the tests of a field are equals, in, gt, .*; .* a field in an object is",
        ),
        ({"a": {"in": "de"}}, r"where\.a\.in: got 'de', but it must be several values; pass a list"),
        ({"a": {"in": [1, None]}}, r"where\.a\.in\[1\]: got None, but NoneType is nothing"),
        ({"a": {"gt": 1, "gte": 2}}, r"where\.a\.gt: got 1, but there is gte as well; give one"),
        ({"a": 2**63}, r"where\.a: got 9223372036854775808, but whole numbers have 64 bits; compare with a float"),
        ({"a": math.inf}, r"where\.a: got inf, but numbers must be finite"),
        ({"a": datetime(2024, 5, 1)}, r"where\.a: .*without a time zone is none; give it one"),  # noqa: DTZ001
        ({"a": "\ud800"}, r"where\.a: .*surrogate pair"),
        ({"a": {"lenient": True}}, r"where\.a: got \{'lenient': True\}, but it has no test; give one"),
        ({"a": {"equals": 1, "lenient": 1}}, r"where\.a\.lenient: got 1, but it must be True or False"),
        ({"a": {"exists": 1}}, r"where\.a\.exists: got 1, but it must be True or False"),
        ({"$or": [{"a": 1}]}, r"where: got '\$or', but joins are all_of, any_of and not_of; write \{\"any_of\": \["),
        ({"not_of": {"$and": [{"a": 1}]}}, r"where\.not_of: got '\$and', but .*; write \{\"all_of\": \["),
        ({"$not": {"a": 1}}, r"where: got '\$not', but .*; write \{\"not_of\": \{"),
        ({"$nor": [{"a": 1}]}, r"where: got '\$nor', but .*; write \{\"not_of\": \{\"any_of\": \["),
        ({"a": {"$ne": 1}}, r"where\.a: got '\$ne', but .*; use one of them, with not_of around it for the opposite"),
        ({"any_of": {"a": 1}}, r"where\.any_of: .*several filters; pass a list"),
        ({"any_of": [{"a": 1}, {}]}, r"where\.any_of\[1\]: got \{\}, but it must be a filter that is not empty"),
        (field("a"), r"where: got Field\(path='a', lenient=False\), but it must be a filter"),
    ],
)
def test_refused(given: Any, message: str):
    """What is no filter is refused by its place, before anything is sent."""
    with pytest.raises(InvalidRequest, match=message):
        where(given)


def test_deep():
    """A filter that is nested too deep is refused, and not followed to the end of Python's stack."""
    given: Any = {"a": 1}
    for _ in range(5000):
        given = {"not_of": given}
    with pytest.raises(InvalidRequest, match="nest 16 levels deep"):
        where(given)
    many = field("a") == 1
    for _ in range(5000):
        many = many | (field("a") == 1)
    assert len(where(many).any_of.filters) == 5001


def test_words_that_python_keeps():
    """`and`, `not` and a chain of comparisons cannot be filters, and say what can."""
    for wrong in (
        lambda: (field("a") == 1) and (field("b") == 2),
        lambda: not IS_DRAFT,
        lambda: 1 < field("a") < 2,
    ):
        with pytest.raises(TypeError, match="join filters by & and"):
            wrong()
