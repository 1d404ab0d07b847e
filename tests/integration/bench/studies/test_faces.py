"""The measurement of faces on a real server with tiny models."""

import json

import pytest

from shortlist.bench.studies import faces


def test_every_face_is_measured(tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Each face answers the same questions, and is told beside gRPC, which adds nothing to itself."""
    quick = ("--documents", "3", "--texts", "3", "--rounds", "2", "--embed-rounds", "2", "--words", "3")
    models = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker))
    monkeypatch.setattr("sys.argv", ["bench", *models, *quick])
    assert faces.main() == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert [one["face"] for one in found["rerank"]] == [face.name for face in faces.RERANK]
    assert [one["face"] for one in found["embed"]] == [face.name for face in faces.EMBED]
    assert found["rerank"][0]["adds_ms"] == found["embed"][0]["adds_ms"] == 0
    for one in (*found["rerank"], *found["embed"]):
        assert one["p50_ms"] > 0
        assert one["answer_bytes"] > 0
    assert "face cohere" in printed.err
