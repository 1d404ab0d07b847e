"""The scheduler's promises: values in order, the most urgent first, one settled future a job."""

from collections.abc import Sequence

import numpy as np

from gated_model import WAIT_S, Clock, Gate, items, job, submit
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Spent
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.tokens import Encoded


def test_values_come_in_the_job_s_order(scheduler: Scheduler, gate: Gate):
    """A job's outcome holds one value an item, in the order of the items, all done."""
    gate.open(3)
    outcome = submit(scheduler, gate, [5, 2, 9]).result(WAIT_S)
    assert outcome.values[:, 0].tolist() == [5, 2, 9]
    assert outcome.done.all()


def test_a_query_overtakes_a_rerank_after_one_run(scheduler: Scheduler, gate: Gate):
    """A query that comes while a rerank of many pairs is running waits for the present run only."""
    rerank = submit(scheduler, gate, [1, 2, 3, 4])
    gate.wait_until_entered()
    query = submit(scheduler, gate, [7], lane=Lane.QUERY)
    gate.open(5)
    query.result(WAIT_S)
    rerank.result(WAIT_S)
    assert gate.seen == [1, 7, 2, 3, 4]


def test_the_earlier_deadline_runs_first(scheduler: Scheduler, gate: Gate):
    """Within a lane, the job whose deadline is nearer is run first."""
    running = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    late = submit(scheduler, gate, [2], deadline=500.0)
    early = submit(scheduler, gate, [3], deadline=400.0)
    gate.open(3)
    for future in (running, late, early):
        future.result(WAIT_S)
    assert gate.seen == [1, 3, 2]


def test_closing_answers_with_what_is_done(scheduler: Scheduler, gate: Gate):
    """A closed job is settled at once with the items done by then; the rest is never run."""
    closing = job(gate, [4, 5, 6])
    future = scheduler.submit(closing)
    scheduler.feed(closing, items(4, 5, 6))
    gate.wait_until_entered()
    gate.open(1)
    gate.wait_until_entered()  # the first is done, the second is running
    scheduler.close(closing)
    outcome = future.result(WAIT_S)
    assert outcome.done.tolist() == [True, False, False]
    assert outcome.values[:, 0].tolist() == [4, 0, 0]
    gate.open(1)
    assert scheduler.statistics().waiting_tokens == 0


def test_a_late_value_does_not_change_an_answer(scheduler: Scheduler, gate: Gate):
    """A run that ends after its job was closed leaves the answer as it was given."""
    closing = job(gate, [4])
    future = scheduler.submit(closing)
    scheduler.feed(closing, items(4))
    gate.wait_until_entered()
    scheduler.close(closing)
    gate.open(2)
    submit(scheduler, gate, [9]).result(WAIT_S)  # the slot is past the late value
    assert future.result(WAIT_S).values[:, 0].tolist() == [0]


def test_an_expired_job_is_not_begun(scheduler: Scheduler, gate: Gate, clock: Clock):
    """A job whose deadline passes while it waits is settled with nothing done, and never runs."""
    running = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    expired = submit(scheduler, gate, [2], deadline=5.0)
    clock.now = 6.0
    gate.open(1)
    running.result(WAIT_S)
    assert not expired.result(WAIT_S).done.any()
    assert gate.seen == [1]


def test_what_would_end_too_late_is_not_begun(scheduler: Scheduler, gate: Gate, clock: Clock):
    """A job whose next item cannot end before its deadline is answered at once with what it has."""
    gate.open(1)
    job_of_two = job(gate, [3, 30], deadline=20.0)
    future = scheduler.submit(job_of_two)
    scheduler.feed(job_of_two, items(3, 30))  # Gate calls a token a second
    assert future.result(WAIT_S).done.tolist() == [True, False]
    assert clock.now < job_of_two.deadline
    assert scheduler.statistics().waiting_tokens == 0


def test_the_first_items_run_before_the_last_are_there(scheduler: Scheduler, gate: Gate):
    """A job that is fed in slices runs what it has, and is done once all of it was run."""
    gate.open(3)
    sliced = job(gate, [5, 2, 9])
    future = scheduler.submit(sliced)
    assert scheduler.feed(sliced, items(5))
    gate.wait_until_entered()
    assert not future.done()
    assert not scheduler.feed(sliced, items(2, 9))
    assert future.result(WAIT_S).values[:, 0].tolist() == [5, 2, 9]
    assert not scheduler.feed(sliced, items(1))


def test_a_later_deadline_moves_a_job_back(scheduler: Scheduler, gate: Gate):
    """Prolonging a waiting job puts it behind those that are more urgent now; an earlier deadline changes nothing."""
    running = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    moved = job(gate, [2], deadline=400.0)
    future = scheduler.submit(moved)
    scheduler.feed(moved, items(2))
    other = submit(scheduler, gate, [3], deadline=500.0)
    scheduler.prolong(moved, 600.0)
    scheduler.prolong(moved, 100.0)
    gate.open(3)
    for each in (running, future, other):
        each.result(WAIT_S)
    assert gate.seen == [1, 3, 2]
    assert moved.deadline == 600.0


def test_where_the_time_went(scheduler: Scheduler, gate: Gate, clock: Clock):
    """A job's time is split at its first items and its first run, and a caller who joined late counts from then."""
    timed = job(gate, [4])
    future = scheduler.submit(timed)
    blocker = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    clock.now = 1.0
    scheduler.feed(timed, items(4))
    clock.now = 3.0
    gate.open(1)
    blocker.result(WAIT_S)
    gate.wait_until_entered()
    clock.now = 7.0
    gate.open(1)
    future.result(WAIT_S)
    assert timed.spent(0.0, 7.0) == Spent(1.0, 2.0, 4.0)
    assert timed.spent(2.0, 7.0) == Spent(0.0, 1.0, 4.0)
    assert timed.spent(5.0, 7.0) == Spent(0.0, 0.0, 2.0)


def test_every_slot_takes_from_one_job(gate: Gate):
    """Two free slots run two items of the same job at once."""
    scheduler = Scheduler(slots=2, queue_tokens=100)
    future = submit(scheduler, gate, [1, 2], deadline=scheduler.clock() + 1000)
    gate.wait_until_entered()
    gate.wait_until_entered()  # both run before either ended
    gate.open(2)
    assert future.result(WAIT_S).done.all()
    scheduler.stop()


def test_many_jobs_are_each_settled_once():
    """Hundreds of jobs on several slots, some cancelled and some closed, are all settled and leave an empty queue."""

    class Quick(Gate):
        def estimate_s(self, lengths: Sequence[int]) -> float:
            return 0.0

        def run(self, items: Sequence[Encoded]) -> np.ndarray:
            return np.array([[len(item)] for item in items], dtype=np.float32)

    scheduler = Scheduler(slots=4, queue_tokens=10**6)
    model, random = Quick(), np.random.default_rng(7)
    sizes = [random.integers(1, 9, size=random.integers(1, 20)).tolist() for _ in range(400)]
    jobs = [job(model, each, deadline=scheduler.clock() + 1000) for each in sizes]
    futures = [scheduler.submit(each) for each in jobs]
    for each, lengths in zip(jobs, sizes, strict=True):
        scheduler.feed(each, items(*lengths[:3]))
        scheduler.feed(each, items(*lengths[3:]))
    for place, future in enumerate(futures):
        if place % 5 == 0:
            future.cancel()
        elif place % 5 == 1:
            scheduler.close(jobs[place])
    for lengths, future in zip(sizes, futures, strict=True):
        if not future.cancelled():
            outcome = future.result(WAIT_S)
            assert (outcome.values[:, 0] == np.where(outcome.done, np.float32(lengths), 0)).all()
    scheduler.stop()
    assert scheduler.statistics().waiting_tokens == 0
