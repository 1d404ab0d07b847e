"""A large index and kills: it is saved by a child process, and made anew, beside what a server does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shortlist.bench import local
from shortlist.client import Client, Document
from shortlist.server.storage import inspection

if TYPE_CHECKING:
    import subprocess

COUNT, DELETED = 24_000, 10_000  # more than are saved in the server's own process; more than a third
WAIT_S = 120.0


@contextmanager
def served(tiny, data: Path) -> Iterator[tuple[Client, "subprocess.Popen[str]"]]:
    """Run a server on a data folder; it is stopped at the end, if it was not killed."""
    options = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(data)]
    with local.start([*options, "--log-level", "error"]) as process:
        with Client(local.address(process), timeout_s=WAIT_S) as client:
            yield client, process
        process.terminate()


def sound(tiny, data: Path, count: int, most_bytes: float) -> None:
    """Start a server once more, wait until its index has its size, and check that it finds every document."""
    with served(tiny, data) as (client, _):
        assert client.count("c") == count
        end = time.monotonic() + WAIT_S
        while (index := data / "collections" / "c" / "vectors.usearch").stat().st_size > most_bytes:
            assert time.monotonic() < end, "the index was not made anew"
            time.sleep(0.05)
    found = inspection.inspect(data)
    wrong = [finding for finding in found.findings if not finding.path.endswith("/words")]  # which come later
    assert (wrong, found.documents) == ([], count)
    assert not list(index.parent.glob("*.new*"))


def test_kills_beside_the_upkeep_of_a_large_index(tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Killed behind an ingest, and while its index is made anew, a server has every document at the next start."""
    random = np.random.default_rng(5)
    with served(tiny, tmp_path) as (client, process):
        dimensions = client.describe().embedder.dimensions
        made = random.standard_normal((COUNT, dimensions)).astype(np.float32)
        documents = [Document(str(place), f"text {place}", vector=one.tolist()) for place, one in enumerate(made)]
        assert all(not result.error for result in client.ingest("c", documents, create=True))
        process.kill()
    sound(tiny, tmp_path, COUNT, float("inf"))
    size = (tmp_path / "collections" / "c" / "vectors.usearch").stat().st_size
    with served(tiny, tmp_path) as (client, process):
        for start in range(0, DELETED, 500):
            client.delete("c", [str(place) for place in range(start, start + 500)])
        process.kill()
    sound(tiny, tmp_path, COUNT - DELETED, size * (COUNT - DELETED / 2) / COUNT)
    assert "fork" not in capfd.readouterr().err  # of gRPC, which would stop calls while a process is split
