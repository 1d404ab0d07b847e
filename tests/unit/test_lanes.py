"""`take`, the decision of the scheduler, without a thread."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.lanes import AGEING_S, Job, Lane, Part, take
from shortlist.server.tokens import Encoded


class Model:
    """Be a model that is never run."""

    def __init__(self, batch_tokens: int = 0) -> None:
        self.batch_tokens = batch_tokens
        self.width = 1

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.001 * sum(lengths)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        raise NotImplementedError


def item(length: int) -> Encoded:
    """Return an item of so many tokens."""
    ids = np.ones(length, dtype=np.int64)
    return Encoded(ids, ids, truncated=False)


def job(lane: Lane, model: Model, lengths: Sequence[int], deadline: float = 10.0) -> Job:
    """Return a job with items of these lengths."""
    made = Job(lane, model, lengths, deadline)
    made.items += [item(length) for length in lengths]
    return made


FRESH = [0.0, 0.0, 0.0]


def padded_tokens(parts: Sequence[Part]) -> int:
    """Return what a run of these parts takes, padding included."""
    items = [entry for part in parts for entry in part.items]
    return len(items) * max(len(entry) for entry in items)


jobs_of_one_lane = st.lists(st.lists(st.integers(1, 64), min_size=1, max_size=6), min_size=1, max_size=5)


def test_nothing_waits():
    """Empty lanes give no run."""
    assert take([[], [], []], FRESH) == ()


def test_queries_come_first():
    """A query is taken before a rerank and a rerank before ingest, whatever came first."""
    model = Model()
    lanes = [[job(lane, model, [8])] for lane in Lane]
    assert take(lanes, FRESH)[0].job.lane is Lane.QUERY
    assert take([[], *lanes[1:]], FRESH)[0].job.lane is Lane.RERANK
    assert take([[], [], lanes[2]], FRESH)[0].job.lane is Lane.INGEST


def test_ageing_keeps_ingest_alive():
    """Ingest overtakes queries once it has waited for twice the ageing time, and not before."""
    model = Model()
    lanes = [[job(lane, model, [8])] for lane in Lane]
    assert take(lanes, [0.0, 0.0, 1.9 * AGEING_S])[0].job.lane is Lane.QUERY
    assert take(lanes, [0.0, 0.0, 2.1 * AGEING_S])[0].job.lane is Lane.INGEST


@given(jobs_of_one_lane)
def test_one_item_a_run_without_a_budget(lengths: list[list[int]]):
    """A model without a token budget gets the first waiting item of the first job, alone."""
    model = Model(batch_tokens=0)
    jobs = [job(Lane.RERANK, model, each) for each in lengths]
    (part,) = take([[], jobs, []], FRESH)
    assert (part.job, part.start, part.stop) == (jobs[0], 0, 1)


@given(jobs_of_one_lane, st.integers(1, 400))
def test_a_stacked_run_keeps_its_budget(lengths: list[list[int]], budget: int):
    """A stacked run holds at least one item, and no more padded tokens than the budget unless it is that one."""
    model = Model(batch_tokens=budget)
    parts = take([[], [job(Lane.RERANK, model, each) for each in lengths], []], FRESH)
    count = sum(len(part.items) for part in parts)
    assert count >= 1
    assert count == 1 or padded_tokens(parts) <= budget


@given(jobs_of_one_lane, st.integers(1, 400))
def test_a_stacked_run_keeps_the_order(lengths: list[list[int]], budget: int):
    """A stacked run takes from the front without a gap: each job but the last is taken whole."""
    model = Model(batch_tokens=budget)
    jobs = [job(Lane.RERANK, model, each) for each in lengths]
    parts = take([[], jobs, []], FRESH)
    assert [part.job for part in parts] == jobs[: len(parts)]
    assert all(part.start == 0 for part in parts)
    assert all(part.stop == len(part.job.items) for part in parts[:-1])


@given(jobs_of_one_lane, st.integers(1, 400))
def test_repeated_takes_run_every_item_once(lengths: list[list[int]], budget: int):
    """Taking until nothing is left runs every item of every job exactly once, in its job's order."""
    model = Model(batch_tokens=budget)
    jobs = [job(Lane.INGEST, model, each) for each in lengths]
    waiting, taken = list(jobs), {id(each): [] for each in jobs}
    while parts := take([[], [], waiting], FRESH):
        for part in parts:
            taken[id(part.job)] += range(part.start, part.stop)
            part.job.next = part.stop
        waiting = [each for each in waiting if each.ready]
    assert [taken[id(each)] for each in jobs] == [list(range(len(each.items))) for each in jobs]


def test_models_are_not_mixed():
    """A stacked run holds items of one model, even where another model's job stands between."""
    first, other = Model(batch_tokens=1000), Model(batch_tokens=1000)
    jobs = [job(Lane.INGEST, first, [4]), job(Lane.INGEST, other, [4]), job(Lane.INGEST, first, [4])]
    parts = take([[], [], jobs], FRESH)
    assert [part.job for part in parts] == [jobs[0], jobs[2]]


def test_take_changes_nothing():
    """Asking twice gives the same answer."""
    lanes = [[job(Lane.QUERY, Model(batch_tokens=100), [8, 9])], [], []]
    assert take(lanes, FRESH) == take(lanes, FRESH)
