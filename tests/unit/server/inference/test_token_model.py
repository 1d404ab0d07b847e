"""A late-interaction graph through the scheduler, where each token's vector is known."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gated_model import items
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.token_model import MaxsimModel, TokenModel
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

QUERY = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)


class Graph:
    """A graph that pads, whose vectors are (token's place, item's length), and that fails as often as it is told."""

    width = 2
    shapes = Shapes(64, 192)

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.runs = failures, 0

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.0

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.runs += 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("out of memory")
        longest = max(map(len, items)) + 3
        return np.array([[(place, len(item)) for place in range(longest)] for item in items], np.float32)


class Reader:
    """A way with tokens by which the first one of each text does not count."""

    def kept(self, item: Encoded, vectors: np.ndarray, kind: str) -> np.ndarray:
        return vectors[1 : len(item)]

    def merged(self, kept: np.ndarray, kind: str) -> np.ndarray:
        return kept


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """Return a scheduler with one slot."""
    made = Scheduler(slots=1, queue_tokens=10_000)
    yield made
    made.stop()


@pytest.mark.parametrize("failures", [0, 1])
def test_each_text_gets_its_own_vectors(scheduler: Scheduler, failures: int):
    """Texts of one length share a run, and have as many vectors as tokens that count; so where it is made again."""
    graph = Graph(failures)
    lengths = (3, 3, 1, 3)
    model = TokenModel(graph, Reader(), "document")
    made = scheduler.submit_whole(Lane.INGEST, model, items(*lengths)).result()
    assert [one.tolist() for one in made.values] == [[[place, size] for place in range(1, size)] for size in lengths]
    assert (made.done.all(), made.tokens.tolist(), graph.runs) == (True, [*lengths], 5 if failures else 2)


def test_a_score_is_the_sum_over_the_query(scheduler: Scheduler):
    """Of each text its MaxSim is left, 0 where no token counts; what is not run is not done."""
    model = MaxsimModel(TokenModel(Graph(), Reader(), "document"), QUERY)
    made = scheduler.submit_whole(Lane.RERANK, model, items(3, 1, 5)).result()
    assert made.values.tolist() == [[2 + 3], [0], [4 + 5]]
    assert model.blank(2).tolist() == [[0], [0]]


def test_a_vector_that_is_not_finite_fails_its_text_alone(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch):
    """A text whose vectors hold a NaN has none, and the others have theirs."""
    graph = Graph()
    run = graph.run
    monkeypatch.setattr(graph, "run", lambda some: run(some) * np.where(len(some[0]) == 5, np.nan, 1))
    made = scheduler.submit_whole(Lane.RERANK, TokenModel(graph, Reader(), "document"), items(3, 5, 2)).result()
    assert (made.done.tolist(), made.failed, [len(one) for one in made.values]) == ([True, False, True], 1, [2, 0, 1])
