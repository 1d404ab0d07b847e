"""Data to train on: both layouts, and everything that is refused by name."""

import json
import shutil
from dataclasses import replace

import pytest

from parsed import parsed
from shortlist.console.errors import UsageError
from shortlist.finetune import reading
from shortlist.finetune.errors import FinetuneError
from shortlist.finetune.settings import FinetuneSettings
from shortlist.server.errors import SettingsError


@pytest.fixture
def folder(tmp_path):
    """Write a collection that is as it should be."""
    lines(tmp_path / "corpus.jsonl", {"_id": "d1", "title": "A", "text": "b"}, {"_id": "d2", "text": "c"})
    lines(tmp_path / "queries.jsonl", {"_id": "q1", "text": "what is b"})
    judge(tmp_path, "q1\td1\t2", "q1\td2\t0")
    return tmp_path


def lines(path, *entries):
    """Write JSON lines."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def judge(folder, *rows):
    """Write qrels."""
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")


def read(folder):
    """Read the folder's collection."""
    return reading.beir(folder / "queries.jsonl", folder / "corpus.jsonl", folder / "qrels.tsv")


def test_beir(folder):
    """Titles stand before texts, and grades above 0 are relevant."""
    found = read(folder)
    assert found.documents == {"d1": "A b", "d2": "c"}
    assert found.relevant == {"q1": {"d1": 2}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["q1\td1\t1", "q2\td1\t1"], r"qrels.tsv:3: query 'q2' is not in .*queries.jsonl"),
        (["q1\td9\t1"], r"qrels.tsv:2: document 'd9' is not in .*corpus.jsonl"),
        (["q1\td2\t0"], "judges no document relevant"),
        (["q1\td1\tyes"], "qrels.tsv:2: not a judgement"),
        (["q1 d1 1"], "qrels.tsv:2: not a judgement"),
    ],
)
def test_bad_judgements_are_named(folder, rows, message):
    """Judgements of something unknown, or none that counts, and a malformed line are refused."""
    judge(folder, *rows)
    with pytest.raises(FinetuneError, match=message):
        read(folder)


def test_bad_files_are_named(folder):
    """An empty corpus, a line that is not JSON, an empty query and a missing file are refused."""
    (folder / "corpus.jsonl").write_text("\n")
    with pytest.raises(FinetuneError, match=r"corpus .*corpus.jsonl is empty"):
        read(folder)
    (folder / "corpus.jsonl").write_text("{}\n{")
    with pytest.raises(FinetuneError, match=r"corpus.jsonl:1: _id is None"):
        read(folder)
    lines(folder / "corpus.jsonl", {"_id": "d1", "text": "b"})
    lines(folder / "queries.jsonl", {"_id": "q1", "text": " "})
    with pytest.raises(FinetuneError, match=r"queries.jsonl:1: text is ' '"):
        read(folder)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(FinetuneError, match=r"queries.jsonl cannot be read: No such file"):
        read(folder)


def test_pairs(tmp_path):
    """The same text is one document in every line, and one positive needs no list."""
    path = tmp_path / "pairs.jsonl"
    lines(path, {"query": "q", "positive": "a", "negatives": ["b"]}, {"query": "r", "positive": ["b"]})
    found = reading.pairs(path)
    assert found.documents == {"0": "a", "1": "b"}
    assert found.relevant == {"1": {"0": 1}, "2": {"1": 1}}
    assert found.negatives == {"1": ("1",), "2": ()}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"query": "q", "positive": []}, "pairs.jsonl:1: the query has no positive"),
        ({"positive": "a"}, "pairs.jsonl:1: query is None"),
        ({"query": "q", "positive": "a", "negatives": [1]}, "pairs.jsonl:1: negatives must be"),
    ],
)
def test_bad_pairs_are_named(tmp_path, entry, message):
    """A line without query or positive, or with something else than texts, is refused."""
    lines(tmp_path / "pairs.jsonl", entry)
    with pytest.raises(FinetuneError, match=message):
        reading.pairs(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passages": 1}, r'Invalid value "1" for --passages\. Must be 2 or more\.'),
        ({"distill": 1.5}, r'Invalid value "1\.5" for --distill\. Must be 0 to 1\.'),
        ({"epochs": 0}, r'Invalid value "0\.0" for --epochs\. Must be > 0\.'),
        ({"interaction": "early"}, 'Invalid value "early" for --interaction'),
        ({"candidates": "all"}, 'Invalid value "all" for --candidates'),
    ],
)
def test_bad_settings_are_named(tmp_path, changes, message):
    """Settings that nothing can be trained with are refused."""
    with pytest.raises((UsageError, SettingsError), match=message):
        parsed(FinetuneSettings, base="b", out=tmp_path, **changes)


def test_a_few_unknown_judgements_are_left_out(folder):
    """Of a hundred judgements one may name something unknown: it is left out, and told."""
    lines(folder / "queries.jsonl", *({"_id": f"q{number}", "text": "what"} for number in range(100)))
    judge(folder, *(f"q{number}\td1\t1" for number in range(99)), "q99\td9\t1")
    found = read(folder)
    assert len(found.relevant) == len(found.queries) == 99
    (left_out,) = found.left_out
    assert "document 'd9' is not in" in left_out


def test_sets_and_their_weights(folder):
    """Several folders are sets of their names, with the weights behind them; kinds and titles are kept."""
    lines(folder / "queries.jsonl", {"_id": "q1", "text": "a", "kind": "shown"}, {"_id": "q2", "text": "b"})
    judge(folder, "q1\td1\t1", "q2\td2\t1")
    other = folder / "other"
    shutil.copytree(folder, other / "qrels", ignore=shutil.ignore_patterns("other"))
    for name in ("queries.jsonl", "corpus.jsonl"):
        (other / "qrels" / name).rename(other / name)
    (other / "qrels" / "qrels.tsv").rename(other / "qrels" / "train.tsv")
    plain = FinetuneSettings(base="b", out=folder, passages=2, held_out=2, sets=(str(folder), f"{other}=0.5"))
    first, second = reading.read(plain)
    assert (first.name, first.weight, second.name, second.weight) == (folder.name, 0.0, "other", 0.5)
    assert first.kinds == {"q1": "shown", "q2": ""}
    assert first.titles == {"d1": "A"}
    for wrong, message in ((f"{other}=much", "must be a number above 0"), (str(other), "two of the sets")):
        with pytest.raises(FinetuneError, match=message):
            reading.read(replace(plain, sets=(str(other), wrong)))
