"""A collection's token vectors: true to its documents whatever is written, set anew, killed or copied."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import CollectionExists, InferenceFailed, StorageFailed
from shortlist.server.runtime import late_interaction
from shortlist.server.storage import inspection, maxsim, token_making, token_vectors
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.choices import DEFAULTS, Wanted
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.listing import Page
from shortlist.server.storage.remaking import Embedded
from tiny_collections import DIMENSIONS, crashed, vector

ORIGIN = Origin("model (fp32)", "f00d", DIMENSIONS)
LATE = Origin("late (fp32)", "1a7e", 4)
OTHER = Origin("other late (int8)", "beef", 6)


def tokens_of(text: str, dimensions: int = LATE.dimensions) -> np.ndarray:
    """Return a unit vector for each word of a text; none where it has only punctuation."""
    words = [word for word in text.split() if word.isalnum()]
    made = [np.random.default_rng(list(word.encode())).normal(size=dimensions) for word in words]
    vectors = np.array(made, np.float32).reshape(len(words), dimensions)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def upsert(collection: Collection, *documents: Document, by: int | None = None) -> None:
    """Write documents with their token vectors; `by` is the generation that they are of, None: the one wanted."""
    there = collection.token_vectors
    made = [tokens_of(one.text, there.dimensions) for one in documents] if there.wanted else None
    vectors = np.array([vector(one.text) for one in documents])
    by = there.generation if by is None else by
    collection.upsert(documents, vectors, [3] * len(documents), token_vectors=made, token_vectors_by=by)


def make(collection: Collection, most: int = 7, stop: int = 1000) -> None:
    """Make what is missing, batch by batch, until all or `stop` batches are made."""
    after, there = 0, collection.token_vectors
    while stop and (batch := collection.token_making.missing(after, most)):
        made = [tokens_of(document.text, there.dimensions) for _, document in batch]
        collection.token_making.add([seq for seq, _ in batch], made, there.generation)
        after, stop = batch[-1][0], stop - 1


def pages(collection: Collection) -> list[tuple[int, Document]]:
    """Return all documents, each beside its number."""
    return collection.page(Page(size=1000, most_bytes=1 << 30))[0]


def assert_true(collection: Collection) -> None:
    """Check that each document has the token vectors of its own text, by their scores, and that totals are right."""
    documents, there = pages(collection), collection.token_vectors
    query = tokens_of("text 3 words", there.dimensions)
    numbers = np.array([number for number, _ in documents], np.int64)
    found, scores = collection.maxsim(query, numbers)
    assert sorted(found.tolist()) == sorted(numbers.tolist())
    by_number = dict(zip(found.tolist(), scores.tolist(), strict=True))
    for number, document in documents:
        own = tokens_of(document.text, there.dimensions)
        exact = float(late_interaction.maxsim(query, [own])[0]) if len(own) else 0.0
        assert by_number[number] == pytest.approx(exact, abs=0.03), document
    vectors = sum(len(tokens_of(document.text)) for _, document in documents)
    assert (there.documents, there.vectors, there.of) == (len(documents), vectors, len(documents))
    assert there.size_bytes == vectors * (there.dimensions + 2)
    assert there.ready


def documents(count: int, text: str = "text") -> list[Document]:
    """Return documents of one to five words."""
    return [Document(str(number), f"{text} {number}" + " words" * (number % 4)) for number in range(count)]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Return a collection of forty documents with token vectors."""
    (tmp_path / "c").mkdir()
    Collection.create(tmp_path / "c", ORIGIN, 0.0, DEFAULTS, token_vectors.begun("none", LATE))
    made = Collection(tmp_path / "c")
    upsert(made, *documents(40))
    return made


def test_they_follow_every_change(collection: Collection, tmp_path: Path):
    """After inserts, replacements, relabels, metadata and deletes each document has its own, also after a kill."""
    assert_true(collection)
    upsert(collection, Document("3", "replaced"), Document("new", "a new one"), Document("dots", ". , !"))
    collection.relabel([Document("5", "text 5 words", source="elsewhere")])
    collection.describe({"6": '{"a":1}'})
    collection.delete(["7", "8", "not there"])
    assert len(collection) == 40
    assert_true(collection)
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert again.token_vectors == collection.token_vectors
    assert_true(again)


def test_only_what_was_asked_for_is_scored(collection: Collection):
    """Numbers of documents that are gone, or never were, are not among those found."""
    numbers = [number for number, document in pages(collection) if document.id in {"3", "5", "9"}]
    collection.delete(["5"])
    found, scores = collection.maxsim(tokens_of("text"), np.array([*numbers, 10_000], np.int64))
    assert sorted(found.tolist()) == [numbers[0], numbers[2]]
    assert scores == pytest.approx([1.0, 1.0], abs=0.02)


def test_a_change_that_fails_leaves_them(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A transaction that is undone leaves token vectors and totals as they were."""
    before = collection.token_vectors
    with monkeypatch.context() as patch:
        patch.setattr(token_vectors, "add", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("full")))
        with pytest.raises(StorageFailed):
            upsert(collection, Document("3", "replaced"))
    bad = [np.full((2, 4), np.nan, np.float32)]
    with pytest.raises(InferenceFailed):
        collection.upsert([Document("3", "x")], np.ones((1, 8), np.float32), [1], token_vectors=bad)
    assert collection.token_vectors == before
    assert_true(collection)


def test_documents_that_come_without(collection: Collection):
    """A document that changes without token vectors loses its own, is missing, and gets them later."""
    collection.upsert([Document("3", "replaced")], vector("replaced")[None], [3])
    assert (collection.token_vectors.documents, collection.token_vectors.ready) == (39, False)
    (number, document), *others = collection.token_making.missing(0, 10)
    assert (document.id, others) == ("3", [])
    assert collection.maxsim(tokens_of("text"), np.array([number]))[0].tolist() == []
    make(collection)
    assert_true(collection)


def test_made_for_a_collection_that_has_none(tmp_path: Path):
    """A collection of before gets them batch by batch while it is changed, and a crash keeps what was made."""
    (tmp_path / "c").mkdir()
    Collection.create(tmp_path / "c", ORIGIN, 0.0)
    made = Collection(tmp_path / "c")
    upsert(made, *documents(40))
    assert made.token_vectors == token_vectors.TokenVectors(of=40)
    made.token_making.begin("none", LATE)
    make(made, stop=2)
    upsert(made, Document("3", "replaced"), Document("30", "also replaced"), Document("new", "new"))
    made.delete(["4", "31"])
    again = crashed(tmp_path / "c", tmp_path / "copy")
    assert not again.token_vectors.ready
    assert again.token_vectors.documents == 14 + 2 - 1
    for one in (made, again):
        make(one)
        assert_true(one)


def test_documents_that_go_while_theirs_are_made(collection: Collection):
    """What was made of a document that is deleted or replaced meanwhile is not kept, and totals stay right."""
    collection.token_making.begin("by-two", LATE)
    batch = collection.token_making.missing(0, 5)
    collection.delete(["1"])
    upsert(collection, Document("2", "replaced"))
    made = [tokens_of(document.text) for _, document in batch]
    collection.token_making.add([seq for seq, _ in batch], made, collection.token_vectors.generation)
    assert collection.token_vectors.documents == 4
    make(collection)
    assert_true(collection)


def test_set_anew(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those of another model take the old ones' place; what is left of the old is dropped a few at a time."""
    monkeypatch.setattr(token_making, "_DROPPED", 5)
    before = collection.token_vectors
    collection.token_making.begin("none", LATE)
    assert collection.token_vectors == before  # the same are wanted, and there
    collection.token_making.begin("none", OTHER)
    assert (collection.token_vectors.documents, collection.token_vectors.dimensions) == (0, 6)
    assert collection.maxsim(tokens_of("text"), np.arange(100))[0].tolist() == []  # a query of the old model
    late = [tokens_of("late")]
    collection.upsert(
        [Document("l", "late")], vector("late")[None], [1], token_vectors=late, token_vectors_by=before.generation
    )
    collection.token_making.add([1], late, before.generation)
    assert collection.token_vectors.documents == 0
    make(collection)
    assert_true(collection)
    assert not collection.token_making.untidy
    collection.token_making.begin("no-vectors", None)
    more = iter([True, True, False])
    collection.token_making.tidy(lambda: next(more))
    assert rows(tmp_path / "c") == 31
    assert collection.token_making.untidy
    collection.token_making.tidy()
    assert rows(tmp_path / "c") == 0
    assert collection.token_vectors == token_vectors.TokenVectors(generation=3, of=41)


def test_another_embedder_leaves_them(collection: Collection):
    """A reindex does not touch token vectors, and changes beside it keep them true."""
    before = collection.token_vectors
    collection.remaking.begin(Origin("other (fp32)", "cafe", DIMENSIONS), "/bundles/other")

    def embedded(given: Sequence[Document]) -> Embedded:
        return Embedded(np.array([vector(f"other {one.text}") for one in given]), [7] * len(given))

    while batch := collection.remaking.missing(16):
        collection.remaking.add([seq for seq, _ in batch], embedded([document for _, document in batch]))
    upsert(collection, Document("3", "text 3 words words words"))
    assert collection.remaking.switch(embedded)
    assert collection.token_vectors == before
    assert_true(collection)


def test_a_copy_has_what_is_wanted(collection: Collection, tmp_path: Path):
    """A snapshot holds the token vectors, none of a generation before, and a restore has them all."""
    catalog = Catalog(tmp_path / "data", ORIGIN, token_model=OTHER)
    catalog.snapshots.take("s", [collection])
    restored = catalog.restore(catalog.snapshots.get("s"), [])[0]
    assert restored.token_vectors == collection.token_vectors
    assert_true(restored)
    collection.token_making.begin("none", OTHER)
    make(collection, stop=1)
    catalog.snapshots.take("half", [collection])
    assert rows(tmp_path / "data" / "snapshots" / "half" / "collections" / "c") == 7
    catalog.close()
    assert inspection.inspect(tmp_path / "data").worst is None


def test_chosen_at_creation(tmp_path: Path):
    """New collections have what is asked for, else the default, and none without a model; others are told apart."""
    catalog = Catalog(tmp_path / "data", ORIGIN, token_model=LATE, token_pooling="by-two")
    made, _ = catalog.create("default", exist_ok=False)
    assert made.token_vectors == token_vectors.TokenVectors("by-two", LATE.embedder, LATE.fingerprint, 4, 1)
    assert not made.token_vectors.documents
    assert catalog.create("none", exist_ok=False, wanted=Wanted(token_pooling="no-vectors"))[0].token_vectors.of == 0
    assert not catalog.get("none").token_vectors.wanted
    for wanted in (Wanted(), Wanted(token_pooling="by-two")):
        assert catalog.create("default", exist_ok=True, wanted=wanted) == (made, False)
    with pytest.raises(CollectionExists, match=r"token_pooling: .* with by-two and not none"):
        catalog.create("default", exist_ok=True, wanted=Wanted(token_pooling="none"))
    catalog.close()
    bare = Catalog(tmp_path / "data", ORIGIN)
    assert bare.get("default").token_vectors.pooling == "by-two"
    assert not bare.create("bare", exist_ok=False)[0].token_vectors.wanted
    bare.close()


BROKEN = "its token vectors have"


@pytest.mark.parametrize(
    ("statement", "grade", "what"),
    [
        ("UPDATE token_vectors SET rows = x'0000' WHERE seq = 3", "damaged", f"document '2': {BROKEN} 2 bytes"),
        ("UPDATE token_vectors SET vectors = 9 WHERE seq = 3", "damaged", f"document '2': {BROKEN} 24 bytes and not"),
        ("UPDATE token_vectors SET rows = x'00000000007c', vectors = 1 WHERE seq = 3", "damaged", "a scale that is"),
        ("UPDATE token_vectors SET seq = 900 WHERE seq = 3", "damaged", "of document number 900, which is not there"),
        ("UPDATE facts SET value = 'by-three' WHERE name = 'token_pooling'", "damaged", "it cannot be read"),
        (
            "DELETE FROM token_vectors WHERE seq = 3",
            "mended",
            "1 documents of 40 have no token vectors; a start with",
        ),
        ("UPDATE token_vectors SET generation = 0 WHERE seq = 3", "mended", "that are not wanted any more; a start"),
    ],
)
def test_damage_is_found(collection: Collection, tmp_path: Path, statement: str, grade: str, what: str):
    """`verify` finds token vectors that are broken, missing, or nobody's; a sound collection has no findings."""
    collection.close()
    (tmp_path / "data").mkdir()
    shutil.move(tmp_path / "c", tmp_path / "data" / "collections" / "c")
    assert inspection.inspect(tmp_path / "data").findings == ()
    connection = sqlite3.connect(tmp_path / "data" / "collections" / "c" / "documents.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
    found = inspection.inspect(tmp_path / "data")
    assert found.worst == grade
    assert any(what in one.what for one in found.findings), found


def test_a_blob_that_pads_nothing(collection: Collection):
    """The bytes on disk are those of the vectors and their scales, and no more."""
    ((blob,),) = collection._documents._reader.read("SELECT rows FROM token_vectors WHERE seq = 4")
    assert blob == maxsim.packed(tokens_of("text 3 words words words"))


def rows(folder: Path) -> int:
    """Return how many documents a collection's file has token vectors of, of any generation."""
    connection = sqlite3.connect(folder / "documents.sqlite")
    ((count,),) = connection.execute("SELECT count(*) FROM token_vectors").fetchall()
    connection.close()
    return count
