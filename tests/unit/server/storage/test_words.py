"""The lexical index: what is found by which words, and an index that is not as it was left."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from bm25s import BM25

from shortlist.server.storage import words as words_module
from shortlist.server.storage.analysis import Analyser
from shortlist.server.storage.words import Words

TEXTS = {
    1: "os.scandir lists the files of a folder",
    2: "a list of files, and what each is",
    3: "E11000 duplicate key error",
    4: "the key to the folder",
}


@pytest.fixture(params=[0, 5000], ids=["kept open", "opened for a search"])
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Words]:
    """Return an index of the texts, which stays open or does not."""
    monkeypatch.setattr(words_module, "_KEPT_OPEN", request.param)
    made = Words(tmp_path / "words", "english")
    change(made, TEXTS, [])
    yield made
    made.close()


def change(index: Words, added: dict[int, str], removed: list[int]) -> None:
    """Add texts by number, and remove others."""
    index.change([(number, index.analyser.document(text)) for number, text in added.items()], removed)


def scores(index: Words, text: str, count: int = 10, among: list[int] | None = None) -> dict[int, float]:
    """Return the numbers that a text's words find, with their scores."""
    reader = index.reader()
    return reader.search(index.analyser.query(text), count, among) if reader else {}


def found(index: Words, text: str, count: int = 10) -> list[int]:
    """Return the numbers that a text finds, best first."""
    ranked = scores(index, text, count)
    return sorted(ranked, key=lambda number: (-ranked[number], number))


def test_exact_names_and_codes(index: Words):
    """A name or code that a single document has finds that document first."""
    assert found(index, "os.scandir")[0] == 1
    assert found(index, "how does scandir work?") == [1]
    assert found(index, "error E11000") == [3]
    assert found(index, "listing files", 1) == [2]
    assert found(index, "nowhere") == found(index, "?!") == []


@pytest.mark.parametrize("text", ["key AND folder", 'key -folder "a b', "english_1:key", "key^5 OR (", "k*", "/k/"])
def test_nothing_in_a_query_is_syntax(index: Words, text: str):
    """Operators of query languages are words like others, or none."""
    assert set(found(index, text)) <= {3, 4, 1}
    assert ("key" in text) == (4 in found(index, text))


def test_a_change_replaces_adds_and_removes(index: Words):
    """A number has the text it was last given, and one that is removed is not found; searches see it at once."""
    change(index, {2: "zebras", 5: "horses"}, [3, 99])
    assert (found(index, "files"), found(index, "zebra"), found(index, "horse")) == ([1], [2], [5])
    assert found(index, "E11000") == []
    assert sorted(index.numbers()) == [1, 2, 4, 5]
    assert len(index) == 4


def test_scores_are_bm25(index: Words):
    """Scores are those of Lucene's BM25 with k1 1.2 and b 0.75, as another library computes it."""
    analyser = Analyser("english")
    other = BM25(k1=1.2, b=0.75, method="lucene")
    other.index([analyser.document(text) for text in TEXTS.values()], show_progress=False)
    query = "the key of a folder with files"
    expected = other.get_scores([word for word in analyser.query(query) if word in other.vocab_dict])
    there = scores(index, query)
    assert [there.get(number, 0.0) for number in TEXTS] == pytest.approx(
        [2.2 * one for one in expected], rel=1e-5
    )  # Lucene 8 left k1 + 1 out


def test_some_documents_are_searched_alone(index: Words):
    """Among some numbers, the best of those are found, with the scores that they have among all."""
    every = scores(index, "the key to the files of a folder")
    assert set(every) == {1, 2, 3, 4}
    for among in ([1, 3], [2, 4, 99], [99], []):
        assert scores(index, "the key to the files of a folder", 10, among) == pytest.approx(
            {number: every[number] for number in every if number in among}
        )
    assert list(scores(index, "the folder", 1, [1, 3])) == [1]


def test_it_is_the_same_after_a_start(index: Words, tmp_path: Path):
    """Another process finds what this one committed."""
    again = Words(tmp_path / "words", "english")
    assert again.fault == ""
    assert scores(again, "key folder") == scores(index, "key folder")


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_noticed(index: Words, tmp_path: Path, seed: int):
    """A byte that changed in any file, or a file that was cut or is gone, makes the index of no use."""
    index.close()
    rng = np.random.default_rng(seed)
    files = sorted(path for path in (tmp_path / "words").iterdir() if path.suffix not in {".json", ".lock"})
    path = files[int(rng.integers(len(files)))]
    data = bytearray(path.read_bytes())
    if seed == 4:
        path.unlink()
    elif seed == 5:
        path.write_bytes(data[: len(data) // 2])
    else:
        data[int(rng.integers(len(data) - 4))] ^= 0xFF
        path.write_bytes(data)
    assert Words(tmp_path / "words", "english").fault


def test_another_language_or_version_is_of_no_use(index: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Words that were made in another way are not compared with a query's."""
    assert "schema" in Words(tmp_path / "words", "german").fault
    monkeypatch.setattr("shortlist.server.storage.analysis.VERSION", 99)
    assert "schema" in Words(tmp_path / "words", "english").fault


def test_an_index_that_was_emptied_is_not_searched(tmp_path: Path):
    """A folder that vanished while it is used is an error and no empty answer, for searches and for changes."""
    index = Words(tmp_path / "words", "english")
    change(index, TEXTS, [])
    shutil.rmtree(tmp_path / "words")
    for use in (index.reader, lambda: change(index, {9: "new"}, [])):
        with pytest.raises((ValueError, OSError)):
            use()


def test_searches_go_on_during_a_commit(index: Words):
    """A search while documents are added and removed finds those of one commit or the next, and never fails."""
    change(index, {100: "zebra"}, [])

    def several() -> None:
        for number in range(100, 104):
            change(index, {number + 1: "zebra", number + 100: "horse"}, [number])

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(several)
        while not changing.done():
            assert len(found(index, "zebra")) == 1
        changing.result()


def test_a_commit_that_was_cut_off_is_done_again(index: Words, tmp_path: Path):
    """A kill just before a commit counts leaves files of it behind: the same commit is written after the start."""
    before = (tmp_path / "words" / "meta.json").read_bytes()
    change(index, {5: "the fifth"}, [1])
    index.close()
    (tmp_path / "words" / "meta.json").write_bytes(before)  # replaced last, by the commit
    assert list((tmp_path / "words").glob("*.del")), "nothing that has a name given twice"
    again = Words(tmp_path / "words", "english")
    assert sorted(again.numbers()) == [1, 2, 3, 4]
    change(again, {5: "the fifth"}, [1])
    assert sorted(again.numbers()) == [2, 3, 4, 5]
    assert not again.fault
