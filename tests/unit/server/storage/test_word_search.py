"""Documents found by their words, and an index of words that comes to be as the documents are."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shortlist.server.errors import NotServing
from shortlist.server.storage import word_upkeep
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.filters import Condition, OneOf, Value
from shortlist.server.storage.word_upkeep import WordUpkeep
from shortlist.server.storage.words import Words
from tiny_collections import create, followed, upsert, vector

FILES = Document("files", "os.scandir lists the files of a folder")
ERROR = Document("error", "E11000 duplicate key error", title="MongoDB")


def found(collection: Collection, text: str) -> list[str]:
    """Return the ids that a text's words find, best first."""
    return [candidate.document.id for candidate in collection.by_words.search(text, vector(text), 10).candidates]


def mended(collection: Collection) -> Collection:
    """Wait until a thread that mends the index is done."""
    followed()
    if thread := collection._indexes.words._thread:
        thread.join()
    return collection


@pytest.fixture
def waiting() -> Iterator[None]:
    """Have the thread that commits wait until the test is done."""
    turn = threading.Event()
    word_upkeep._committer.submit(turn.wait)
    yield
    turn.set()


def test_names_codes_and_titles_are_found(collection: Collection):
    """A document is found by a name, a code or a word of its title, and tells places and cosine."""
    upsert(collection, FILES, ERROR)
    assert found(collection, "os.scandir") == ["files"]
    assert found(collection, "E11000") == found(collection, "mongodb") == ["error"]
    (hit,) = collection.by_words.search("folder", vector(FILES.text), 10).candidates
    assert (hit.rank, hit.lexical_rank, hit.dense_rank) == (1, 1, None)
    assert hit.similarity == pytest.approx(1.0, abs=1e-3)
    assert hit.lexical_score > 0
    assert collection.by_vectors.search(vector(FILES.text), 1)[0].version == hit.version


def test_changes_are_found(collection: Collection):
    """What was replaced or deleted is not found by its old words, and what is new is."""
    upsert(collection, FILES, ERROR)
    upsert(collection, Document("files", "zebras"))
    assert (found(collection, "scandir"), found(collection, "zebra")) == ([], ["files"])
    collection.delete(["error"])
    assert found(collection, "E11000") == []


def test_no_change_waits_for_the_index(collection: Collection, tmp_path: Path):
    """While the index is written changes return, are found at once as ever, and kill -9 loses none of them."""
    upsert(collection, FILES)
    followed()
    with collection._indexes.words._committing:
        upsert(collection, ERROR)
        collection.delete(["files"])
        shutil.copytree(tmp_path / "c", tmp_path / "killed")
        assert (found(collection, "E11000"), found(collection, "scandir")) == (["error"], [])
    again = Collection(tmp_path / "killed")
    for one in (collection, again):
        followed()
        assert (found(one, "E11000"), found(one, "scandir")) == (["error"], [])
    again.close()


def test_what_waits_is_ranked_as_in_the_index(collection: Collection, waiting: None):
    """Order and scores are nearly the same before a commit and after it, which alone knows the mean length."""
    upsert(collection, *(Document(f"{number}", f"common word and a number {number}") for number in range(20)))
    collection._indexes.words.commit()
    new = Document("new", "common rare word and number new"), Document("newer", "common rare rare and number new")
    upsert(collection, *new)
    collection.delete(["3"])
    ranked = []
    for _ in range(2):
        hits = collection.by_words.search("the rare common word", vector("x"), 30).candidates
        ranked.append([(hit.document.id, hit.lexical_score) for hit in hits])
        collection._indexes.words.commit()
    before, after = ranked
    assert [name for name, _ in before] == [name for name, _ in after]
    assert [score for _, score in before] == pytest.approx([score for _, score in after], rel=0.1, abs=0.1)
    assert [name for name, _ in before[:2]] == ["newer", "new"]
    assert len(before) == 21


def test_a_document_is_found_while_it_is_replaced(collection: Collection):
    """Searches during many replacements find a document each time, with a filter and without."""
    upsert(collection, FILES, Document("it", "zebra", metadata='{"on":true}'))
    where = Condition("on", OneOf((Value("truth", 1),)))

    def replace() -> None:
        for number in range(60):
            upsert(collection, Document("it", f"zebra {number}", metadata='{"on":true}'))

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        while not replacing.done():
            for condition in (None, where):
                hits = collection.by_words.search("zebra", vector("x"), 3, condition).candidates
                assert [hit.document.id for hit in hits] == ["it"]
        replacing.result()


def test_of_a_long_query_the_rarest_words_count(collection: Collection):
    """However many words a query has, its rarest are looked for."""
    common = " ".join(f"w{number}" for number in range(200))
    upsert(collection, Document("1", common), Document("2", common), Document("3", f"{common} rare"))
    for _ in range(2):
        assert found(collection, f"{common} rare")[0] == "3"
        assert len(found(collection, common)) == 3
        followed()


def test_changes_do_not_pile_up(collection: Collection, waiting: None, monkeypatch: pytest.MonkeyPatch):
    """Where changes come faster than the index is written, they write it themselves."""
    monkeypatch.setattr(word_upkeep, "_LAG", 2)
    for number in range(4):
        collection._indexes.words.changed([(number, Counter(["word"]))], [])
        collection._indexes.words.follow()
    assert len(collection._indexes.words._recent) == 1
    assert sorted(collection._indexes.words._words.numbers()) == [0, 1, 2]


def test_a_close_leaves_nothing_to_do(collection: Collection, waiting: None, tmp_path: Path):
    """What no commit held when a collection is closed is in the index afterwards."""
    upsert(collection, ERROR)
    collection.close()
    assert Words(tmp_path / "c" / "words", "english").numbers() == [1]


@pytest.mark.parametrize("lost", ["the folder", "its last commit", "its contents", "some bytes"])
def test_an_index_that_is_behind_is_brought_up(collection: Collection, tmp_path: Path, lost: str):
    """An index that is gone, old, emptied or damaged is put right at start, and names no document that is gone."""
    words = tmp_path / "c" / "words"
    upsert(collection, FILES)
    followed()
    shutil.copytree(words, tmp_path / "old")
    upsert(collection, ERROR)
    collection.delete(["files"])
    collection.close()
    if lost == "some bytes":
        path = next(words.glob("*.term"))
        path.write_bytes(path.read_bytes()[:-20])
    else:
        shutil.rmtree(words)
    if lost == "its last commit":
        shutil.copytree(tmp_path / "old", words)
    if lost == "its contents":
        words.mkdir()
    again = Collection(tmp_path / "c")
    assert (found(again, "E11000"), found(again, "scandir")) == (["error"], [])
    again.close()


def test_much_is_indexed_while_the_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Many documents are indexed by words in a thread: until then such searches are refused, and changes count."""
    collection = create(tmp_path / "c")
    upsert(collection, FILES, ERROR, *(Document(str(number), f"number {number}") for number in range(5)))
    collection.close()
    shutil.rmtree(tmp_path / "c" / "words")
    monkeypatch.setattr(word_upkeep, "_AT_ONCE", 3)
    monkeypatch.setattr(word_upkeep, "_BATCH", 2)
    turn = threading.Semaphore(0)
    monkeypatch.setattr(word_upkeep, "_mending", turn)
    again = Collection(tmp_path / "c")
    with pytest.raises(NotServing, match="words of collection c are being indexed"):
        found(again, "scandir")
    upsert(again, Document("files", "zebras"))
    again.delete(["error"])
    turn.release()
    mended(again)
    assert (found(again, "zebra"), found(again, "scandir"), found(again, "E11000")) == (["files"], [], [])
    assert len(found(again, "number")) == 5
    again.close()


def test_a_close_waits_for_no_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A collection whose index waits to be mended can be closed at once, and is mended at the next start."""
    collection = create(tmp_path / "c")
    upsert(collection, FILES, ERROR)
    collection.close()
    shutil.rmtree(tmp_path / "c" / "words")
    monkeypatch.setattr(word_upkeep, "_AT_ONCE", 0)
    turn = threading.Semaphore(0)
    monkeypatch.setattr(word_upkeep, "_mending", turn)
    again = Collection(tmp_path / "c")
    again.close()
    turn.release()
    mended(again)
    assert not (tmp_path / "c" / "words").exists()
    turn.release()
    third = mended(Collection(tmp_path / "c"))
    assert found(third, "scandir") == ["files"]
    third.close()


@pytest.mark.parametrize("noticed_by", ["a search", "a change"])
def test_a_folder_that_is_removed_meanwhile(collection: Collection, tmp_path: Path, noticed_by: str):
    """Where the index vanishes while it is used, no search has an empty answer, and it is made again."""
    upsert(collection, FILES)
    followed()
    shutil.rmtree(tmp_path / "c" / "words")
    if noticed_by == "a search":
        with pytest.raises(NotServing):
            found(collection, "scandir")
    upsert(collection, ERROR)
    mended(collection)
    assert (found(collection, "scandir"), found(collection, "E11000")) == (["files"], ["error"])


def test_a_failure_while_an_index_is_mended_is_mended_too(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Where a change cannot be written while the index is mended, it is compared once more, and is ready after."""
    upsert(collection, FILES)
    followed()
    upkeep = collection._indexes.words
    compared = []

    def differences(*, afresh: bool = False) -> tuple[list[int], list[int]]:
        compared.append(WordUpkeep._differences(upkeep, afresh=afresh))
        if len(compared) == 1:
            (tmp_path / "c" / "words").touch()
            upsert(collection, ERROR)
            followed()
            (tmp_path / "c" / "words").unlink()
        return compared[-1]

    monkeypatch.setattr(upkeep, "_differences", differences)
    shutil.rmtree(tmp_path / "c" / "words")
    with pytest.raises(NotServing):
        found(collection, "scandir")
    mended(collection)
    assert (found(collection, "scandir"), found(collection, "E11000")) == (["files"], ["error"])
    assert len(compared) == 2


def test_an_index_that_takes_no_change_is_made_anew(collection: Collection, tmp_path: Path):
    """Where the index that a start finds cannot be brought up, another is made, and no change has to come first."""
    words = tmp_path / "c" / "words"
    upsert(collection, FILES, ERROR)
    followed()
    shutil.copytree(words, tmp_path / "old")
    collection.delete(["files"])
    followed()
    collection.close()
    (in_the_way,) = words.glob(
        "*.del"
    )  # the start's commit will give this name; the older index knows of no such file
    content = in_the_way.read_bytes()
    shutil.rmtree(words)
    shutil.copytree(tmp_path / "old", words)
    in_the_way.write_bytes(content)
    again = mended(Collection(tmp_path / "c"))
    assert (found(again, "E11000"), found(again, "scandir")) == (["error"], [])
    again.close()


def test_documents_are_kept_where_words_cannot_be_written(
    collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A lexical index that cannot be written fails no change; it is mended once it can."""
    upsert(collection, FILES)
    followed()
    shutil.rmtree(tmp_path / "c" / "words")
    (tmp_path / "c" / "words").touch()
    assert upsert(collection, ERROR).inserted == 1
    mended(collection)
    assert "its lexical index is behind" in caplog.text
    with pytest.raises(NotServing):
        found(collection, "E11000")
    assert len(collection.by_vectors.search(vector("x"), 10)) == 2
    (tmp_path / "c" / "words").unlink()
    upsert(collection, Document("more", "more"))
    mended(collection)
    assert (found(collection, "scandir"), found(collection, "E11000")) == (["files"], ["error"])


def test_changes_that_wait_share_a_commit(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """Of several changes that were told, one commit makes all findable, a removal of one of them included."""
    upsert(collection, FILES)
    followed()
    commits = []
    change = collection._indexes.words._words.change
    monkeypatch.setattr(
        collection._indexes.words._words, "change", lambda *given: (commits.append(given), change(*given))
    )
    collection._indexes.words.changed([(98, Counter(["word"])), (99, Counter(["word"]))], [])
    collection._indexes.words.changed([], [99])
    collection._indexes.words.commit()
    collection._indexes.words.commit()
    assert len(commits) == 1
    assert sorted(collection._indexes.words._words.numbers()) == [1, 98]


def test_an_empty_collection_has_no_index(collection: Collection, tmp_path: Path):
    """A thousand empty collections cost no files and no threads."""
    assert found(collection, "anything") == []
    assert not (tmp_path / "c" / "words").exists()
