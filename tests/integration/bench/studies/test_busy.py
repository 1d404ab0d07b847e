"""The benchmarks of what a busy server does run on a real one and tell what they found."""

import json
import shutil

import pytest

from shortlist.bench.studies import deadlines, reindexes, stalls
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
    found = run(deadlines, monkeypatch, capsys, *models, *lists, "--passes", "2", "--plot", str(plot))
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


@pytest.fixture
def corpus(tmp_path):
    """Return the options that name 40 documents and 3 queries."""
    documents = [{"_id": str(number), "text": f"rivers and hills number {number}"} for number in range(40)]
    queries = [{"_id": str(number), "text": f"where is hill {number}"} for number in range(3)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return "--corpus", str(tmp_path / "corpus.jsonl"), "--queries", str(tmp_path / "queries.jsonl")


def test_stalls_are_measured(tiny, corpus, monkeypatch, capsys):
    """Searches are sent at rest and beside other work, and each part of them is told beside the longest run."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    sizes = ("--documents", "100", "--batch", "50", "--turns", "1", "--seconds", "0.5", "--writers", "2")
    busy = ("--rerankers", "2", "--passages", "20")
    found = run(stalls, monkeypatch, capsys, *models, *corpus, *sizes, *busy)
    assert min(found["searches_at_rest"], found["searches_when_busy"]) > 0
    assert found["ingested_per_s"] > 0
    assert found["reranked_per_s"] > 0
    assert found["longest_run_ms"] > 0
    assert [one["part"] for one in found["waits"]] == ["search", "queue", "infer", "retrieve"]
    assert all(one[when]["p50"] <= one[when]["p99"] for one in found["waits"] for when in ("rest", "busy"))


def test_reindexes_are_measured(tiny, corpus, tmp_path, monkeypatch, capsys):
    """Searches are sent at rest and beside reindexes there and back, and what both take is told."""
    shutil.copytree(tiny.embedder, tmp_path / "other")
    manifest = tmp_path / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"document_prefix": ""', '"document_prefix": "passage: "'))
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--other", str(tmp_path / "other"))
    sizes = ("--documents", "300", "--turns", "1", "--seconds", "0.5", "--rate", "200")
    found = run(reindexes, monkeypatch, capsys, *models, *corpus, *sizes)
    assert len(found["embedders"]) in {1, 2}  # one, where both run the same variant
    assert min(found["searches_at_rest"], found["searches_beside"]) > 0
    assert min(found["filled_per_s"], found["made_per_s"], found["made_per_s_beside_searches"]) > 0
    assert all(found[when]["p50"] <= found[when]["p99"] for when in ("rest_ms", "beside_ms"))


def test_a_file_that_is_not_there_is_named(tiny, files, monkeypatch, capsys):
    """A candidates file that cannot be read ends the command with its name, not with a traceback."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--candidates", "no.json"]
    monkeypatch.setattr("sys.argv", ["bench", *models, "--qrels", str(files / "qrels.txt")])
    assert deadlines.main() == 2
    assert "no.json" in capsys.readouterr().err
