"""The studies of whole collections, in short: what many small ones take, and what deleted documents leave."""

import json

import pytest

from shortlist.bench.studies import deletions, small_collections


def test_many_small_collections(bundles, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture):
    """Each collection takes a few files, and its documents are found at the first search and the second."""
    models = ("--embedder", str(bundles.embedder), "--reranker", str(bundles.reranker))
    monkeypatch.setattr("sys.argv", ["small_collections", *models, "--collections", "0,6", "--asked", "3"])
    assert small_collections.main() == 0
    none, six = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (none["collections"], six["collections"]) == (0, 6)
    assert none["open_files"] < six["open_files"] <= none["open_files"] + 6 * 8
    assert 0 < six["first_p50_ms"] <= six["first_p99_ms"]
    assert "first_p50_ms" not in none


def test_what_deleted_documents_leave(
    tiny, shared_data, tmp_path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    """After half of the documents are deleted, the index's file is that of a collection that never had them."""
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    given = ("--folders", str(shared_data / "squad-dev"), "--documents", "4000", "--queries", "10")
    monkeypatch.setattr("sys.argv", ["deletions", *models, *given])
    assert deletions.main() == 0
    half, deleted = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (half["documents"], deleted["documents"]) == (2000, 4000)
    assert deleted["left_file_mb"] == pytest.approx(half["file_mb"], rel=0.05)
    assert half["recall_at_50"] == deleted["recall_at_50"] == 1  # all are compared
