"""How a server is put together."""

from collections import Counter
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from conftest import Bundles
from shortlist.server import app, cores
from shortlist.server.runtime import graph
from shortlist.server.runtime.session import Session
from shortlist.server.settings import Settings


def test_every_graph_is_opened_once(tiny: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A start that has to time the variants on its processor goes on with what it timed, and opens none again."""
    opened: Counter[Path] = Counter()

    def counted(path: Path, *given: object) -> Session:
        opened[path] += 1
        return Session(path, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(graph, "Session", counted)
    monkeypatch.setattr(cores, "processor", lambda: "another one")
    settings = Settings(embedder=tiny.embedder, reranker=tiny.reranker, data=tmp_path / "data", slots=1)
    app.build(settings).close()
    assert {path.parent for path in opened} == {tiny.embedder, tiny.reranker}
    assert len(opened) > 2
    assert set(opened.values()) == {1}


def test_products_stay_on_the_thread_that_asks(tiny: Bundles, tmp_path: Path):
    """A server's matrix products start no threads, whatever the machine's cores or the environment say."""
    with threadpool_limits(2, "blas"):
        settings = Settings(embedder=tiny.embedder, reranker=tiny.reranker, data=tmp_path / "data", slots=1)
        app.build(settings).close()
        assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {1}
