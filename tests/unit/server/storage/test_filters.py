"""Filters of a collection: what matches, and that the nearest of what matches are found, however it is done."""

import random
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.server.storage import attributes, filtered, graph, matching, schema
from shortlist.server.storage.attributes import microseconds
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, canonical
from shortlist.server.storage.documents import Documents
from shortlist.server.storage.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Exists,
    Filter,
    From,
    NotOf,
    OneOf,
    Value,
)
from shortlist.server.storage.listing import Page
from tiny_collections import DIMENSIONS, create, upsert, vector

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def value(plain: Any) -> Value:
    """Return a value of the kind that a plain one has."""
    match plain:
        case bool():
            return Value("truth", int(plain))
        case str():
            return Value("text", plain)
        case datetime():
            return Value("time", (plain - EPOCH) // timedelta(microseconds=1) * 1000)
        case _:
            return Value("number", plain)


def one(path: str, *values: Any) -> Condition:
    """Return the condition that a field is one of some values."""
    return Condition(path, OneOf(tuple(map(value, values))))


def filled(collection: Collection, *metadata: dict) -> Collection:
    """Write documents that are numbered, with these metadata."""
    upsert(collection, *(Document(str(n), f"text {n}", metadata=canonical(some)) for n, some in enumerate(metadata)))
    return collection


def ids(collection: Collection, where: Filter) -> list[str]:
    """Return the ids of what matches, as List gives them."""
    page, more = collection.page(Page(size=1000, most_bytes=1 << 20), where)
    assert not more
    assert len(page) == collection.among.count(where)
    return [document.id for _, document in page]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (one("year", 2020), "0"),
        (one("year", 2020.0), "0"),
        (one("year", 2020, 2021), "01"),
        (Condition("year", Between(value(2021), None)), "12"),
        (Condition("year", Between(value(2021), None, with_low=False)), "2"),
        (Condition("year", Between(value(2020), value(2022), with_low=False, with_high=False)), "1"),
        (Condition("year", Exists()), "0124"),
        (Condition("year", Exists(wanted=False)), "3"),
        (one("year", "2020"), "4"),
        (one("tags", "red"), "01"),
        (one("tags", "red", "blue"), "012"),
        (NotOf(one("tags", "red")), "234"),
        (one("draft", True), "1"),
        (one("draft", False), "2"),
        (one("author.name", "Ada"), "01"),
        (Condition("author", Exists()), "013"),
        (one("rows.n", 2), "3"),
        (AllOf((one("tags", "red"), one("author.name", "Ada"), Condition("year", Between(None, value(2020))))), "0"),
        (AnyOf((one("year", 2022), one("draft", True), one("draft", True))), "12"),
        (NotOf(AnyOf((Condition("year", Exists()), one("year", "2020")))), "3"),
        (Condition("when", Between(value(datetime(2024, 5, 1, tzinfo=UTC)), None)), "1"),
        (Condition("when", Between(None, value(datetime(2024, 5, 1, tzinfo=UTC)), with_high=False)), "0"),
        (one("when", datetime(2024, 4, 30, 22, 30, tzinfo=UTC)), "0"),
        (one("when", "2024-05-01T00:30:00+02:00"), "0"),
        (Condition("name", Between(value("b"), value("c"), with_high=False)), "12"),
        (one("wide", "x" * 1024), "0"),
        (Condition("long", Exists()), "0"),
        (From("there"), ""),
    ],
)
def test_what_matches(collection: Collection, where: Filter, expected: str):
    """Each test, each kind of value, lists, nested fields and their joins match what they say, and nothing else."""
    filled(
        collection,
        {"year": 2020, "tags": ["red", "red"], "author": {"name": "Ada"}, "when": "2024-05-01T00:30:00+02:00"}
        | {"name": "a", "wide": "x" * 1024, "long": "x" * 1025},
        {"year": 2021.0, "tags": ["red", "blue"], "author": {"name": "Ada"}, "draft": True, "when": "2024-05-02"}
        | {"name": "b"},
        {"year": 2022, "tags": ["blue"], "draft": False, "name": "bz", "nothing": None, "none": [], "no": {}},
        {"author": {"age": 3}, "rows": [{"n": 1}, {"n": 2}], "name": "c"},
        {"year": "2020"},
    )
    assert "".join(ids(collection, where)) == expected
    assert collection.among.kinds(["nothing", "none", "no"]) == {}


def test_numbers_are_compared_exactly(collection: Collection):
    """Whole numbers past a double's 53 bits are no equals of their neighbours, in the filter and in the table."""
    filled(collection, {"n": 2.0**53}, {"n": 9007199254740994.0}, {"n": 0.1}, {"n": -(2.0**63)})
    assert ids(collection, one("n", 2**53)) == ["0"]
    assert ids(collection, one("n", 2**53 + 1)) == []
    assert ids(collection, Condition("n", Between(value(2**53 + 1), None))) == ["1"]
    assert ids(collection, one("n", 0.1)) == ["2"]
    assert ids(collection, one("n", -(2**63))) == ["3"]


SCALARS = st.one_of(
    st.integers(-3, 3).map(float),
    st.booleans(),
    st.sampled_from(["", "a", "b", "2024-05-01", "é", "' OR 1=1; --", 'q"', "%", "\x00"]),
    st.none(),
)
FIELDS = ["a", "b", "a.b", "' OR 1=1; --"]
METADATA = st.dictionaries(
    st.sampled_from(["a", "b", "' OR 1=1; --"]),
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["b", "c"]), SCALARS)),
)


def values_at(metadata: dict, path: str) -> list[Any]:
    """Return the values of a field by the plainest means: the oracle's."""
    found: list[Any] = [metadata]
    for key in path.split(".") if path == "a.b" else [path]:
        found = [inner[key] for inner in found if isinstance(inner, dict) and key in inner]
        found = [each for inner in found for each in (inner if isinstance(inner, list) else [inner])]
    return found


def same_kind(one: Any, other: Any) -> bool:
    """Return whether two plain values are compared at all."""
    return isinstance(one, bool) == isinstance(other, bool) and isinstance(one, str) == isinstance(other, str)


def leaves(found: Any) -> list[Any]:
    """Return what is neither object nor null."""
    if isinstance(found, dict):
        return [leaf for inner in found.values() for leaf in leaves(inner)]
    if isinstance(found, list):
        return [leaf for inner in found for leaf in leaves(inner)]
    return [] if found is None else [found]


def matches(metadata: dict, where: Any) -> bool:
    """Return whether metadata match a filter, said as (name, ...): the oracle."""
    name, *rest = where
    match name:
        case "all":
            return all(matches(metadata, inner) for inner in rest)
        case "any":
            return any(matches(metadata, inner) for inner in rest)
        case "not":
            return not matches(metadata, rest[0])
        case "exists":
            return any(leaves(found) for found in values_at(metadata, rest[0]))
    path, wanted = rest
    found = [each for each in values_at(metadata, path) if each is not None and not isinstance(each, dict)]
    found = [each for each in found if same_kind(each, wanted)]
    return any(each == wanted if name == "equals" else each >= wanted for each in found)


def as_filter(where: Any) -> Filter:
    """Return the oracle's filter as the server's."""
    name, *rest = where
    match name:
        case "all":
            return AllOf(tuple(map(as_filter, rest)))
        case "any":
            return AnyOf(tuple(map(as_filter, rest)))
        case "not":
            return NotOf(as_filter(rest[0]))
        case "exists":
            return Condition(rest[0], Exists())
        case "equals":
            return one(*rest)
    return Condition(rest[0], Between(value(rest[1]), None))


LEAVES = st.one_of(
    st.tuples(st.just("exists"), st.sampled_from(FIELDS)),
    st.tuples(st.just("equals"), st.sampled_from(FIELDS), SCALARS.filter(lambda one: one is not None)),
    st.tuples(st.just("gte"), st.sampled_from(FIELDS), SCALARS.filter(lambda one: not isinstance(one, bool | None))),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("all"), inner, inner),
        st.tuples(st.just("any"), inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(metadata=st.lists(METADATA, max_size=6), wheres=st.lists(FILTERS, min_size=1, max_size=5))
def test_any_filter_matches_what_a_plain_reading_of_it_does(metadata: list[dict], wheres: list[Any]):
    """Of any metadata, any filter finds the same documents as a few lines of Python that know no table."""
    connection = sqlite3.connect(":memory:")
    schema.create(connection)
    rows = [(number, canonical(some)) for number, some in enumerate(metadata, 1)]
    connection.executemany("INSERT INTO documents VALUES (?1, ?1, '', '', ?2, '')", rows)
    attributes.add(connection, rows)

    def read(statement: str, *values: Any) -> list[Any]:
        return connection.execute(statement, values).fetchall()

    for where in wheres:
        expected = [number for number, some in enumerate(metadata, 1) if matches(some, where)]
        assert matching.matches(read, as_filter(where)).seqs.tolist() == expected
    connection.close()


@pytest.mark.parametrize("walks", [True, False])
def test_k_hits_whenever_k_match(collection: Collection, walks: bool, monkeypatch: pytest.MonkeyPatch):
    """Both plans, over an index that walks or compares, find what comparing everything finds, of any share."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 100 if walks else 50_000)
    rng = np.random.default_rng(7)
    made = rng.standard_normal((1500, DIMENSIONS)).astype(np.float32)
    made[1400:] = made[:100]  # copies: each of a pair has an attribute of its own
    shares = {"rare": 0.002, "some": 0.05, "half": 0.5, "most": 0.95}
    metadata = [{name: bool(rng.random() < share) for name, share in shares.items()} for _ in made]
    documents = [Document(str(n), "text", metadata=canonical(some)) for n, some in enumerate(metadata)]
    collection.upsert(documents, made, [1] * len(made))
    units = made / np.linalg.norm(made, axis=1, keepdims=True)
    plans = set()
    for name in shares:
        inside = np.array([some[name] for some in metadata])
        for few in (1, 10**9):
            monkeypatch.setattr(filtered, "_FEW", few)
            for query in units[rng.integers(0, 1400, 5)]:
                found = collection.by_vectors.search_where(query, 10, one(name, True))
                plans.add(found.plan)
                best = np.sort((units @ query)[inside])[::-1][:10]
                assert found.matched == inside.sum()
                assert [round(hit.similarity, 2) for hit in found.candidates] == pytest.approx(best, abs=0.011)
                assert all(inside[int(hit.document.id)] for hit in found.candidates)
                assert [hit.rank for hit in found.candidates] == list(range(1, len(best) + 1))
    assert plans == {"exact", "index"}


def test_what_is_far_from_the_query_is_found(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """Where all that match are the farthest of all, the index gives up in time, and they are compared."""
    monkeypatch.setattr(filtered, "_FEW", 1)
    made = np.eye(DIMENSIONS, dtype=np.float32)[np.zeros(900, int)] + 0.01 * np.random.default_rng(1).random(
        (900, DIMENSIONS), dtype=np.float32
    )
    made[700:] *= -1
    documents = [Document(str(n), "text", metadata=canonical({"far": n >= 700})) for n in range(900)]
    collection.upsert(documents, made, [1] * 900)
    found = collection.by_vectors.search_where(np.eye(DIMENSIONS, dtype=np.float32)[0], 5, one("far", True))
    assert (found.plan, len(found.candidates), found.matched) == ("exact", 5, 200)


def test_attributes_go_with_their_documents(collection: Collection):
    """What replaces a document, or deletes it by id or by a filter, leaves no row of its attributes."""
    filled(collection, {"a": 1}, {"a": 1}, {"a": 2}, {"a": 3})
    upsert(collection, Document("0", "text 0", metadata=canonical({"b": 5})))
    collection.delete(["1"])
    assert collection.delete_where(one("a", 2)) == 1
    assert len(collection) == 2
    assert (ids(collection, Condition("a", Exists())), ids(collection, one("b", 5))) == (["3"], ["0"])
    assert collection._documents._reader.read("SELECT count(*) FROM attributes") == [(2,)]
    assert len(collection._indexes.used.vectors) == 2
    assert collection.delete_where(one("a", 2)) == 0


def test_other_metadata_of_the_same_text_is_found(collection: Collection):
    """Metadata that is set without embedding again is what filters find by, and what was there before is not."""
    filled(collection, {"a": 1, "c": [1, 2]}, {"a": 1}, {"a": 1})
    assert collection.describe({"0": canonical({"a": 2, "b": True}), "1": ""}) == []
    collection.relabel([Document("2", "text 2", source="there", metadata=canonical({"b": True}))])
    assert (ids(collection, one("a", 1)), ids(collection, Condition("c", Exists()))) == ([], [])
    assert (ids(collection, one("a", 2)), ids(collection, one("b", True))) == (["0"], ["0", "2"])
    assert collection._documents._reader.read("SELECT count(*) FROM attributes") == [(3,)]


def test_other_metadata_for_a_text_that_changed_meanwhile_is_not_found(collection: Collection):
    """Where another call wrote the text meanwhile, its metadata stay, and so does what filters find them by."""
    filled(collection, {"a": 1})
    collection.relabel([Document("0", "another text", metadata=canonical({"a": 2}))])
    assert (ids(collection, one("a", 1)), ids(collection, one("a", 2))) == (["0"], [])


def test_a_change_that_fails_leaves_the_attributes(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """Attributes are written in the transaction of their documents: where that fails, filters find what was."""
    filled(collection, {"a": 1})

    def fail(*_given: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(collection._indexes.used.vectors, "add", fail)
    with pytest.raises(RuntimeError):
        upsert(collection, Document("0", "new", metadata=canonical({"a": 2})))
    assert (ids(collection, one("a", 1)), ids(collection, one("a", 2))) == (["0"], [])


def test_an_answer_that_is_kept_is_not_of_before(collection: Collection):
    """After a change the same filter is answered anew."""
    filled(collection, {"a": 1})
    assert ids(collection, one("a", 1)) == ["0"]
    upsert(collection, Document("1", "text 1", metadata=canonical({"a": 1})))
    assert ids(collection, one("a", 1)) == ["0", "1"]
    assert ids(collection, one("a", True)) == []


def test_pages_of_what_matches(collection: Collection):
    """List by a filter gives each document once, page by page, also of one source alone."""
    documents = [
        Document(str(n), f"text {n}", metadata=canonical({"odd": n % 2}), source="there" if n < 10 else "here")
        for n in range(25)
    ]
    upsert(collection, *documents)
    for source, expected in (("", range(1, 25, 2)), ("there", range(1, 10, 2))):
        found, after, more = [], 0, True
        while more:
            wanted = Page(size=3, most_bytes=1 << 20, after=after, source=source)
            page, more = collection.page(wanted, one("odd", 1))
            found += [int(document.id) for _, document in page]
            after = page[-1][0] if page else after
        assert found == list(expected)


def test_a_folder_from_before_there_were_filters(tmp_path: Path):
    """A file of the format before gets its attributes from the metadata that it holds, once."""
    folder = tmp_path / "c"
    folder.mkdir()
    connection = sqlite3.connect(folder / "documents.sqlite")
    with connection:
        for step in schema._STEPS[:3]:
            step(connection)
        facts = {"format": 3, "embedder": "model", "fingerprint": "f00d", "dimensions": DIMENSIONS, "created_at": 1.0}
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())
        given = ({"year": 2020, "tags": ["a", "b"]}, {}, {"year": 2021})
        rows = [
            (str(number), canonical(metadata) if metadata else "", vector(str(number)).tobytes(), number)
            for number, metadata in enumerate(given)
        ]
        connection.executemany("INSERT INTO documents VALUES (NULL, ?, '', 'text', ?, 1, ?, ?, '')", rows)
    connection.close()
    for _ in range(2):
        again = Collection(folder)
        assert ids(again, Condition("year", Between(value(2021), None))) == ["2"]
        assert ids(again, one("tags", "b")) == ["0"]
        assert again.delete(["7"]) == 0
        again.close()


def test_filters_beside_writes(collection: Collection):
    """While documents are replaced all the time, each search with a filter finds all that match."""
    filled(collection, *({"on": True} for _ in range(30)))
    rng = random.Random(3)

    def write() -> None:
        for _ in range(200):
            number = rng.randrange(30)
            upsert(collection, Document(str(number), f"text {number} {rng.random()}", metadata='{"on":true}'))

    writer = threading.Thread(target=write)
    writer.start()
    every = {str(number) for number in range(30)}
    found = []
    while writer.is_alive() or not found:
        hits = collection.by_vectors.search_where(vector("text"), 30, one("on", True)).candidates
        found.append({hit.document.id for hit in hits})
    writer.join()
    assert [some for some in found if some != every] == []


def test_statements_are_found_by_an_index(tmp_path: Path):
    """No condition, and no key of a number, reads the documents' own rows."""
    path = tmp_path / "documents.sqlite"
    create(tmp_path / "c").close()
    documents = Documents(tmp_path / "c" / "documents.sqlite")
    asked: list[tuple[str, tuple]] = []

    def read(statement: str, *values: Any) -> list[Any]:
        asked.append((statement, values))
        return documents._reader.read(statement, *values)

    bounds = Condition("a", Between(value(1), None))
    matching.matches(read, AllOf((one("a", 1, 2), NotOf(Condition("a", Exists())), From("x"), bounds)))
    for statement, values in asked[1:]:
        plan = [row[3] for row in documents._reader.read(f"EXPLAIN QUERY PLAN {statement}", *values)]
        scanned = [step for step in plan if ("SCAN" in step or "documents" in step) and "INDEX" not in step]
        assert [step for step in scanned if "fields" not in step] == [], statement
    documents.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", "2024-05-01T00:00:00+00:00"),
        ("2024-05-01T12:30:00Z", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01t12:30z", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01 12:30:00.25", "2024-05-01T12:30:00.250000+00:00"),
        ("2024-05-01T12:30:00.1234567-05:30", "2024-05-01T18:00:00.123456+00:00"),
        ("0001-01-01", "0001-01-01T00:00:00+00:00"),
        ("2024-13-01", None),
        ("2024", None),
        ("20240501", None),
        ("2024-W10-1", None),
        ("2024-05-01T12", None),
        ("on 2024-05-01", None),
        ("٢٠٢٤-05-01", None),
    ],
)
def test_times(text: str, expected: str | None):
    """Strings in RFC 3339's form are times to the microsecond, UTC where they do not say; others are not."""
    found = microseconds(text)
    assert (None if found is None else (EPOCH + timedelta(microseconds=found)).isoformat()) == expected
