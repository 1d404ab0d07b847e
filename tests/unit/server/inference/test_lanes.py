"""`take`, the decision of the scheduler, without a thread."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.inference.lanes import AGEING_S, Job, JobSlice, Lane, Shape, take
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded


class Model:
    """A model that is never run."""

    def __init__(self, batch_tokens: int = 0, *, bucketed: bool = False, mixed: bool = False) -> None:
        self.shapes = Shapes(64, batch_tokens, bucketed=bucketed, mixed=mixed)

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return 0.001 * sum(lengths)

    def blank(self, items: int) -> np.ndarray:
        return np.zeros((items, 1), np.float32)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        raise NotImplementedError


def item(length: int) -> Encoded:
    """Return an item of so many tokens."""
    ids = np.ones(length, dtype=np.int64)
    return Encoded(ids, ids, truncated=False)


def job(lane: Lane, model: Model, lengths: Sequence[int], deadline: float = 10.0) -> Job:
    """Return a job with items of these lengths."""
    made = Job(lane, model, lengths, deadline)
    made.add([item(length) for length in lengths])
    return made


FRESH = [0.0, 0.0, 0.0]
NOW = 0.0


def padded_tokens(parts: Sequence[JobSlice]) -> int:
    """Return what a run of these parts takes, padding included."""
    items = [entry for part in parts for entry in part.items]
    return len(items) * max(len(entry) for entry in items)


jobs_of_one_lane = st.lists(st.lists(st.integers(1, 64), min_size=1, max_size=6), min_size=1, max_size=5)


def test_a_slot_goes_on_with_its_last_shape():
    """Where shapes are compiled, a slot takes the first job's items of the shape that it ran last."""
    model, other = Model(96, bucketed=True), Model(96, bucketed=True)
    waiting = job(Lane.RERANK, model, [8, 30, 12, 31])
    assert take([[], [waiting], []], FRESH, NOW, Shape(model, 32)) == (JobSlice(waiting, [1, 3]),)
    for last in (None, Shape(model, 48), Shape(other, 32)):
        assert take([[], [waiting], []], FRESH, NOW, last) == (JobSlice(waiting, [0, 2]),)


def test_the_last_shape_is_no_reason_to_leave_an_order():
    """A job in a hurry, and one whose shapes cost nothing, begin with their first item."""
    compiled, plain = Model(96, bucketed=True), Model(96)
    hurried = job(Lane.RERANK, compiled, [8, 30], deadline=0.02)
    assert take([[], [hurried], []], FRESH, NOW, Shape(compiled, 32)) == (JobSlice(hurried, [0]),)
    free = job(Lane.RERANK, plain, [8, 30])
    assert take([[], [free], []], FRESH, NOW, Shape(plain, 30)) == (JobSlice(free, [0]),)


def test_nothing_waits():
    """Empty lanes give no run."""
    assert take([[], [], []], FRESH, NOW) == ()


def test_queries_come_first():
    """A query is taken before a rerank and a rerank before ingest, whatever came first."""
    model = Model()
    lanes = [[job(lane, model, [8])] for lane in Lane]
    assert take(lanes, FRESH, NOW)[0].job.lane is Lane.QUERY
    assert take([[], *lanes[1:]], FRESH, NOW)[0].job.lane is Lane.RERANK
    assert take([[], [], lanes[2]], FRESH, NOW)[0].job.lane is Lane.INGEST


def test_ageing_keeps_ingest_alive():
    """Ingest overtakes queries once it has waited for twice the ageing time, and not before."""
    model = Model()
    lanes = [[job(lane, model, [8])] for lane in Lane]
    assert take(lanes, [0.0, 0.0, -1.9 * AGEING_S], NOW)[0].job.lane is Lane.QUERY
    assert take(lanes, [0.0, 0.0, -2.1 * AGEING_S], NOW)[0].job.lane is Lane.INGEST


@given(jobs_of_one_lane)
def test_one_item_a_run_without_a_budget(lengths: list[list[int]]):
    """A model without a token budget gets the first waiting item of the first job, alone."""
    model = Model()
    jobs = [job(Lane.RERANK, model, each) for each in lengths]
    assert take([[], jobs, []], FRESH, NOW) == (JobSlice(jobs[0], [0]),)


budgets = st.integers(1, 400)
kinds = st.sampled_from([{}, {"bucketed": True}, {"mixed": True}, {"bucketed": True, "mixed": True}])


@given(jobs_of_one_lane, budgets, kinds)
def test_a_stacked_run_keeps_its_budget(lengths: list[list[int]], budget: int, kind: dict[str, bool]):
    """A stacked run holds at least one item, and no more padded tokens than the budget unless it is that one."""
    model = Model(budget, **kind)
    parts = take([[], [job(Lane.RERANK, model, each) for each in lengths], []], FRESH, NOW)
    count = sum(len(part.items) for part in parts)
    assert count >= 1
    assert count == 1 or padded_tokens(parts) <= budget


@given(jobs_of_one_lane, budgets, st.booleans())
def test_a_mixed_run_keeps_the_order(lengths: list[list[int]], budget: int, bucketed: bool):
    """Where lengths may be mixed a run takes from the front without a gap: each job but the last is taken whole."""
    model = Model(budget, bucketed=bucketed, mixed=True)
    jobs = [job(Lane.RERANK, model, each) for each in lengths]
    parts = take([[], jobs, []], FRESH, NOW)
    assert [part.job for part in parts] == jobs[: len(parts)]
    assert all(part.indices == list(range(len(part.indices))) for part in parts)
    assert all(len(part.indices) == len(part.job.items) for part in parts[:-1])


@given(jobs_of_one_lane, budgets, st.booleans())
def test_what_shares_a_run_on_a_cpu_is_alike(lengths: list[list[int]], budget: int, bucketed: bool):
    """The first item's run holds the next ones that are run at its length, of all jobs, and as many as may be."""
    model = Model(budget, bucketed=bucketed)
    jobs = [job(Lane.RERANK, model, each) for each in lengths]
    parts = take([[], jobs, []], FRESH, NOW)
    length = model.shapes.length(lengths[0][0])
    alike = [
        (each, place)
        for each in jobs
        for place, tokens in enumerate(each.items)
        if model.shapes.length(len(tokens)) == length
    ]
    taken = [(part.job, index) for part in parts for index in part.indices]
    assert taken == alike[: model.shapes.full_batch(min(model.shapes.max_batch(length), len(alike)))]


def test_a_job_in_a_hurry_keeps_its_order():
    """Where the deadline comes before all is done, no item runs before one that stands ahead of it."""
    model = Model(200)
    relaxed, hurried = job(Lane.RERANK, model, [8, 9, 8]), job(Lane.RERANK, model, [8, 9, 8], deadline=0.02)
    assert take([[], [relaxed], []], FRESH, NOW) == (JobSlice(relaxed, [0, 2]),)
    assert take([[], [hurried], []], FRESH, NOW) == (JobSlice(hurried, [0]),)
    # What is still to be tokenized counts too.
    growing = Job(Lane.RERANK, model, [8, 8, 8], deadline=0.02)
    growing.add([item(8), item(8)])
    assert take([[], [growing], []], FRESH, NOW) == (JobSlice(growing, [0]),)


@given(jobs_of_one_lane, budgets, kinds)
def test_repeated_takes_run_every_item_once(lengths: list[list[int]], budget: int, kind: dict[str, bool]):
    """Taking until nothing is left runs every item of every job exactly once, the first that waits each time."""
    model = Model(budget, **kind)
    jobs = [job(Lane.INGEST, model, each) for each in lengths]
    waiting, taken = list(jobs), []
    while parts := take([[], [], waiting], FRESH, NOW):
        assert (parts[0].job, parts[0].indices[0]) == (waiting[0], waiting[0].waiting[0])
        for part in parts:
            taken += [(id(part.job), index) for index in part.indices]
            part.job.waiting = [index for index in part.job.waiting if index not in part.indices]
        waiting = [each for each in waiting if each.waiting]
    assert sorted(taken) == sorted((id(each), place) for each in jobs for place in range(len(each.items)))


def test_models_are_not_mixed():
    """A stacked run holds items of one model, even where another model's job stands between."""
    first, other = Model(1000), Model(1000)
    jobs = [job(Lane.INGEST, first, [4]), job(Lane.INGEST, other, [4]), job(Lane.INGEST, first, [4])]
    parts = take([[], [], jobs], FRESH, NOW)
    assert [part.job for part in parts] == [jobs[0], jobs[2]]


def test_take_changes_nothing():
    """Asking twice gives the same answer."""
    lanes = [[job(Lane.QUERY, Model(100), [8, 9])], [], []]
    assert take(lanes, FRESH, NOW) == take(lanes, FRESH, NOW)
