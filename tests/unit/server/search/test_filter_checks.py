"""Every refusal of a filter names its field, as the proto spells it, its value, the limit and a remedy."""

import math
from pathlib import Path

import pytest

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.errors import InvalidRequest, TooLarge
from shortlist.server.rpc import filters
from shortlist.server.search import filter_checks
from shortlist.server.storage.document import Document, canonical
from tiny_collections import create, upsert


def equals(path: str = "a", **value: object) -> pb.Filter:
    """Return the condition that a field is a value."""
    return pb.Filter(condition=pb.Condition(path=path, equals=pb.FilterValue(**(value or {"integer": 1}))))


def between(**bounds: pb.FilterValue) -> pb.Filter:
    """Return the condition that `a` lies between bounds."""
    return pb.Filter(condition=pb.Condition(path="a", range=pb.Range(**bounds)))


def one_of(*values: pb.FilterValue) -> pb.Filter:
    """Return the condition that `a` is one of some values."""
    return pb.Filter(condition=pb.Condition(path="a", one_of=pb.FilterValues(values=values)))


def all_of(*inner: pb.Filter) -> pb.Filter:
    """Return the filter that all match."""
    return pb.Filter(all_of=pb.Filters(filters=inner))


def nested(levels: int) -> pb.Filter:
    """Return a filter that is so many levels deep."""
    made = equals()
    for _ in range(levels - 1):
        made = pb.Filter(not_of=made)
    return made


ONE, TEXT, TRUTH = pb.FilterValue(integer=1), pb.FilterValue(text="x"), pb.FilterValue(truth=True)
REFUSED = [
    (pb.Filter(), r"^where: got 'nothing', but one of all_of, any_of, not_of, condition must be set"),
    (pb.Filter(not_of=pb.Filter()), r"^where\.not_of: got 'nothing'"),
    (pb.Filter(condition=pb.Condition(path="a")), r"^where\.condition: .*one of equals, one_of, range, exists must"),
    (equals(text=None), r"^where\.condition\.equals: .*one of text, integer, number, truth, time must be set"),
    (all_of(), r"^where\.all_of\.filters: got \[\], but at least one is needed"),
    (pb.Filter(any_of=pb.Filters()), r"^where\.any_of\.filters: got \[\]"),
    (
        all_of(equals(), equals("")),
        r"^where\.all_of\.filters\[1\]\.condition\.path: got '', but it must name a field",
    ),
    (equals("x" * 1025), r"^where\.condition\.path: .*limit is 1,024 bytes; use shorter keys"),
    (
        equals(".".join("x" * 33)),
        r"^where\.condition\.path: got '33 keys', but metadata nests 32 levels deep at most",
    ),
    (between(), r"^where\.condition\.range: got \[\], but at least one value"),
    (one_of(), r"^where\.condition\.one_of: got \[\], but at least one value"),
    (equals(text="é" * 513), r"^where\.condition\.equals: .*more than 1,024 bytes are not compared; keep"),
    (equals(number=math.nan), r"^where\.condition\.equals: got nan, but metadata has finite numbers"),
    (equals(number=math.inf), r"^where\.condition\.equals: got inf"),
    (
        between(gte=ONE, lt=TEXT),
        r"^where\.condition\.range\.lt: got 'x', but where\.condition\.range\.gte is a number",
    ),
    (between(gt=TRUTH), r"^where\.condition\.range\.gt: got True, but true and false have no order; use equals"),
    (
        one_of(ONE, TEXT),
        r"^where\.condition\.one_of\.values\[1\]: got 'x', but .*one type; join two conditions by any_of",
    ),
    (nested(17), r"^where(\.not_of){16}: got 'level 17', but filters nest 16 levels deep at most"),
]


def request(where: pb.Filter) -> pb.CountRequest:
    """Return a request with a filter."""
    return pb.CountRequest(collection="c", where=where)


@pytest.mark.parametrize(("where", "message"), REFUSED)
def test_refused(where: pb.Filter, message: str):
    """What no collection could answer is refused before one is looked at."""
    with pytest.raises(InvalidRequest, match=message):
        filter_checks.where(filters.where(request(where)))


def test_a_time_between_microseconds_is_refused():
    """A time is compared exactly, or not at all."""
    where = equals()
    where.condition.equals.time.nanos = 1500
    with pytest.raises(
        InvalidRequest, match=r"equals: got '1500 ns', but times are kept to the microsecond; round it"
    ):
        filter_checks.where(filters.where(request(where)))
    where.condition.equals.time.nanos = 1000
    filter_checks.where(filters.where(request(where)))


@pytest.mark.parametrize(
    "where", [one_of(*[ONE] * 10_000), all_of(*[equals()] * 10_000), all_of(*[one_of(*[ONE] * 501)] * 2)]
)
def test_too_many_terms(where: pb.Filter):
    """A filter of 10,000 terms is refused, whether they are conditions or values, and one of 1,000 is not."""
    with pytest.raises(TooLarge, match=r"more than 1,000 terms.*1,000 terms at most"):
        filters.where(request(where))
    filter_checks.where(filters.where(request(one_of(*[ONE] * 1000))))
    filter_checks.where(filters.where(request(nested(16))))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            equals("yaer"),
            r"path: got 'yaer', but no document of collection 'c' has such a field \(there are: 'draft',",
        ),
        (equals("draft.not"), r"path: got 'draft\.not', but no document"),
        (equals("draft"), r"equals: got 1, but it is a number, and field 'draft' holds true or false; compare"),
        (equals("year", text="x"), r"equals: got 'x', but it is text, and field 'year' holds a number; compare"),
        (equals("year", truth=True), r"equals: got True, but it is true or false, and field 'year' holds a number"),
        (equals("o", text="x"), r"equals: got 'x', .* field 'o' is an object; name a field in it by its path"),
        (equals("long", text="x"), r"field 'long' holds text of more than 1,024 bytes, found by exists alone"),
        (all_of(equals("year"), equals("no")), r"^where\.all_of\.filters\[1\]\.condition\.path: got 'no'"),
    ],
)
def test_fields_of_a_collection(tmp_path: Path, where: pb.Filter, message: str):
    """A field that is nowhere, or of another type, is refused by its name; an empty collection has no fields yet."""
    collection = create(tmp_path / "c")
    filter_checks.known(collection, filters.where(request(where)))
    metadata = {"year": 2020, "draft": True, "o": {"k": [1]}, "long": "x" * 1025, "when": "2024-05-01"}
    upsert(collection, Document("1", "text", metadata=canonical(metadata)))
    with pytest.raises(InvalidRequest, match=message):
        filter_checks.known(collection, filters.where(request(where)))
    for sound in (equals("year", number=0.5), equals("o.k"), equals("when", text="x"), equals("draft", truth=False)):
        filter_checks.known(collection, filters.where(request(sound)))
    exists = pb.Filter(condition=pb.Condition(path="o", exists=True))
    filter_checks.known(collection, filters.where(request(exists)))
    collection.delete(["1"])
    upsert(collection, Document("2", "text"))
    filter_checks.known(collection, filters.where(request(equals("year"))))  # what was known stays known
    collection.close()
