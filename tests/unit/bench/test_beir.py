"""Collections in BEIR's layout, as the benchmarks read them."""

import json

import pytest

import judged_folders
from shortlist.bench import beir
from shortlist.console.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    """Write a folder of two documents and one judged query."""
    return judged_folders.write(tmp_path, {"1": "a wing", "2": "b"}, {"q": "wing"}, [("q", "1", 1)])


def test_documents_without_a_text_are_left_out(tmp_path):
    """They are named, and what is written for the index holds all other lines as they are."""
    documents = [{"_id": "1", "title": "T", "text": "a wing"}, {"_id": "2", "text": " "}, {"_id": "3", "text": "b"}]
    lines = [json.dumps(one) + "\n" for one in documents]
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "wing"}\n{"_id": "unjudged", "text": "x"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t2\nunjudged\t3\t0\n")
    judged = beir.load(tmp_path)
    assert judged.queries == {"q": "wing"}
    assert (judged.documents, judged.without_text) == (3, ("2",))
    beir.write_indexable(judged, tmp_path / "kept.jsonl")
    assert (tmp_path / "kept.jsonl").read_text() == lines[0] + lines[2]


def test_a_corpus_that_a_server_has(folder):
    """Without corpus.jsonl the judgements are read where a server's collection is the corpus, and only there."""
    with_corpus = beir.load(folder, corpus_is_served=True)
    (folder / "corpus.jsonl").unlink()
    without = beir.load(folder, corpus_is_served=True)
    assert (without.documents, without.without_text) == (None, ())
    assert (without.queries, without.relevant) == (with_corpus.queries, with_corpus.relevant)
    with pytest.raises(UsageError, match=r"corpus\.jsonl is not there"):
        beir.load(folder)


def test_splits(tmp_path):
    """Without qrels.tsv the split test is read, or the one that is named; its queries are those it judges."""
    texts = {"1": "one", "2": "two"}
    judged_folders.write(tmp_path, texts, {"a": "first", "b": "second"}, [("a", "1", 1)], "qrels/test.tsv")
    judged_folders.write(tmp_path, texts, {"a": "first", "b": "second"}, [("b", "2", 3)], "qrels/dev.tsv")
    test, dev = beir.load(tmp_path), beir.load(tmp_path, "dev")
    assert (test.relevant, list(test.queries)) == ({"a": {"1": 1}}, ["a"])
    assert (dev.relevant, list(dev.queries)) == ({"b": {"2": 3}}, ["b"])
    assert test.digest != dev.digest


def test_qrels_tsv_comes_before_splits(folder):
    """A folder with both is read by its qrels.tsv, unless a split is named."""
    judged_folders.write(folder, {"1": "a wing", "2": "b"}, {"q": "wing"}, [("q", "2", 1)], "qrels/test.tsv")
    assert beir.load(folder).relevant == {"q": {"1": 1}}
    assert beir.load(folder, "test").relevant == {"q": {"2": 1}}


def test_queries_that_are_documents(tmp_path):
    """A query is a document too where id and text are the same: one of them alone may be chance."""
    documents = {"1": "a claim", "2": "another text", "3": "its counterclaim"}
    queries = {"1": "a claim", "2": "a claim"}
    judged_folders.write(tmp_path, documents, queries, [("1", "3", 1), ("2", "3", 1)])
    assert beir.load(tmp_path).itself == {"1"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("corpus.jsonl", None, "corpus.jsonl is not there; a folder in BEIR's layout holds corpus.jsonl, "),
        ("queries.jsonl", None, "queries.jsonl is not there; a folder in BEIR's layout holds "),
        ("qrels.tsv", None, "qrels.tsv is not there; a folder in BEIR's layout holds "),
        ("corpus.jsonl", "{", "corpus.jsonl:1: is '{', but it must be an object with strings as _id and text"),
        ("corpus.jsonl", '\n{"_id": 7, "text": "t"}', 'corpus.jsonl:2: is \'{"_id": 7, '),
        ("queries.jsonl", "[]", "queries.jsonl:1: is '[]', but it must be an object"),
        ("queries.jsonl", b"\xff", "queries.jsonl: is not UTF-8 text"),
        ("qrels.tsv", b"\xff", "qrels.tsv: is not UTF-8 text"),
        ("qrels.tsv", "q\t1\t1\nq\t2\t1\n", "qrels.tsv:2: is no judgement; the file has a header"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq\t1\thigh\n", "qrels.tsv:2: is no judgement"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq\t1\t0\n", "qrels.tsv judges no document relevant"),
    ],
)
def test_what_is_no_collection(folder, name, content, told):
    """File and line are named, and what belongs there."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        beir.load(folder)
    assert told in str(caught.value)


def test_a_split_that_is_not_there(folder, tmp_path):
    """The splits that are there are named, or that there is one file without any."""
    with pytest.raises(UsageError, match=r"dev\.tsv is not there; .* has one qrels\.tsv and no splits: leave"):
        beir.load(folder, "dev")
    judged_folders.write(folder, {"1": "a wing"}, {"q": "wing"}, [("q", "1", 1)], "qrels/train.tsv")
    with pytest.raises(UsageError, match=r"dev\.tsv is not there; qrels of .* are train: --split train"):
        beir.load(folder, "dev")
