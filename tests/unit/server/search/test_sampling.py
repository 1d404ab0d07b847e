"""Which searches are done again, and that none waits for that."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shortlist.server.app import Components
from shortlist.server.search.sampling import Sampling
from shortlist.server.storage import graph
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from shortlist.server.storage.measuring import Search
from tiny_collections import DIMENSIONS, create, upsert, vector
from two_stages import LONG_S, now


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Return a collection whose index is walked."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    made = create(tmp_path / "c")
    upsert(made, *(Document(str(number), f"text {number}") for number in range(600)))
    return made


class Gate:
    """What a collection measures: it waits until it may end."""

    def __init__(self, collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand before the real one."""
        self.batches: list[int] = []
        self.began, self.may_end = threading.Event(), threading.Event()
        self._measure = collection.measured.measure
        monkeypatch.setattr(collection.measured, "measure", self.measure)

    def measure(self, searches: list, *given: object) -> None:
        """Count a batch, wait, and do it."""
        self.batches.append(len(searches))
        self.began.set()
        assert self.may_end.wait(60)
        self._measure(searches, *given)  # type: ignore[arg-type]


async def ended(sampling: Sampling) -> None:
    """Wait until nothing is under way."""
    await asyncio.get_running_loop().run_in_executor(sampling._thread, lambda: None)
    await asyncio.sleep(0)  # what follows the end runs on this loop


async def test_the_first_searches_are_done_again_and_then_a_share(collection: Collection):
    """Sixteen are done again at once, and by then the recall is known; of the next ones about a tenth are."""
    sampling = Sampling(0.1, 10.0)
    sampling._rng.seed(1)
    taken = [sampling.offer(collection.measured, Search(vector(str(number))), None) for number in range(16)]
    assert all(taken)
    await ended(sampling)
    assert collection.measured.report().samples == 16
    assert collection.measured.report().state == "met"
    taken = [sampling.offer(collection.measured, Search(vector(str(number))), None) for number in range(200)]
    assert 5 <= sum(taken) <= 40
    sampling.close()


async def test_at_most_a_batch_waits_behind_another(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """However many searches come while some are done again, as many as one batch are kept, and done next."""
    gate, sampling = Gate(collection, monkeypatch), Sampling(1.0, 10.0)
    for number in range(500):
        assert sampling.offer(collection.measured, Search(vector(str(number))), None)
    assert gate.began.wait(60)
    gate.may_end.set()
    await ended(sampling)
    await ended(sampling)
    assert gate.batches == [16, 32]
    sampling.close()


async def test_what_misses_nothing_is_not_done_again(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """Searches that compared all that match, or all there is, are samples for others; with a share of 0 none is."""
    query, gate = Search(vector("query")), Gate(collection, monkeypatch)
    assert not Sampling(0.0, 10.0).offer(collection.measured, query, None)
    sampling = Sampling(1.0, 10.0)
    for _ in range(40):
        assert sampling.offer(collection.measured, query, "exact")
    monkeypatch.setattr(graph, "_EXACT_COUNT", 1000)
    for _ in range(40):
        assert sampling.offer(collection.measured, query, None)
    await ended(sampling)
    assert gate.batches == []
    sampling.close()


async def test_a_collection_that_is_gone_fails_nothing(collection: Collection, caplog: pytest.LogCaptureFixture):
    """Searches of another length than the vectors of today are logged, and others are done again after that."""
    sampling = Sampling(1.0, 10.0)
    for _ in range(16):
        sampling.offer(collection.measured, Search(np.ones(DIMENSIONS + 1, np.float32)), None)
    await ended(sampling)
    assert "collection c: 16 searches could not be done again" in caplog.text
    for number in range(16):
        sampling.offer(collection.measured, Search(vector(str(number))), None)
    await ended(sampling)
    assert collection.measured.report().samples == 16
    sampling.close()


async def test_a_search_waits_for_no_sample(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """While searches are done again, others are answered, documents are written, and what is found is the same."""
    monkeypatch.setattr(graph, "_EXACT_COUNT", 0)
    await filled(60)
    pipeline = components.pipeline
    gate = Gate(pipeline.contents.collection("c"), monkeypatch)
    before = [await search(mode="dense") for _ in range(16)]
    assert gate.began.wait(60)
    after = [await search(mode="dense") for _ in range(40)]
    assert {tuple(hit.document.id for hit in one.hits) for one in (*before, *after)} == {
        tuple(hit.document.id for hit in before[0].hits)
    }
    await pipeline.upsert("c", [Document("new", "a river")], now(components) + LONG_S)
    gate.may_end.set()
    await ended(pipeline._sampling)
    told = pipeline.contents.collection("c").measured.report()
    assert (told.state, told.mean) == ("met", 1.0)
