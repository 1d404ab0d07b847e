"""Searches of the shipped texts: what a pipeline is asked, what its runs cost, and which hits it read."""

from collections.abc import Sequence

import pytest

from shortlist.server.app import Components
from shortlist.server.runtime.cost import Cost
from shortlist.server.runtime.graph import Graph
from shortlist.server.search.query import Found, Hit
from shortlist.server.storage.document import Document
from shortlist.texts import shipped

ENTRIES = shipped.entries()
DOCUMENTS = [Document(str(place), entry.text) for place, entry in enumerate(ENTRIES)]
LONG_S = 1000.0
EVERYTHING = 2.0  # a margin that keeps nothing out


def now(components: Components) -> float:
    """Return the time of the scheduler's clock."""
    return components.scheduler.clock()


def runs(components: Components) -> tuple[int, ...]:
    """Return how many runs there were, by lane."""
    return components.scheduler.statistics().runs


def costs(monkeypatch: pytest.MonkeyPatch, graph: Graph, seconds_a_token: float) -> None:
    """Set what a graph's runs cost, whatever their length."""
    told = Cost()
    told.observe(1, 1, seconds_a_token)
    monkeypatch.setattr(graph, "cost", told)


def pairs_in(components: Components, found: Found, seconds: float) -> int:
    """Return how many of the candidates are expected to be read in so many seconds, first to last."""
    by_rank = sorted(found.hits, key=lambda hit: hit.rank)
    total = count = 0
    for each in components.pipeline.scorer.seconds(ENTRIES[0].query, [hit.document.content for hit in by_rank]):
        total += each
        count += total <= seconds
    return count


def assert_read_first(hits: Sequence[Hit], read: int, count: int) -> None:
    """Check that of so many hits the nearest were read and stand first, and the rest follow in stage one's order."""
    assert {hit.rank for hit in hits[:read]} == set(range(1, read + 1))
    assert all(hit.score is not None for hit in hits[:read])
    assert [hit.rank for hit in hits[read:]] == list(range(read + 1, count + 1))
    assert all(hit.score is None for hit in hits[read:])
