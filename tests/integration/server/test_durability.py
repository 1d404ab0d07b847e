"""Nothing acknowledged is lost: the short forms of tests/proofs/kill.py and tests/proofs/full_disk.py."""

from pathlib import Path

import pytest

from proofs import damage, full_disk, kill


def test_kill_nine_in_the_middle_of_an_ingest(tiny, tiny_late: Path, tmp_path: Path):
    """After each of eight kills, and a damage each, all that was acknowledged is found and none is half there."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
    models += ["--late-interaction", str(tiny_late), "--log-level", "error"]
    proved = kill.prove(models, tmp_path, rounds=len(damage.KINDS), seed=1)
    assert set(proved.damages) == {kind.name for kind in damage.KINDS}
    assert proved.calls.total() > kill.WRITERS * len(
        damage.KINDS
    )  # the writers were at it when the server was killed
    assert proved.own > kill.OTHERS
    assert min(proved.calls[kind] for kind in ("upsert", "update", "delete")) > 0


def test_a_full_disk(tiny, tmp_path: Path):
    """On a full disk writes fail whole and reads go on; once there is room, writes do too; a kill loses nothing."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--log-level", "error"]
    try:
        with full_disk.small_disk(tmp_path):
            assert full_disk.prove(models, tmp_path) > 1
    except full_disk.NotAllowed as error:
        pytest.skip(str(error))
