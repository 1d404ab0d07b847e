"""The texts that peers are asked about: fair samples of every length, and files that are none."""

import json

import numpy as np
import pytest

from shortlist.bench.studies.peers import questions
from shortlist.bench.studies.peers.peer import PeersError
from shortlist.console.errors import UsageError


def test_every_beginning_is_a_fair_sample():
    """Whatever number of lists a peer gets to, their mean is near that of all; none is lost."""
    ordered = [float(number) for number in range(86)]
    found = questions.evenly(ordered)
    assert sorted(found) == ordered
    for count in (8, 16, 30, 60):
        assert abs(np.mean(found[:count]) - np.mean(ordered)) < 0.1 * np.mean(ordered)


def test_a_long_list_gives_several(tmp_path):
    """Lists are cut into as many as they hold; what is left over is not used."""
    hits = [{"content": f"passage {number}"} for number in range(7)]
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([{"query": "first", "hits": hits}, {"query": "second", "hits": hits[:2]}]))
    found = questions.read_candidates(path, 3)
    assert sorted(one.texts for one in found) == [
        ("passage 0", "passage 1", "passage 2"),
        ("passage 3", "passage 4", "passage 5"),
    ]


@pytest.mark.parametrize("content", ["no json", '{"a": 1}', '[{"query": "q"}]'])
def test_a_file_of_something_else_is_named(tmp_path, content):
    """Candidates that are none end in one line with the file's name."""
    path = tmp_path / "lists.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"lists\.json is no file of candidate lists"):
        questions.read_candidates(path, 3)


def test_lists_that_are_too_short_are_named(tmp_path):
    """Where no list has enough passages, the message says which setting to lower."""
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([{"query": "q", "hits": [{"content": "a"}]}]))
    with pytest.raises(PeersError, match="no list of 2 passages; lower --passages"):
        questions.read_candidates(path, 2)


def test_a_collection_is_split(tmp_path):
    """Passages come from all over the corpus; queries that they answer are searched for, the others are texts."""
    corpus = [{"_id": f"d{number}", "text": f"text {number}"} for number in range(6)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(one) + "\n" for one in corpus))
    queries = [{"_id": f"q{number}", "text": f"query {number}"} for number in range(6)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    rows = "".join(f"q{number}\td{number}\t1\n" for number in range(6))
    (tmp_path / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    found = questions.read_collection(tmp_path, 3)
    assert [one.id for one in found.documents] == ["d0", "d2", "d4"]
    assert found.queries == ["query 0", "query 2", "query 4"]
    assert found.texts == ["query 1", "query 3", "query 5"]
