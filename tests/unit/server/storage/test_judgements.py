"""Judgements on disk: as they were made, as BEIR has them, whole after each change."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.bench import beir
from shortlist.server.errors import InvalidRequest, StorageFailed
from shortlist.server.storage import judgements
from shortlist.server.storage.judgements import QRELS, QUERIES, Judgements

# What an id or a question may hold; surrogates are no text, and a line of JSON has none.
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20).filter(str.strip)


@pytest.fixture
def kept(tmp_path):
    """Return judgements in a folder that is not there yet."""
    return Judgements(tmp_path / "judgements")


def test_a_judgement_is_changed_and_taken_back(kept):
    """Each change is there when the folder is read anew; what is taken back is gone."""
    assert kept.read("notes") == {}
    assert kept.judge("notes", "a question", "a", 1) == 1
    assert kept.judge("notes", "a question", "b", 0) == 2
    assert kept.judge("notes", "another", "a", 1) == 3
    assert kept.judge("notes", "a question", "a", 0) == 3
    assert kept.judge("notes", "another", "a", None) == 2
    assert kept.read("notes") == {"a question": {"a": 0, "b": 0}}
    assert kept.judge("other", "a question", "a", 1) == 1
    assert sorted(path.name for path in kept.folder("notes").iterdir()) == [QRELS, QUERIES]


@settings(max_examples=30)  # each judgement waits for the disk
@given(
    asked=st.dictionaries(
        TEXTS, st.dictionaries(TEXTS, st.sampled_from((0, 1)), min_size=1, max_size=2), min_size=1, max_size=2
    )
)
def test_what_eval_reads_is_what_was_judged(tmp_path_factory, asked):
    """Whatever stands in questions and ids, the reader of `shortlist eval` finds the same, without a corpus."""
    folder = tmp_path_factory.mktemp("judged")
    kept = Judgements(folder)
    for query, grades in asked.items():
        for document, grade in grades.items():
            kept.judge("c", query, document, grade)
    assert kept.read("c") == asked
    relevant = {
        query: {document: grade for document, grade in grades.items() if grade} for query, grades in asked.items()
    }
    if expected := {query: grades for query, grades in relevant.items() if grades}:
        judged = beir.load(kept.folder("c"), corpus_is_served=True)
        assert {judged.queries[name]: grades for name, grades in judged.relevant.items()} == expected


def test_files_that_were_edited_count(kept):
    """A grade and an id of somebody else's stay as they are beside new ones."""
    kept.judge("c", "first", "a", 1)
    folder = kept.folder("c")
    with (folder / QUERIES).open("a") as stream:
        stream.write('{"_id": "mine", "text": "second"}\n')
    with (folder / QRELS).open("a") as stream:
        stream.write("mine\tb\t3\n")
    kept.judge("c", "second", "c", 1)
    assert kept.read("c") == {"first": {"a": 1}, "second": {"b": 3, "c": 1}}
    assert "mine\tc\t1\n" in (folder / QRELS).read_text()


@pytest.mark.parametrize(
    ("file", "content"), [(QUERIES, "no JSON\n"), (QRELS, "query-id\tcorpus-id\tscore\nq\td\tx\n")]
)
def test_what_is_no_judgement_is_left_alone(kept, file, content):
    """A file that holds something else is named, and nothing is written over it."""
    kept.judge("c", "first", "a", 1)
    (kept.folder("c") / file).write_text(content)
    with pytest.raises(StorageFailed, match=r"holds no judgements: .*; mend or move them"):
        kept.judge("c", "second", "b", 1)
    assert (kept.folder("c") / file).read_text() == content


def test_a_folder_that_cannot_be_written(kept, tmp_path):
    """The error says so; what was there stays."""
    kept.judge("c", "first", "a", 1)
    tmp_path.joinpath("judgements", "d").write_text("a file where the folder would be")
    with pytest.raises(StorageFailed, match=r"cannot be read: .*Not a directory"):
        kept.judge("d", "first", "a", 1)
    assert kept.read("c") == {"first": {"a": 1}}


def test_there_is_an_end(kept, monkeypatch):
    """One more than a collection may have is refused, and nothing changes; fewer are taken again."""
    monkeypatch.setattr(judgements, "MOST", 2)
    kept.judge("c", "first", "a", 1)
    kept.judge("c", "first", "b", 1)
    with pytest.raises(InvalidRequest, match="judgements: got 3, but a collection has 2 at most"):
        kept.judge("c", "first", "c", 1)
    assert kept.read("c") == {"first": {"a": 1, "b": 1}}
    kept.judge("c", "first", "b", None)
    assert kept.judge("c", "first", "c", 1) == 2


def test_a_file_is_replaced_whole(kept, monkeypatch):
    """Where a rename fails, the old file stands as it was, and nothing is left beside it."""
    kept.judge("c", "first", "a", 1)
    before = (kept.folder("c") / QRELS).read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageFailed, match="No space left"):
        kept.judge("c", "second", "b", 1)
    assert (kept.folder("c") / QRELS).read_bytes() == before
    assert sorted(path.name for path in kept.folder("c").iterdir()) == [QRELS, QUERIES]
