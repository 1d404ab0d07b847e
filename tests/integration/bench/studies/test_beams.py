"""The study of beams, on few texts: what is found with each, and that the server comes to one that is enough."""

import json

import numpy as np
import pytest

from shortlist.bench.studies import beams
from shortlist.server.storage import graph
from shortlist.server.storage.recall import BEAMS


@pytest.fixture
def study(tiny, tmp_path, monkeypatch):
    """Return what runs the study on a few hundred pieces, and returns its exit code."""
    words = ["river", "valley", "runs", "between", "hills", "where", "it", "ends", "there", "lake"]
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(words, 6)) + ". " + " ".join(rng.choice(words, 6)) for _ in range(300)]
    for name in ("corpus", "queries"):
        lines = [json.dumps({"_id": str(number), "text": text}) for number, text in enumerate(texts)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    pairs = "".join(f"{number}\t{number}\t1\n" for number in range(300))
    (tmp_path / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{pairs}")

    def run(*arguments: str) -> int:
        given = ["--folders", str(tmp_path), "--pieces", str(tmp_path / "pieces"), "--data", str(tmp_path / "data")]
        models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
        monkeypatch.setattr(
            "sys.argv", ["beams", *given, *models, "--documents", "500", "--queries", "10", *arguments]
        )
        return beams.main()

    return run


def test_beams_are_measured(study, monkeypatch, capsys):
    """Every beam has a recall and a time, and from the narrowest on the target is met by the searches themselves."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    monkeypatch.setattr(beams, "_AT_REST", 5)
    assert study() == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["documents"], told["queries"]) == (500, 10)
    assert [one["beam"] for one in told["beams"]] == list(BEAMS)
    assert all(0.5 < one["recall_at_50"] <= 1 and one["p50_ms"] > 0 for one in told["beams"])
    assert told["beams"][-1]["recall_at_50"] == 1  # more than there are: all are compared
    assert (told["held"]["state"], told["held"]["samples"]) == ("met", 16)
    assert told["held"]["recall_at_50"] >= 0.99


def test_a_collection_that_misses_nothing_is_refused(study, capsys):
    """Where all vectors are compared there is nothing to measure."""
    assert study() == 2
    assert "documents is 500: so few are all compared, and nothing is missed" in capsys.readouterr().err
