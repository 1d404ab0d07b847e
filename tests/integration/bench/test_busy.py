"""The benchmarks of what a busy server does run on a real one and tell what they found."""

import json

import pytest

from shortlist.bench.studies import copies, deadlines, stalls, urgency
from shortlist.bench.studies.deadlines import Answer


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


@pytest.fixture
def corpus(tmp_path):
    """Return the options that name 40 documents and 3 queries."""
    documents = [{"_id": str(number), "text": f"rivers and hills number {number}"} for number in range(40)]
    queries = [{"_id": str(number), "text": f"where is hill {number}"} for number in range(3)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return "--corpus", str(tmp_path / "corpus.jsonl"), "--queries", str(tmp_path / "queries.jsonl")


def test_stalls_are_measured(tiny, corpus, monkeypatch, capsys):
    """Searches were sent at rest and while documents were written, and each part of them is told."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    sizes = ("--documents", "100", "--batch", "50", "--turns", "1", "--seconds", "0.5", "--writers", "2", "--json")
    found = run(stalls, monkeypatch, capsys, *models, *corpus, *sizes)
    assert (found["searches_at_rest"], found["searches_under_ingest"]) == (10, 10)
    assert found["ingested_per_s"] > 0
    assert [one["part"] for one in found["waits"]] == ["search", "queue", "infer", "retrieve"]
    assert all(
        one["rest_p50"] <= one["rest_p99"] and one["ingest_p50"] <= one["ingest_p99"] for one in found["waits"]
    )


def test_copies_are_measured(tiny, corpus, monkeypatch, capsys):
    """Of each order there is a row of the server's index, which finds all, and one of usearch's way."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    sizes = ("--near", "30", "--copies", "20", "--json")
    rows = run(copies, monkeypatch, capsys, *models, *corpus, *sizes)["rows"]
    assert [row["boilerplate"] for row in rows[::2]] == ["none", "first", "mixed", "last"]
    assert [row["documents"] for row in rows] == [40, 40, *[90] * 6]
    assert {(row["index"], row["recall"], row["lost"]) for row in rows[::2]} == {("server", 1.0, 0.0)}
    assert {row["index"] for row in rows[1::2]} == {"all cores"}


@pytest.mark.parametrize("module", [deadlines, urgency])
def test_a_file_that_is_not_there_is_named(module, tiny, files, monkeypatch, capsys):
    """A candidates file that cannot be read ends the command with its name, not with a traceback."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--candidates", "no.json"]
    judged = ["--qrels", str(files / "qrels.txt")] if module is deadlines else []
    monkeypatch.setattr("sys.argv", ["bench", *models, *judged])
    assert module.main() == 2
    assert "no.json" in capsys.readouterr().err
