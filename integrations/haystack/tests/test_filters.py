"""Filters mean what Haystack's own evaluation means, on a real server; what they cannot say is refused by name."""

import random
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from haystack import Document
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter

from haystack_integrations.document_stores.shortlist import ShortlistDocumentStore

CHOICES: dict[str, list[Any]] = {
    "number": [None, -10, 2, 2.5, 7, 2**53],
    "text": [None, "", "a", "b", "2", "ä"],
    "flag": [None, True, False],
    "date": [None, "1969-07-21T20:17:40", "2024-05-01", "2024-05-01T00:00:00Z", "2024-05-01T12:30:00.25"],
    "of.name": ["Ada", "a"],
}
ABSENT = object()
ORDERED = {"number": [-10, 2, 2.5, 7], "date": [*CHOICES["date"][1:], datetime(2024, 5, 1, tzinfo=UTC)]}


def documents(dice: random.Random) -> list[Document]:
    """Return documents that have any of the fields, or None in it, or lack it."""
    made = []
    for number in range(40):
        meta: dict[str, Any] = {}
        for path, choices in CHOICES.items():
            if (value := dice.choice([ABSENT, *choices])) is ABSENT:
                continue
            inner = meta.setdefault("of", {}) if "." in path else meta
            inner[path.split(".")[-1]] = value
        made.append(Document(id=str(number), content=f"text {number}", meta=meta))
    return made


def comparison(dice: random.Random) -> dict[str, Any]:
    """Return a comparison: equality between any types, an order where the field has one."""
    every = [value for choices in CHOICES.values() for value in choices]
    operator = dice.choice(["==", "!=", "in", "not in", ">", ">=", "<", "<="])
    path = dice.choice([*CHOICES, *CHOICES, "nowhere", "of"])
    if operator in {"in", "not in"}:
        value: Any = dice.sample(every, dice.randrange(8))
    elif operator in {"==", "!="}:
        value = dice.choice([*every, *CHOICES.get(path, []) * 4])
    else:
        path = dice.choice([*ORDERED, *ORDERED, "nowhere"])
        value = dice.choice([None, *ORDERED.get(path, [3]) * 2])
    return {"field": dice.choice(["meta.", "meta.", ""] if "." not in path else ["meta."]) + path} | {
        "operator": operator,
        "value": value,
    }


def any_filter(dice: random.Random, levels: int = 3) -> dict[str, Any]:
    """Return a filter that is at most so deep."""
    if levels == 1 or dice.random() < 0.4:
        return comparison(dice)
    conditions = [any_filter(dice, levels - 1) for _ in range(dice.choice([0, 1, 2, 2, 2, 3]))]
    return {"operator": dice.choice(["AND", "OR", "NOT"]), "conditions": conditions}


async def test_the_meaning_is_haystacks(collection: str):
    """Of 500 filters, nested or not, each finds the documents that Haystack's evaluation finds, sync and async."""
    dice = random.Random(3)
    store, stored = ShortlistDocumentStore(collection), documents(dice)
    store.write_documents(stored)
    stored.sort(key=lambda one: one.id)
    sizes = []
    for _ in range(500):
        filters = any_filter(dice)
        expected = [one for one in stored if document_matches_filter(filters, one)]
        assert sorted(store.filter_documents(filters), key=lambda one: one.id) == expected, filters
        assert await store.count_documents_by_filter_async(filters) == len(expected), filters
        sizes.append(len(expected))
    assert sum(0 < size < len(stored) for size in sizes) > 200, "most filters are to tell documents apart"


async def test_every_call_filters(document_store: ShortlistDocumentStore):
    """Search, deletion and update take the same filters, sync and async; an empty one matches everything."""
    document_store.write_documents([Document(id=str(n), content=f"text {n}", meta={"n": n}) for n in range(6)])
    above = {"field": "meta.n", "operator": ">", "value": 2}
    assert {one.id for one in document_store.search("text", above)} == {"3", "4", "5"}
    assert {one.id for one in await document_store.search_async("text", above)} == {"3", "4", "5"}
    assert {one.id for one in await document_store.filter_documents_async(above)} == {"3", "4", "5"}
    assert await document_store.update_by_filter_async(above, {"kept": True}) == 3
    assert document_store.update_by_filter({}, {"seen": 1}) == 6
    metas = sorted((one.meta for one in document_store.filter_documents(above)), key=lambda one: one["n"])
    assert metas == [{"n": n, "kept": True, "seen": 1} for n in (3, 4, 5)]
    kept = {"field": "meta.kept", "operator": "==", "value": True}
    assert await document_store.delete_by_filter_async({"operator": "NOT", "conditions": [kept]}) == 3
    assert document_store.count_documents_by_filter({}) == document_store.delete_by_filter({}) == 3
    assert document_store.count_documents() == 0


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            {"field": "content", "operator": "==", "value": "x"},
            "'content': Shortlist filters documents by their meta",
        ),
        ({"field": "id", "operator": "in", "value": ["1"]}, "'id': Shortlist filters documents by their metadata"),
        ({"field": "author.name", "operator": "==", "value": "x"}, "'author.name': .*; write meta.NAME"),
        ({"field": "meta.n", "operator": "==", "value": [1]}, r"'n': got \[1\], but Shortlist compares fields with"),
        ({"field": "meta.n", "operator": "in", "value": [{}]}, r"'n': got \{\}, but Shortlist compares fields with"),
        ({"field": "meta.n", "operator": "==", "value": date(2024, 5, 1)}, "compares fields with text, numbers"),
        ({"field": "meta.n", "operator": ">", "value": True}, "True and False have no order in Shortlist"),
        ({"field": "meta.n", "operator": ">", "value": "May 5"}, "'>' compares strings only if they are ISO 8601"),
        ({"field": "meta.n", "operator": ">", "value": "20240501"}, "'>' compares strings only if they are ISO 8601"),
        ({"field": "meta.n", "operator": ">", "value": "2024-05-01"}, "is a time, and field 'n' holds a number"),
        ({"field": "meta.word", "operator": "<", "value": 3}, "it is a number, and field 'word' holds text"),
        ({"field": "meta.n", "operator": "==", "value": float("nan")}, "numbers must be finite"),
        ({"field": "meta.n", "operator": "==", "value": 2**64}, "whole numbers have 64 bits"),
        ({"field": "meta.n", "operator": "like", "value": 1}, "unknown comparison operator 'like': use one of =="),
        ({"field": 3, "operator": "==", "value": 1}, "'field' must be a string, but got 3"),
        ({"operator": "XOR", "conditions": []}, "unknown logical operator 'XOR': use one of AND, OR, NOT"),
        ({"operator": "AND", "conditions": {}}, r"'conditions' must be a list, but got \{\}"),
        ({"operator": "AND", "conditions": ["x"]}, "a filter must be a dict, but got 'x'"),
    ],
)
async def test_refused(document_store: ShortlistDocumentStore, filters: dict[str, Any], message: str):
    """Every call refuses a filter as Haystack's error, which names the field, the value and the limit."""
    document_store.write_documents([Document(id="1", content="text", meta={"n": 1, "word": "x"})])
    for call in (
        document_store.filter_documents,
        document_store.count_documents_by_filter,
        document_store.delete_by_filter,
        lambda given: document_store.update_by_filter(given, {}),
        lambda given: document_store.search("text", given),
    ):
        with pytest.raises(FilterError, match=message):
            call(filters)
    for call_async in (
        document_store.filter_documents_async,
        document_store.count_documents_by_filter_async,
        document_store.delete_by_filter_async,
        lambda given: document_store.update_by_filter_async(given, {}),
        lambda given: document_store.search_async("text", given),
    ):
        with pytest.raises(FilterError, match=message):
            await call_async(filters)
    assert document_store.count_documents() == 1


@pytest.mark.parametrize(
    ("meta", "filters"),
    [
        # Of a list, one element is enough.
        ({"a": ["x", "y"]}, {"field": "meta.a", "operator": "==", "value": "x"}),
        # A time without an offset is UTC, not of any zone.
        (
            {"a": "2024-05-01T02:00:00+02:00"},
            {"field": "meta.a", "operator": "==", "value": "2024-05-01T00:00:00"},
        ),
        # A list or object that holds no value is none.
        ({"a": []}, {"field": "meta.a", "operator": "==", "value": None}),
        ({"a": {"b": None}}, {"field": "meta.a", "operator": "==", "value": None}),
    ],
)
def test_what_differs_from_haystack(document_store: ShortlistDocumentStore, meta: dict[str, Any], filters: Any):
    """What the README says that Shortlist's filters mean otherwise is so: these match here, and not by Haystack."""
    stored = Document(id="1", content="text", meta=meta)
    document_store.write_documents([stored])
    assert document_store.filter_documents(filters) == [stored]
    assert not document_matches_filter(filters, stored)


def test_true_is_not_one(document_store: ShortlistDocumentStore):
    """Python's True is 1; in a filter it is another value."""
    document_store.write_documents([Document(id="1", content="text", meta={"a": 1})])
    assert document_store.filter_documents({"field": "meta.a", "operator": "==", "value": True}) == []


def test_times_with_offsets(document_store: ShortlistDocumentStore):
    """Times are compared as points in time, whatever their offsets, and datetimes are taken."""
    document_store.write_documents([Document(id="1", content="text", meta={"at": "2024-05-01T02:00:00+02:00"})])
    same = datetime(2024, 4, 30, 19, tzinfo=timezone(timedelta(hours=-5)))
    for operator, value in (("==", same), ("==", same.isoformat()), (">=", same), ("<=", same.isoformat())):
        filters = {"field": "meta.at", "operator": operator, "value": value}
        assert document_store.count_documents_by_filter(filters) == 1
    assert document_store.count_documents_by_filter({"field": "meta.at", "operator": ">", "value": same}) == 0
