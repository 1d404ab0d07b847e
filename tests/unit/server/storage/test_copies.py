"""Copies of a text in a collection: each is a hit of its own, and none hides another document."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import InferenceFailed
from shortlist.server.storage import graph
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin

DIMENSIONS = 32
SAME = "All rights reserved."


def vector(text: str) -> np.ndarray:
    """Return a vector that depends on the text alone, of any length but 0."""
    return np.random.default_rng(list(text.encode())).normal(size=DIMENSIONS).astype(np.float32)


def upsert(collection: Collection, documents: Sequence[Document]) -> None:
    """Write documents with vectors of their texts, 500 a call."""
    for start in range(0, len(documents), 500):
        some = documents[start : start + 500]
        collection.upsert(some, np.array([vector(one.text) for one in some]), [1] * len(some))


def found(collection: Collection, text: str, count: int) -> list[str]:
    """Return the ids that a search for a text finds, nearest first."""
    return [candidate.document.id for candidate in collection.by_vectors.search(vector(text), count)]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Return an empty collection."""
    (tmp_path / "c").mkdir()
    Collection.create(tmp_path / "c", Origin("model (fp32)", "f00d", DIMENSIONS), created_at=0.0)
    made = Collection(tmp_path / "c")
    yield made
    made.close()


def test_copies_hide_nothing(collection: Collection):
    """Behind 600 equal texts each of 600 others is found by its own, and a search gets all hits it asks for."""
    copies = [Document(f"same {number}", SAME) for number in range(600)]
    others = [Document(f"other {number}", f"other {number}") for number in range(600)]
    upsert(collection, [*copies, *others])
    assert [found(collection, one.text, 10)[0] for one in others] == [one.id for one in others]
    for count in (1, 599, 600, 601, 1000, 1200, 2000):
        hits = found(collection, SAME, count)
        assert len(set(hits)) == min(count, 1200)
        assert hits[:600] == [one.id for one in copies][:count]


def test_equal_texts_are_as_near(collection: Collection):
    """Copies have one similarity, ranks of their own, and the order in which they were written."""
    upsert(collection, [Document("b", SAME), Document("x", "other"), Document("a", SAME)])
    hits = collection.by_vectors.search(vector(SAME), 3)
    assert [hit.document.id for hit in hits] == ["b", "a", "x"]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].similarity == hits[1].similarity == pytest.approx(1, abs=1e-3)
    assert len({hit.version for hit in hits}) == 3


def test_copies_come_and_go(collection: Collection, tmp_path: Path):
    """A text is found as long as one document has it, also where one change takes it and gives it."""
    upsert(collection, [Document(name, SAME) for name in "abc"])
    assert len(collection._indexes.used.vectors) == 1
    upsert(collection, [Document("a", "other"), Document("d", SAME)])
    collection.delete(["b"])
    assert sorted(found(collection, SAME, 2)) == ["c", "d"]
    upsert(collection, [Document("a", SAME), Document("c", "other"), Document("d", "other")])
    assert found(collection, SAME, 1) == ["a"]
    collection.delete(["a"])
    assert len(collection._indexes.used.vectors) == 1
    assert found(collection, SAME, 9) == ["c", "d"]
    again = Collection(tmp_path / "c")  # no save: as after kill -9
    assert found(again, SAME, 9) == ["c", "d"]
    again.close()


def test_metadata_alone_leaves_the_index_alone(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A document that changes in its metadata is a new version with the vector that is there."""
    upsert(collection, [Document("a", SAME)])
    for change in ("add", "remove"):
        monkeypatch.setattr(collection._indexes.used.vectors.graph, change, None)  # whose use would fail
    monkeypatch.setattr(collection._indexes.used.vectors, "missing", lambda _: np.empty(0, np.uint64))
    upsert(collection, [Document("a", SAME, metadata='{"k":1}')])
    monkeypatch.undo()
    (hit,) = collection.by_vectors.search(vector(SAME), 9)
    assert hit.document.metadata == '{"k":1}'


def test_every_document_finds_itself_after_a_rebuild(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of 6,000 documents whose index is gone, each is the first that is found by its own text, by walks alone."""
    documents = [Document(str(number), f"text {number}") for number in range(6000)]
    upsert(collection, documents)
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    again = Collection(tmp_path / "c")
    assert [found(again, one.text, 1) for one in documents] == [[one.id] for one in documents]
    again.close()


def test_an_index_of_another_layout(collection: Collection, tmp_path: Path):
    """An index whose keys are not those of the documents is made anew, without their places."""
    documents = [Document(str(number), f"text {number}") for number in range(50)]
    upsert(collection, documents)
    collection.close()
    connection = sqlite3.connect(tmp_path / "c" / "documents.sqlite")
    with connection:
        connection.execute("UPDATE vectors_1 SET key = seq")  # as if the index had been saved under other keys
    connection.close()
    again = Collection(tmp_path / "c")
    assert [found(again, one.text, 1) for one in documents] == [[one.id] for one in documents]
    assert again._indexes.used.vectors.graph._index.stats.nodes == 50
    again.close()


@pytest.mark.parametrize("length", [3.5e-8, 3.5e7])
def test_cosines_of_any_length(collection: Collection, length: float):
    """Vectors that are far from length 1 have the cosines that float64 gives, and keep their bytes."""
    names = [str(number) for number in range(20)]
    made = np.array([vector(name) for name in names]) * np.float32(length)
    collection.upsert([Document(name, name) for name in names], made, [1] * 20)
    units = made.astype(np.float64) / np.linalg.norm(made.astype(np.float64), axis=1, keepdims=True)
    hits = {hit.document.id: hit.similarity for hit in collection.by_vectors.search(made[3], 20)}
    np.testing.assert_allclose([hits[name] for name in names], units @ units[3], atol=1e-3)
    stored = dict(collection._documents._reader.read("SELECT id, vector FROM documents JOIN vectors USING (seq)"))
    assert [stored[name] for name in names] == [one.tobytes() for one in made]


def test_a_vector_of_length_0(collection: Collection):
    """A vector without a direction is written and found, with a similarity of 0 to any other."""
    collection.upsert([Document("a", "empty")], np.zeros((1, DIMENSIONS), np.float32), [0])
    upsert(collection, [Document("b", "other")])
    assert [
        (hit.document.id, round(hit.similarity, 3)) for hit in collection.by_vectors.search(vector("other"), 9)
    ] == [
        ("b", 1.0),
        ("a", 0.0),
    ]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(collection: Collection, number: float):
    """A vector of a graph that overflows is refused before anything is written, and as a query's too."""
    upsert(collection, [Document("a", "one")])
    broken = np.array([vector("one"), vector("two")])
    broken[1, 3] = number
    with pytest.raises(InferenceFailed, match="text 2 of 2 is not finite"):
        collection.upsert([Document("a", "new"), Document("b", "two")], broken, [1, 1])
    with pytest.raises(InferenceFailed, match="not finite"):
        collection.by_vectors.search(broken[1], 1)
    assert collection.get(["a", "b"]) == {"a": Document("a", "one")}
    assert found(collection, "one", 9) == ["a"]
