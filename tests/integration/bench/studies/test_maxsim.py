"""The study of MaxSim, on few real texts."""

import json

from shortlist.bench.studies import maxsim


def test_all_vectors_of_the_candidates_are_read(bundles, shared_data, monkeypatch, capfd):
    """Every passage gets a vector a token, and a search over all of them reads them all, with little beside."""
    models = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    options = ("--folders", str(shared_data / "xquad-en"), "--candidates", "10,240", "--searches", "2")
    monkeypatch.setattr("sys.argv", ["maxsim", *options, *models])
    assert maxsim.main() == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert found["passages"] == 240
    few, every = found["rows"]
    assert every["vectors"] == 240 * found["mean_vectors"] > few["vectors"] > 0
    assert found["mb"] < found["file_mb"] < 1.3 * found["mb"]
