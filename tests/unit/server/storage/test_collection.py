"""Documents and index together: they agree after every change and failure."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.server.storage.collection import Collection
from shortlist.server.storage.comparison import Compared
from shortlist.server.storage.document import Document
from shortlist.server.storage.unit_vectors import Directions
from tiny_collections import create, found, killed, upsert, vector

RANDOM = np.random.default_rng(3)


def test_an_empty_collection_finds_nothing(collection: Collection):
    """A search of an empty collection is no error, nor is one for nothing."""
    for count in (0, 1, 100):
        assert found(collection, "anything", count) == []
    upsert(collection, Document("a", "one"))
    assert found(collection, "anything", 0) == []


def test_upsert_finds_and_counts(collection: Collection):
    """What is written is found, nearest first with its cosine and rank, and told apart as new or updated."""
    done = upsert(collection, Document("a", "one"), Document("b", "two"))
    assert (done.inserted, done.updated) == (2, 0)
    done = upsert(collection, Document("b", "three"), Document("c", "four"))
    assert (done.inserted, done.updated) == (1, 1)
    candidates = collection.by_vectors.search(vector("three"), 2)
    assert candidates[0].document == Document("b", "three")
    assert candidates[0].similarity == pytest.approx(1.0, abs=1e-3)
    assert [candidate.rank for candidate in candidates] == [1, 2]
    expected = float(vector("three") @ vector(candidates[1].document.text))
    assert candidates[1].similarity == pytest.approx(expected, abs=2e-3)


def test_unchanged_means_every_field(collection: Collection):
    """A document is unchanged only if all fields are the same; source and metadata are told apart from the rest."""
    kept, new = Document("a", "text", "title", '{"k":1}', "here"), Document("b", "text")
    upsert(collection, kept)
    there = frozenset({"a"})
    assert collection.compare([kept, new], {}) == Compared([new], known=there)
    moved, described = replace(kept, source="there"), replace(kept, metadata='{"k":2}')
    assert collection.compare([new, moved], {}) == Compared([new], [moved], known=there)
    assert collection.compare([described], {}) == Compared([], [described], ["a"], there)
    for other in (replace(kept, text="other"), replace(kept, title="other")):
        assert collection.compare([other], {}) == Compared([other], known=there)


def test_a_vector_that_is_brought(collection: Collection):
    """A document that brings the vector that is there is unchanged, one with another vector is not."""
    kept, there = Document("a", "text"), frozenset({"a"})
    upsert(collection, kept)
    assert collection.compare([kept], {"a": vector("text")}) == Compared(known=there)
    assert collection.compare([kept], {"a": vector("other")}) == Compared([kept], known=there)
    new = Document("b", "text")
    assert collection.compare([new], {"b": vector("text")}) == Compared([new])
    assert np.array_equal(collection.vectors_of(["a", "gone"])["a"], vector("text"))
    assert collection.vectors_of(["gone"]) == {}


def test_metadata_alone(collection: Collection):
    """Metadata is set without a new version, for all ids or, if one is not there, for none."""
    upsert(collection, Document("a", "one", metadata='{"k":1}'), Document("b", "two"))
    before = {one.document.id: one.version for one in collection.by_vectors.search(vector("one"), 2)}
    assert collection.describe({"a": '{"k":2}', "gone": "{}"}) == ["gone"]
    assert collection.get(["a"])["a"].metadata == '{"k":1}'
    assert collection.describe({"a": "", "b": '{"k":3}'}) == []
    assert {name: one.metadata for name, one in collection.get(["a", "b"]).items()} == {"a": "", "b": '{"k":3}'}
    assert {one.document.id: one.version for one in collection.by_vectors.search(vector("one"), 2)} == before


def test_a_text_that_another_call_wrote_meanwhile(collection: Collection):
    """A document that was to have other metadata stays as a call wrote it that came between."""
    kept = Document("a", "text", metadata='{"k":1}')
    upsert(collection, kept)
    (relabelled,) = collection.compare([replace(kept, metadata='{"k":2}')], {}).relabelled
    between = Document("a", "other", metadata='{"k":3}')
    upsert(collection, between)
    collection.relabel([relabelled])
    assert collection.get(["a"])["a"] == between


def test_a_document_that_only_moved(collection: Collection):
    """What came from another source before keeps its version, by itself or beside documents that are written."""
    kept = Document("a", "text", source="here")
    upsert(collection, kept)
    (before,) = collection.by_vectors.search(vector("text"), 1)
    collection.relabel([replace(kept, source="there")])
    assert collection.sources("", "", 10) == [("there", 1)]
    new = Document("b", "other", source="here")
    collection.upsert([new], np.stack([vector("other")]), [1], [replace(kept, source="elsewhere")])
    (after,) = collection.by_vectors.search(vector("text"), 1)
    assert (after.version, after.document.source) == (before.version, "elsewhere")
    assert collection.sources("", "", 10) == [("elsewhere", 1), ("here", 1)]


def test_delete(collection: Collection):
    """What is deleted is not found any more; ids that are not there are not counted."""
    upsert(collection, Document("a", "one"), Document("b", "two"))
    assert collection.delete(["a", "missing"]) == 1
    assert found(collection, "one") == ["b"]
    assert len(collection) == 1


def test_a_failed_upsert_leaves_nothing(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """If the index refuses the vectors, neither row nor vector stays, and the old version is still found."""
    upsert(collection, Document("a", "one"))
    with monkeypatch.context() as patch:
        patch.setattr(collection._indexes.used.vectors, "add", lambda *_: (_ for _ in ()).throw(RuntimeError("full")))
        with pytest.raises(RuntimeError):
            upsert(collection, Document("a", "new"), Document("b", "two"))
    assert collection.get(["a", "b"]) == {"a": Document("a", "one")}
    assert found(collection, "one") == ["a"]
    assert len(collection._indexes.used.vectors) == 1


def test_a_document_that_is_replaced_is_found_all_the_time(collection: Collection):
    """While every document is written again and again, each search finds all of them."""
    documents = [Document(str(number), f"text {number}") for number in range(20)]
    upsert(collection, *documents)
    over = threading.Event()

    def replace() -> None:
        version = 0
        while not over.is_set():
            version += 1
            upsert(collection, *(Document(each.id, each.text, title=f"version {version}") for each in documents))

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(300):
            assert sorted(found(collection, "text 1", 20), key=int) == [each.id for each in documents]
    finally:
        over.set()
        writer.join()


def test_a_change_under_way_holds_up_no_search(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """Before the commit of a change whose vectors are in the index, a search finds the old documents, in full."""
    old = [Document(str(number), f"text {number}") for number in range(20)]
    upsert(collection, *old)
    searched: list[list[str]] = []
    add = collection._indexes.used.vectors.add

    def add_then_search(made: Directions) -> None:
        add(made)
        searched.append(found(collection, "new 3", 10))  # would wait for ever, had it to wait for this change

    monkeypatch.setattr(collection._indexes.used.vectors, "add", add_then_search)
    upsert(collection, *(Document(str(number), f"new {number}") for number in range(10, 40)))
    expected = sorted(old, key=lambda one: -float(vector(one.text) @ vector("new 3")))[:10]
    assert searched == [[one.id for one in expected]]
    assert found(collection, "new 12", 1) == ["12"]


operations = st.lists(
    st.tuples(st.sampled_from(["upsert", "delete", "save", "restart"]), st.integers(0, 6), st.integers(0, 9)),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(operations)
def test_index_and_documents_agree(tmp_path: Path, steps: list[tuple[str, int, int]]):
    """After any order of upserts, deletes, saves and restarts, a search finds exactly the documents there are."""
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    collection, expected = create(folder), {}
    for name, key, content in steps:
        if name == "upsert":
            upsert(collection, Document(str(key), f"text {content}"))
            expected[str(key)] = f"text {content}"
        elif name == "delete":
            assert collection.delete([str(key)]) == (expected.pop(str(key), None) is not None)
        elif name == "save":
            collection._indexes.used.upkeep.save()
        else:
            killed(collection)
            collection = Collection(folder)
        assert len(collection) == len(expected)
    there = {
        candidate.document.id: candidate.document.text for candidate in collection.by_vectors.search(vector("x"), 100)
    }
    assert there == expected
    collection.close()


def test_recall_survives_churn(tmp_path: Path):
    """After half of a large collection was replaced, the index still finds each document by its own vector."""
    collection = create(tmp_path / "big")
    names = [str(number) for number in range(3000)]
    for start in range(0, 3000, 500):
        upsert(collection, *(Document(name, f"old {name}") for name in names[start : start + 500]))
    upsert(collection, *(Document(name, f"new {name}") for name in names[:1500]))
    texts = {name: f"{'new' if number < 1500 else 'old'} {name}" for number, name in enumerate(names)}
    asked = names[::30]
    hits = sum(found(collection, texts[name], 10)[0] == name for name in asked)
    assert hits >= 0.97 * len(asked)
    collection.close()
