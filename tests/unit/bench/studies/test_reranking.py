"""The bench of given lists: what is read, and the logits that scores stand for."""

import json
import math
import sys

import pytest

from shortlist.bench.candidates import Candidates
from shortlist.bench.studies import deadlines, reranking
from shortlist.console.errors import UsageError


def test_reading_lists(tmp_path):
    """Queries without a relevant document are left out, and irrelevant documents have no grade."""
    hits = [{"qid": 7, "docid": "a", "content": "x"}, {"qid": 7, "docid": "b", "content": "y"}]
    lists = [{"query": "q", "hits": hits}, {"query": "r", "hits": [{"qid": 8, "docid": "a", "content": "x"}]}]
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    (tmp_path / "qrels.txt").write_text("7 Q0 a 2\n7 Q0 b 0\n8 Q0 a 0\n")
    (one,) = reranking.read(tmp_path / "lists.json", tmp_path / "qrels.txt")
    assert one == Candidates("q", ("x", "y"), ("a", "b"), "7", {"a": 2})


@pytest.fixture
def lists(tmp_path):
    """Write candidates of one query."""
    path = tmp_path / "lists.json"
    path.write_text(json.dumps([{"query": "q", "hits": [{"qid": 7, "docid": "a", "content": "x"}]}]))
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"7 Q0 a 2\n7 a 1\n", r"qrels .*qrels\.txt, line 2 is '7 a 1', but it must be a query, .*: 7 Q0 d1 2$"),
        (b"7 Q0 a two\n", r"line 1 is '7 Q0 a two', but"),
        (b"query-id\tcorpus-id\tscore\n", r"line 1 is 'query-id\\tcorpus-id\\tscore', but"),
        (b"7 Q0 a 2\n\n", r"line 2 is '', but"),
        (b"\xff\xfe\x00", r"qrels\.txt is not UTF-8 text"),
        (b"8 Q0 a 2\n", r"qrels\.txt judge no query of candidates .*lists\.json"),
        (b"", r"qrels\.txt judge no query of candidates"),
    ],
)
def test_qrels_of_another_form(tmp_path, lists, content, told):
    """What is no judgement is told by file and line, with what a line must be; so are qrels of other queries."""
    (tmp_path / "qrels.txt").write_bytes(content)
    with pytest.raises(UsageError, match=told):
        reranking.read(lists, tmp_path / "qrels.txt")


@pytest.mark.parametrize("command", [reranking, deadlines])
def test_bad_qrels_end_the_commands_in_one_line(tmp_path, lists, command, monkeypatch, capsys):
    """Both benchmarks of judged lists end with exit code 2 and the reason, before a server starts."""
    files = ["--candidates", str(lists), "--qrels", str(tmp_path / "none.txt")]
    monkeypatch.setattr("sys.argv", ["bench", *files, "--embedder", "e", "--reranker", "r"])
    assert command.main() == 2
    assert f"qrels {tmp_path / 'none.txt'} cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("plot", "told"),
    [
        ("plot.jpg", "must end in .png"),
        ("none/plot.png", "there is no folder"),
        ("plot.png", "matplotlib is not installed, and `bench.deadlines --plot` needs it"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_told_first(tmp_path, lists, plot, told, monkeypatch, capsys):
    """A name, a folder or a library that a plot lacks ends the command before anything is read or measured."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files = ["--candidates", str(lists), "--qrels", str(tmp_path / "none.txt"), "--plot", str(tmp_path / plot)]
    monkeypatch.setattr("sys.argv", ["bench", *files, "--embedder", "e", "--reranker", "r"])
    assert deadlines.main() == 2
    assert told in capsys.readouterr().err


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
