"""The study of filters, on few real texts: recall is held under every condition, whatever it keeps."""

import json

import pytest

from shortlist.bench.studies import filters


def test_recall_is_held_under_every_condition(bundles, shared_data, tmp_path, monkeypatch, capfd):
    """Of pieces of real passages, the ten nearest that match are found, or all where there are fewer."""
    folders = f"{shared_data / 'xquad-en'},{shared_data / 'xquad-de'}"
    models = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    monkeypatch.setattr(
        "sys.argv", ["filters", "--folders", folders, *models, "--queries", "20", "--documents", "480"]
    )
    assert filters.main() == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (found["documents"], found["queries"]) == (480, 20)
    kept = {row["condition"]: row["kept"] for row in found["rows"]}
    assert kept["50.0% at random"] == pytest.approx(0.5, abs=0.05)
    assert kept["own set"] + kept["another set"] == 1
    assert kept["all but own set"] == kept["another set"]
    for row in found["rows"]:
        assert row["recall_at_10"] >= 0.99, row
        assert row["all_found"], row
