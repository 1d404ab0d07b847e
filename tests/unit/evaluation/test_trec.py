"""TREC run files, read by trec_eval's own reader."""

import pytest
import pytrec_eval

from shortlist.console.errors import UsageError
from shortlist.evaluation import trec


def test_a_run_is_read_in_its_order(tmp_path):
    """Sorted by its scores, as readers do, each query has its documents in the order they had, without ties."""
    rankings = {"q1": ["b", "a", "c"], "q2": ["z"], "q3": []}
    trec.prepare(tmp_path / "new" / "runs", rankings)
    trec.write(tmp_path / "new" / "runs", "dense", rankings)
    with (tmp_path / "new" / "runs" / "dense.run").open() as stream:
        read = pytrec_eval.parse_run(stream)
    ordered = {query: sorted(scores, key=lambda one: -scores[one]) for query, scores in read.items()}
    assert ordered == {"q1": ["b", "a", "c"], "q2": ["z"]}
    assert all(len(set(scores.values())) == len(scores) for scores in read.values())


def test_ids_with_white_space(tmp_path):
    """A query or document that would move the columns is refused by name."""
    with pytest.raises(UsageError, match="run_out: 'a query' has white space"):
        trec.prepare(tmp_path, ["a query"])
    with pytest.raises(UsageError, match="run_out: 'd 1' has white space"):
        trec.write(tmp_path, "dense", {"q": ["d 1"]})


def test_a_folder_that_cannot_be_made(tmp_path):
    """What stands in the way is told before anything is measured."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made: Not a directory"):
        trec.prepare(tmp_path / "file" / "runs", [])
