"""Nothing acknowledged is lost: the short form of tests/proofs/kill.py."""

from pathlib import Path

from proofs import kill


def test_kill_nine_in_the_middle_of_an_ingest(tiny, tmp_path: Path):
    """After each of three kills, every acknowledged document is found and none is half there."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
    calls = kill.prove([*models, "--data", str(tmp_path), "--log-level", "warning"], rounds=3, seed=1)
    assert calls > kill.WRITERS * 3  # the writers were at it when the server was killed
