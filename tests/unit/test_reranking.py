"""The bench of given lists: what is read, and the logits that scores stand for."""

import json
import math

import pytest

from shortlist.bench import reranking


def test_reading_lists(tmp_path):
    """Queries without a relevant document are left out, and irrelevant documents have no grade."""
    hits = [{"qid": 7, "docid": "a", "content": "x"}, {"qid": 7, "docid": "b", "content": "y"}]
    lists = [{"query": "q", "hits": hits}, {"query": "r", "hits": [{"qid": 8, "docid": "a", "content": "x"}]}]
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    (tmp_path / "qrels.txt").write_text("7 Q0 a 2\n7 Q0 b 0\n8 Q0 a 0\n")
    (one,) = reranking.read(tmp_path / "lists.json", tmp_path / "qrels.txt")
    assert one == reranking.Candidates("q", ["a", "b"], ["x", "y"], {"a": 2})


@pytest.mark.parametrize("logit", [-30.0, -1.5, 0.0, 4.0])
def test_logits_of_scores(logit):
    """A score gives its logit back."""
    assert reranking._logit(1 / (1 + math.exp(-logit))) == pytest.approx(logit)


def test_a_full_score_has_a_logit():
    """Scores of 0 and 1 are as far from the middle as 32 bits tell, not infinitely far."""
    assert -100 < reranking._logit(0.0) < -80
    assert 10 < reranking._logit(1.0) < 20


def test_a_missing_score_is_no_figure():
    """A candidate that was not scored stops the measurement."""
    with pytest.raises(RuntimeError, match="without a score"):
        reranking._logit(None)
