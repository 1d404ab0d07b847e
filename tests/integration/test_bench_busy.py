"""The benchmarks of deadlines and urgency run on a real server and tell what they found."""

import json

import pytest

from shortlist.bench import deadlines, urgency
from shortlist.bench.deadlines import Answer


@pytest.fixture
def files(tmp_path):
    """Write three candidate lists and their judgements."""
    lists, qrels = [], []
    for query in range(3):
        hits = [{"qid": query, "docid": f"{query}-{n}", "content": f"rivers and hills number {n}"} for n in range(10)]
        lists.append({"query": f"where is hill {query}", "hits": hits})
        qrels.append(f"{query} 0 {query}-3 2\n")
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    (tmp_path / "qrels.txt").write_text("".join(qrels))
    return tmp_path


def run(module, monkeypatch, capsys, *arguments: str) -> dict:
    """Run a benchmark's main and return its JSON."""
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    assert module.main() == 0
    return json.loads(capsys.readouterr().out)


def test_deadlines_are_measured(tiny, files, monkeypatch, capsys):
    """Every deadline has a level with all requests in it, and a plot is drawn."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    lists = ("--candidates", str(files / "lists.json"), "--qrels", str(files / "qrels.txt"))
    plot = files / "plot.png"
    found = run(deadlines, monkeypatch, capsys, *models, *lists, "--passes", "2", "--plot", str(plot), "--json")
    assert [level["deadline_ms"] for level in found["levels"]] == list(deadlines.DEADLINES_MS)
    assert {level["requests"] for level in found["levels"]} == {6}
    assert 0 < found["levels"][-1]["ndcg_at_10"] <= 1
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_late_answer_is_not_in_time():
    """The share in time counts what the client had before its deadline, of all that it sent."""
    answers = [
        Answer(90, 5, 0.5, answered=True),
        Answer(110, 9, 0.7, answered=True),
        Answer(99, 0, 0, answered=False),
    ]
    level = deadlines.summary(100, answers)
    assert (level.in_time, level.refused) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (level.reranked, level.ndcg_at_10, level.worst_ms) == (7, pytest.approx(0.6), 110)


def test_urgency_is_measured(tiny, files, monkeypatch, capsys):
    """All three lanes did work, and the queries' waits are told beside the longest run."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    found = run(urgency, monkeypatch, capsys, *models, "--candidates", str(files / "lists.json"), "--seconds", "0.5")
    assert found["queries"] > 0
    assert found["reranked_pairs_per_s"] > 0
    assert found["ingested_documents_per_s"] > 0
    assert found["wait_p50_ms"] <= found["wait_p99_ms"] <= found["wait_worst_ms"]
    assert found["longest_run_ms"] > 0


@pytest.mark.parametrize("module", [deadlines, urgency])
def test_a_file_that_is_not_there_is_named(module, tiny, files, monkeypatch, capsys):
    """A candidates file that cannot be read ends the command with its name, not with a traceback."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--candidates", "no.json"]
    judged = ["--qrels", str(files / "qrels.txt")] if module is deadlines else []
    monkeypatch.setattr("sys.argv", ["bench", *models, *judged])
    with pytest.raises(SystemExit):
        module.main()
    assert "no.json" in capsys.readouterr().err
