"""Documents in SQLite: versions with numbers of their own, transactions, pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.errors import UnknownCollection
from shortlist.server.storage import database, listing
from shortlist.server.storage.document import Document, Origin, canonical
from shortlist.server.storage.documents import Documents
from shortlist.server.storage.listing import Page

ORIGIN = Origin("model (fp32)", "f00d", 2)


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    """Make an empty file and open it."""
    path = tmp_path / "documents.sqlite"
    database.create(path, ORIGIN, created_at=12.5)
    opened = Documents(path)
    yield opened
    opened.close()


def write(documents: Documents, *plain: Document) -> tuple[list[int], list[int]]:
    """Write documents with vectors and keys of their lengths; return all numbers, and the unused keys."""
    lengths = [len(document.text) for document in plain]
    vectors = np.array([[length, 1.0] for length in lengths], dtype=np.float32)
    with documents.writing() as change:
        _, unused = change.replace(plain, vectors, np.array(lengths, np.uint64), lengths)
    return numbers(documents), unused.tolist()


def numbers(documents: Documents) -> list[int]:
    """Return the numbers of all documents, in the order of writing."""
    return [number for number, _ in documents.page(Page(size=1000, most_bytes=1_000_000))[0]]


def test_facts_are_kept(documents: Documents):
    """What was fixed at creation is read back."""
    assert documents.origin == ORIGIN
    assert documents.created_at.timestamp() == 12.5


def test_what_is_written_is_read(documents: Documents):
    """A document comes back equal in every field, odd characters included."""
    odd = Document("id \u2028 'quote\"", "text\0with NUL and \U0001f600", "title", canonical({"a": [1, None, "é"]}))
    write(documents, odd)
    assert documents.get([odd.id, "missing"]) == {odd.id: odd}


def test_a_new_version_gets_a_new_number(documents: Documents):
    """Replacing a document gives a number that was never used, also after the newest was deleted."""
    (first,), _ = write(documents, Document("a", "one"))
    (second,), _ = write(documents, Document("a", "two!"))
    with documents.writing() as change:
        assert change.delete(["a", "missing"])[0] == 1
    (third,), _ = write(documents, Document("a", "one"))
    assert first < second < third


def test_a_key_lasts_as_long_as_a_copy(documents: Documents):
    """A key is unused once the last of its documents is gone, and not where one change takes and gives it."""
    assert write(documents, Document("a", "one"), Document("b", "two"), Document("c", "three"))[1] == []
    assert documents.keys().tolist() == [3, 5]
    assert write(documents, Document("a", "four!"))[1] == []
    assert write(documents, Document("b", "seven!!"), Document("c", "six"))[1] == []
    assert write(documents, Document("c", "eleven.....s"))[1] == [3]
    with documents.writing() as change:
        count, unused = change.delete(["a", "b", "missing"])
    assert (count, unused.tolist()) == (2, [5, 7])
    assert documents.keys().tolist() == [12]


def test_the_nearest_come_with_their_copies(documents: Documents):
    """Documents come in the order of their keys, copies in that of writing, no more than asked for."""
    write(
        documents, *(Document(name, "x" * length) for name, length in zip("abcdef", (2, 1, 2, 3, 1, 2), strict=True))
    )
    keys = np.array([2, 9, 1, 3], np.uint64)
    for count in range(8):
        found = documents.nearest(keys, count)
        assert "".join(row.document.id for row in found) == "acfbed"[:count]
    assert [row.key for row in found] == [2, 2, 2, 1, 1, 3]


def test_counts_follow(documents: Documents, tmp_path: Path):
    """The counts kept in memory are those of the table, after inserts, updates, deletes and a new start."""
    write(documents, Document("a", "one"), Document("b", "three"))
    write(documents, Document("a", "seven!!"))
    with documents.writing() as change:
        change.delete(["b"])
    assert (documents.count, documents.tokens) == (1, 7)
    again = Documents(tmp_path / "documents.sqlite")
    assert (again.count, again.tokens) == (1, 7)
    again.close()


def test_a_failed_change_is_undone(documents: Documents):
    """An exception inside the block undoes all of it, counts included."""
    write(documents, Document("a", "one"))

    def fail_halfway() -> None:
        with documents.writing() as change:
            change.replace([Document("b", "two")], np.zeros((1, 2), np.float32), np.array([7], np.uint64), [1])
            change.delete(["a"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert documents.get(["a", "b"]).keys() == {"a"}
    assert (documents.count, documents.tokens) == (1, 3)


def test_pages_cover_everything_once(documents: Documents):
    """Paging by number visits every document once, in the order of writing."""
    write(documents, *(Document(str(number), "text") for number in range(7)))
    write(documents, Document("2", "newer"))
    visited, after, more = [], 0, True
    while more:
        page, more = documents.page(Page(size=3, most_bytes=1000, after=after))
        visited += [document.id for _, document in page]
        after = page[-1][0]
    assert visited == ["0", "1", "3", "4", "5", "6", "2"]


def test_a_page_ends_before_it_is_too_large(documents: Documents):
    """A page holds what fits into its bytes, one document at least, and says that more follow."""
    write(documents, *(Document(str(number), "é" * 50) for number in range(3)))
    sizes = documents.sizes(["0", "1", "x"])
    assert sizes.keys() == {"0", "1"}
    one = sizes["0"]
    assert 101 <= one <= 110  # the text's bytes, the id's, and those of no metadata
    for most, expected, more in ((1, 1, True), (2 * one, 2, True), (3 * one, 3, False)):
        page, follows = documents.page(Page(size=10, most_bytes=most))
        assert (len(page), follows) == (expected, more)


def test_pages_of_a_source(documents: Documents):
    """The documents of one source are paged by themselves, and bare ones hold no more than id and source."""
    write(documents, *(Document(str(number), "text", "T", "{}", "ab"[number % 2]) for number in range(7)))
    first, more = documents.page(Page(size=2, most_bytes=1000, source="b"))
    rest, none = documents.page(Page(size=2, most_bytes=1000, source="b", after=first[-1][0]))
    assert ([one.id for _, one in first + rest], more, none) == (["1", "3", "5"], True, False)
    bare, more = documents.page(Page(size=3, most_bytes=1, source="b", ids_only=True))
    assert ([one for _, one in bare], more) == ([Document(each, "", source="b") for each in "135"], True)
    assert len(documents.page(Page(size=9, most_bytes=1, ids_only=True))[0]) == 7


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("", ["/abs/c", "a", "a!", "a/b", "a/b/c", "a0", "é/d"]),
        ("a", ["a", "a/b", "a/b/c"]),
        ("a/b", ["a/b", "a/b/c"]),
        ("é", ["é/d"]),
        ("b", []),
    ],
)
def test_sources_are_listed(documents: Documents, below: str, expected: list[str]):
    """Sources are listed by name, with their documents, whole or below one of them, and page by page."""
    named = ["a/b/c", "a", "a/b", "a0", "a!", "é/d", "/abs/c", "", "a"]
    write(documents, *(Document(str(place), "text", source=name) for place, name in enumerate(named)))
    found = documents.sources(below, "", 100)
    assert [name for name, _ in found] == expected
    assert all(count == named.count(name) for name, count in found)
    pages: list[tuple[str, int]] = []
    while page := documents.sources(below, pages[-1][0] if pages else "", 2):
        pages += page
    assert pages == found


def test_listing_reads_no_whole_table(documents: Documents):
    """Sources, and the documents of one, are looked up in an index."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def read(statement: str, *values: object) -> list[object]:
        asked.append((statement, values))
        return []

    listing.sources(read, "a", "", 10)
    for ids_only in (False, True):
        listing.page(read, Page(size=9, most_bytes=1, source="a", ids_only=ids_only))
    assert len(asked) == 4
    for statement, values in asked:
        (plan,) = documents._reader.read(f"EXPLAIN QUERY PLAN {statement}", *values)
        assert plan[3].startswith("SEARCH documents USING")
        assert "INDEX documents_source" in plan[3]


def test_vectors_come_back(documents: Documents):
    """A vector of each key is read beside it; unknown keys are left out."""
    write(documents, Document("a", "one"), Document("b", "three"), Document("c", "two"))
    keys, vectors = documents.vectors(np.array([3, 5, 999], dtype=np.uint64))
    assert dict(zip(keys.tolist(), vectors.tolist(), strict=True)) == {3: [3.0, 1.0], 5: [5.0, 1.0]}


def test_a_closed_file_is_a_dropped_collection(documents: Documents):
    """A request that still runs when its collection is dropped is told so."""
    documents.close()
    with pytest.raises(UnknownCollection, match="dropped while"):
        documents.get(["a"])


def test_equal_metadata_is_equal_text():
    """The order of keys does not make metadata different."""
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == canonical({"a": {"c": 3, "d": 2}, "b": 1})
