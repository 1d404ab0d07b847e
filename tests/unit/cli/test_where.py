"""`--where`: what is written, as the filter that the clients send, and where it is wrong."""

import re
from datetime import UTC, date, datetime

import pytest

from shortlist.cli.where import parse
from shortlist.client import field
from shortlist.client.filter_requests import where
from shortlist.console.errors import UsageError

A, B, C = field("a"), field("b"), field("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year >= 2020 and lang in (de, en)", (field("year") >= 2020) & field("lang").is_in(["de", "en"])),
        ("a=1", A == 1),
        ("a == -1.5", A == -1.5),
        ("a = 1e3", A == 1000.0),
        ("a!=x", A != "x"),
        ("a<1 or b<=2 or c>3", (A < 1) | (B <= 2) | (C > 3)),
        ("a = 1 or b = 2 and c = 3", (A == 1) | ((B == 2) & (C == 3))),
        ("(a = 1 or b = 2) and c = 3", ((A == 1) | (B == 2)) & (C == 3)),
        ("not a = 1 and b = 2", ~(A == 1) & (B == 2)),
        ("NOT (a = 1 AND b exists)", ~((A == 1) & B.exists())),
        ("not not a exists", ~~A.exists()),
        ("a not in (1)", ~A.is_in([1])),
        ("a = true", A == True),  # noqa: E712 (a filter)
        ('a = "true"', A == "true"),
        ("a = '1'", A == "1"),
        (r"a = 'it\'s'", A == "it's"),
        ('"a b" = "c d"', field("a b") == "c d"),
        ("author.name = Ada", field("author.name") == "Ada"),
        ("a = E11000", A == "E11000"),
        ("a = os.scandir", A == "os.scandir"),
        ("a = 2024-05-01", date(2024, 5, 1) == A),
        ("a = 2024-05-01T10:00:00+00:00", datetime(2024, 5, 1, 10, tzinfo=UTC) == A),
        ("a = 2024-05-01t10:00z", datetime(2024, 5, 1, 10, tzinfo=UTC) == A),
        ("a = 2024-13-01", A == "2024-13-01"),
        ("a = or", A == "or"),
        ("android = 1 and order = 2", (field("android") == 1) & (field("order") == 2)),
        ("inside = 1", field("inside") == 1),
        ("\n a \t = 1 ", A == 1),
        ("größe > 3", field("größe") > 3),
    ],
)
def test_read(text: str, expected):
    """A filter is what it says: words bind as in SQL, and a value is what it looks like unless it is in quotes."""
    assert where(parse(text)) == where(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("year >> 2020", 'character 7: there is "> 2020", but a field or a value is expected'),
        ("year", "character 5: it ends there, but =, !=, >, >=, <, <=, in, exists"),
        ("year = ", "character 8: it ends there, but a field or a value is expected"),
        ("year = 1 lang = de", 'character 10: there is "lang = de", but and, or or, or the end is expected'),
        ("(year = 1", "character 10: it ends there, but ) is expected"),
        ("year in (1, )", 'character 13: there is ")", but a field or a value is expected'),
        ("year in 1", 'character 9: there is "1", but ( is expected'),
        ("", "character 1: it ends there"),
        ("year = 'x", 'character 8: there is "\'x"'),
    ],
)
def test_wrong(text: str, message: str):
    """What is no filter is refused with the place, what stands there, and what could."""
    with pytest.raises(UsageError, match=f"^where: {re.escape(message)}"):
        parse(text)
