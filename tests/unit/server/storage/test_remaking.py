"""A collection's vectors made anew by another embedder: what searches find all along, and what a crash leaves."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import tiny_collections
from shortlist.server.errors import StorageFailed
from shortlist.server.storage import generations, graph, remaking, snapshots
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.filters import Condition, Exists
from shortlist.server.storage.generation import Superseded
from shortlist.server.storage.listing import Page
from shortlist.server.storage.measuring import Pace, Search
from shortlist.server.storage.remaking import Embedded
from tiny_collections import crashed, create, found, upsert

OTHER = Origin("other (int8)", "beef", 5)
HAS_A = Condition("a", Exists())
TEXTS = [f"text {number}" for number in range(40)]


def other(text: str) -> np.ndarray:
    """Return the unit vector that the other embedder makes of a text."""
    made = np.random.default_rng([1, *text.encode()]).normal(size=OTHER.dimensions).astype(np.float32)
    return made / np.linalg.norm(made)


def embedded(documents: Sequence[Document]) -> Embedded:
    """Return what the other embedder makes of documents."""
    return Embedded(np.array([other(one.content) for one in documents], np.float32), [7] * len(documents))


def make(collection: Collection, most: int = 7, stop: int = 1000) -> None:
    """Make vectors of documents by the other embedder, batch by batch, until all or `stop` batches are made."""
    while stop and (batch := collection.remaking.missing(most)):
        collection.remaking.add([seq for seq, _ in batch], embedded([document for _, document in batch]))
        stop -= 1


def remade(collection: Collection) -> None:
    """Make all anew, and switch."""
    collection.remaking.begin(OTHER, "/bundles/other")
    make(collection)
    assert collection.remaking.switch(embedded)


def found_by_other(collection: Collection, text: str, count: int = 100) -> list[str]:
    """Return the ids that a search by the other embedder finds, nearest first."""
    return [one.document.id for one in collection.by_vectors.search(other(text), count, OTHER.fingerprint)]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Return a collection of forty documents."""
    made = create(tmp_path / "c")
    upsert(made, *(Document(str(number), text, metadata='{"a":1}') for number, text in enumerate(TEXTS)))
    return made


def anew(folder: Path, documents: Sequence[Document]) -> Collection:
    """Return a collection that the other embedder made from the beginning."""
    folder.mkdir()
    Collection.create(folder, OTHER, created_at=0.0)
    made = Collection(folder)
    made.upsert(documents, *embedded(documents))
    return made


def test_all_is_found_by_the_new_vectors(collection: Collection, tmp_path: Path):
    """After the switch a collection finds what one does that was indexed anew, with the same similarities."""
    before = found(collection, "text 3")
    remade(collection)
    assert collection.origin == OTHER
    assert collection.bundle == "/bundles/other"
    fresh = anew(tmp_path / "fresh", [Document(str(number), text) for number, text in enumerate(TEXTS)])
    for text in (*TEXTS, "another"):
        now = collection.by_vectors.search(other(text), 10)
        expected = fresh.by_vectors.search(other(text), 10)
        assert [one.document.id for one in now] == [one.document.id for one in expected]
        assert [one.similarity for one in now] == [one.similarity for one in expected]
    assert found_by_other(collection, "text 3") != before
    assert collection.mean_tokens == 7
    assert collection.by_vectors.search_where(other("text 3"), 1, HAS_A).candidates[0].document.id == "3"


def test_a_clean_stop_saves_the_new_index(collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A start after a switch and a clean stop has nothing to add to the index."""
    caplog.set_level("INFO")
    remade(collection)
    collection.close()
    caplog.clear()
    again = Collection(tmp_path / "c")
    assert found_by_other(again, "text 3", 1) == ["3"]
    assert "adding" not in caplog.text


def test_searches_use_the_old_vectors_until_the_switch(collection: Collection):
    """While vectors are made and indexed, a search finds what it found before, and the collection says the old."""
    before = {text: found(collection, text) for text in TEXTS}
    collection.remaking.begin(OTHER, "")
    for step in (lambda: make(collection, stop=2), lambda: make(collection)):
        step()
        assert {text: found(collection, text) for text in TEXTS} == before
        assert collection.origin.fingerprint == "f00d"
    collection.remaking.switch(embedded)


def test_recall_is_measured_anew(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """What was measured of the old vectors says nothing of the new ones, which have a beam of their own."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    old = collection.measured
    old.measure([Search(tiny_collections.vector(text)) for text in TEXTS[:16]], Pace(1), 1e9)
    assert old.report().samples == 16
    remade(collection)
    assert collection.measured.report().samples == 0
    collection.measured.measure([Search(other(text)) for text in TEXTS[:16]], Pace(1), 1e9)
    assert collection.measured.report().state == "met"
    assert (old.report().samples, collection.measured.report().samples) == (16, 16)


def test_what_is_written_meanwhile_is_in_both(collection: Collection, tmp_path: Path):
    """Documents that are added, replaced, copied, relabelled and deleted at any step are as after an index anew."""
    step = 0

    def write() -> None:
        """Change the collection in every way."""
        nonlocal step
        step += 1
        upsert(collection, Document(f"new-{step}", f"new {step}"), Document(f"copy-{step}", "text 11"))
        upsert(collection, Document(str(step), f"replaced {step}"), Document(str(30 + step), f"also {step}"))
        collection.delete([str(10 + step), str(20 + step)])
        collection.describe({str(step): f'{{"step":{step}}}'})
        assert found(collection, f"replaced {step}", 1) == [str(step)]

    collection.remaking.begin(OTHER, "")
    write()
    make(collection, stop=3)
    write()
    make(collection)
    write()
    write()
    assert collection.remaking.switch(embedded)
    write_after = [Document("after", "after")]
    collection.upsert(write_after, *embedded(write_after), made_by=OTHER.fingerprint)
    collection.delete(["25"])

    (documents, _) = collection.page(Page(size=1000, most_bytes=1 << 30))
    fresh = anew(tmp_path / "fresh", [document for _, document in documents])
    assert len(collection) == len(fresh) == 40 + 2 * 4 - 2 * 4 + 1 - 1
    for document in (document for _, document in documents):
        assert found_by_other(collection, document.content) == found_by_other(fresh, document.content)
    assert collection.get(["3"])["3"].metadata == '{"step":3}'


def test_the_last_documents_are_made_while_changes_wait(collection: Collection):
    """A few that come at the end are made by the switch itself; too many are left for another round."""
    collection.remaking.begin(OTHER, "")
    make(collection)
    upsert(collection, *(Document(f"new-{number}", f"new {number}") for number in range(remaking.LAST + 1)))
    assert not collection.remaking.switch(embedded)
    assert collection.origin.fingerprint == "f00d"
    make(collection, stop=1)
    assert collection.remaking.switch(embedded)
    assert found_by_other(collection, "new 32", 1) == ["new-32"]


def test_a_search_that_began_before_the_switch(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A search whose embedder was replaced while it ran is told so, and compares nothing of two embedders."""
    collection.remaking.begin(OTHER, "")
    make(collection)
    old = collection._indexes.used.vectors
    search = old.search

    def switch_then_search(*given, **named):
        """Find keys of the old index after the table has the new ones."""
        monkeypatch.undo()
        assert collection.remaking.switch(embedded)
        return search(*given, **named)

    monkeypatch.setattr(old, "search", switch_then_search)
    with pytest.raises(Superseded):
        collection.by_vectors.search(tiny_collections.vector("text 3"), 10, "f00d")
    with pytest.raises(Superseded):
        collection.by_vectors.search_where(tiny_collections.vector("text 3"), 10, HAS_A, "f00d")
    with pytest.raises(Superseded):
        collection.vectors_of(["1"], "f00d")


def test_an_upsert_that_began_before_the_switch(collection: Collection):
    """Vectors of the old embedder are not written among the new ones."""
    remade(collection)
    with pytest.raises(Superseded):
        collection.upsert([Document("late", "late")], np.ones((1, 5), np.float32), [1], made_by="f00d")
    assert len(collection) == 40


@pytest.mark.parametrize("until", ["begin", "some", "all"])
def test_a_crash_before_the_switch(collection: Collection, tmp_path: Path, until: str):
    """The collection is the old one, and making goes on with what was made."""
    before = found(collection, "text 3")
    collection.remaking.begin(OTHER, "/bundles/other")
    steps: dict[str, Callable[[], None]] = {
        "begin": lambda: None,
        "some": lambda: make(collection, stop=3),
        "all": lambda: make(collection),
    }
    for name, step in steps.items():
        step()
        if name == until:
            break
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert found(again, "text 3") == before
    unfinished = again.remaking.find()
    assert unfinished is not None
    assert (unfinished.origin, unfinished.bundle) == (OTHER, "/bundles/other")
    assert again.remaking.begin(OTHER, "/bundles/moved") == {"begin": 0, "some": 21}.get(until, 40)
    make(again)
    assert again.remaking.switch(embedded)
    assert again.bundle == "/bundles/moved"
    assert found_by_other(again, "text 3", 1) == ["3"]


def test_a_crash_right_after_the_switch(collection: Collection, tmp_path: Path):
    """The collection is the new one, and what the old one left can be dropped then."""
    remade(collection)
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert again.origin == OTHER
    assert again.remaking.find() is None
    assert found_by_other(again, "text 3", 1) == ["3"]
    assert tables(tmp_path / "copy") == ["vectors_1", "vectors_2"]
    again.remaking.tidy()
    assert tables(tmp_path / "copy") == ["vectors_2"]
    assert sorted(path.name for path in (tmp_path / "copy").glob("vectors*")) == [
        "vectors-2.sha256",
        "vectors-2.usearch",
    ]


def test_a_switch_that_fails(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A disk that refuses the switch leaves the old vectors in use, and the switch can be made later."""
    before = found(collection, "text 3")
    collection.remaking.begin(OTHER, "")
    make(collection)
    with monkeypatch.context() as patch:
        patch.setattr(generations, "use", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("full")))
        with pytest.raises(StorageFailed, match="full"):
            collection.remaking.switch(embedded)
    assert found(collection, "text 3") == before
    assert collection.remaking.switch(embedded)
    assert found_by_other(collection, "text 3", 1) == ["3"]


def test_an_embedder_that_fails_on_the_last_documents(collection: Collection):
    """Where the last documents cannot be made, the old vectors stay in use and changes go on."""
    collection.remaking.begin(OTHER, "")
    make(collection)
    upsert(collection, Document("late", "late"))

    def fail(_: Sequence[Document]) -> Embedded:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        collection.remaking.switch(fail)
    assert found(collection, "late", 1) == ["late"]
    upsert(collection, Document("later", "later"))
    make(collection)
    assert collection.remaking.switch(embedded)
    assert found_by_other(collection, "late", 1) == ["late"]


def test_what_is_abandoned(collection: Collection, tmp_path: Path):
    """What was made is dropped, and another embedder begins with nothing."""
    collection.remaking.begin(OTHER, "")
    make(collection, stop=2)
    third = Origin("third (fp32)", "cafe", 3)
    assert collection.remaking.begin(third, "") == 0
    collection.remaking.tidy()
    assert tables(tmp_path / "c") == ["vectors_1", "vectors_3"]
    collection.remaking.abandon()
    collection.remaking.tidy()
    assert collection.remaking.find() is None
    assert tables(tmp_path / "c") == ["vectors_1"]
    assert found(collection, "text 3", 1) == ["3"]


def test_a_copy_of_a_collection_that_is_made_anew(collection: Collection, tmp_path: Path):
    """A snapshot holds what searches use and no more, so what is restored is whole."""
    collection.remaking.begin(OTHER, "")
    make(collection, stop=2)
    snapshots.Snapshots(tmp_path / "snapshots").take("s", [collection])
    shutil.copytree(tmp_path / "snapshots" / "s" / "collections" / "c", tmp_path / "copy")
    copy = Collection(tmp_path / "copy")
    assert copy.remaking.find() is None
    assert tables(tmp_path / "copy") == ["vectors_1"]
    assert found(copy, "text 3", 1) == ["3"]
    assert collection.remaking.find() is not None


def test_what_is_not_used_goes_little_by_little(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Old vectors are dropped a few at a time, changes go between, and what is left over waits for the next time."""
    monkeypatch.setattr(remaking, "_DROPPED", 15)
    remade(collection)
    asked = []

    def go_on() -> bool:
        asked.append(len(asked))
        collection.delete([str(len(asked))])
        return len(asked) < 3

    collection.remaking.tidy(go_on)
    assert tables(tmp_path / "c") == ["vectors_1", "vectors_2"]
    collection.remaking.tidy()
    assert tables(tmp_path / "c") == ["vectors_2"]
    assert len(collection) == 37
    assert found_by_other(collection, "text 30", 1) == ["30"]


def test_searches_and_changes_beside_a_switch(collection: Collection):
    """Beside changes and switches back and forth, each search finds one embedder's nearest, with its similarities."""
    faults: list[str] = []
    stop = threading.Event()
    first = collection.origin

    def search() -> None:
        while not stop.is_set():
            made_by = collection.origin.fingerprint
            vector = other("text 3") if made_by == OTHER.fingerprint else tiny_collections.vector("text 3")
            try:
                candidates = collection.by_vectors.search(vector, 5, made_by)
            except Superseded:
                continue
            if len(candidates) != 5 or candidates[0].document.id != "3" or candidates[0].similarity < 0.999:
                faults.append(f"{made_by}: {[(one.document.id, one.similarity) for one in candidates]}")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(6):
        there = number % 2 == 0
        collection.remaking.begin(OTHER if there else first, "")
        function = embedded if there else by_first
        while batch := collection.remaking.missing(16):
            collection.remaking.add([seq for seq, _ in batch], function([document for _, document in batch]))
            late = [Document("late", f"late {number}")]
        collection.upsert(late, *(by_first(late) if there else embedded(late)))
        assert collection.remaking.switch(function)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []


def by_first(documents: Sequence[Document]) -> Embedded:
    """Return what the first embedder makes of documents."""
    return Embedded(np.array([tiny_collections.vector(one.content) for one in documents]), [3] * len(documents))


def tables(folder: Path) -> list[str]:
    """Return the tables of vectors in a collection's folder."""
    connection = sqlite3.connect(folder / "documents.sqlite")
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'vectors%'"
    ).fetchall()
    connection.close()
    return sorted(name for (name,) in rows)
