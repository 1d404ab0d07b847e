"""The study of quality measures a judged collection through a real server."""

import json

import pytest

from shortlist.bench.studies import quality


@pytest.fixture
def collection(tmp_path):
    """Write a BEIR folder of 30 documents and 4 queries, each judged to want one document."""
    documents = [{"_id": str(number), "text": f"rivers and hills number {number}"} for number in range(30)]
    queries = [{"_id": str(number), "text": f"where is hill {number}"} for number in range(4)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    judgements = "".join(f"{number}\t{number}\t1\n" for number in range(4))
    (tmp_path / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judgements}")
    return tmp_path


def test_both_stages_are_measured(tiny, collection, monkeypatch, capfd):
    """Every query is asked of stage one, as many of both stages as were asked for, and 50 candidates hold all."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    monkeypatch.setattr("sys.argv", ["quality", "--collection", str(collection), *models, "--rerank-queries", "2"])
    assert quality.main() == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (found["documents"], found["queries"], found["reranked_queries"]) == (30, 4, 2)
    assert (found["recall_at_50"], found["reranked_candidates"]) == (1.0, 30.0)
    assert 0 <= found["ndcg_at_10_stage_two"] <= 1


def test_a_folder_without_judgements_is_named(tmp_path, monkeypatch, capsys):
    """A folder that is no collection ends the command with the file that is missing, before a server starts."""
    monkeypatch.setattr("sys.argv", ["quality", "--collection", str(tmp_path), "--embedder", "e", "--reranker", "r"])
    assert quality.main() == 2
    assert f"collection: {tmp_path}" in capsys.readouterr().err
