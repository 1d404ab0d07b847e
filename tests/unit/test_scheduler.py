"""The scheduler's promises: one settled future a job, bounded queue, isolation of failures."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import numpy as np
import pytest

from shortlist.server.errors import InferenceFailed, InvalidRequest, Overloaded, ShuttingDown
from shortlist.server.lanes import Job, Lane
from shortlist.server.scheduler import Scheduler
from shortlist.server.tokens import Encoded

WAIT_S = 20.0  # a bound for a broken test, never reached by a sound one


class Clock:
    """Tell the time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Be a model whose runs wait until the test lets them go; an item's value is its length."""

    batch_tokens = 0
    width = 1

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.seen: list[int] = []

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return float(sum(lengths))

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.entered.release()
        assert self.go.acquire(timeout=WAIT_S)
        self.seen += [len(item) for item in items]
        if len(items[0]) == 13:
            raise RuntimeError("13 brings bad luck")
        return np.array([[len(item)] for item in items], dtype=np.float32)

    def open(self, runs: int) -> None:
        for _ in range(runs):
            self.go.release()

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=WAIT_S)


def job(model: Gate, lengths: Sequence[int], lane: Lane = Lane.RERANK, deadline: float = 1000.0) -> Job:
    """Return a job with items of these lengths."""
    items = [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]
    return Job(lane, model, items, deadline)


@pytest.fixture
def gate() -> Gate:
    """Return a model that is shut."""
    return Gate()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at 0."""
    return Clock()


@pytest.fixture
def scheduler(gate: Gate, clock: Clock) -> Iterator[Scheduler]:
    """Return a scheduler with one slot and room for 100 tokens."""
    made = Scheduler(slots=1, queue_tokens=100, clock=clock)
    yield made
    gate.open(1000)
    made.stop()


def test_values_come_in_the_job_s_order(scheduler: Scheduler, gate: Gate):
    """A job's outcome holds one value an item, in the order of the items, all done."""
    gate.open(3)
    outcome = scheduler.submit(job(gate, [5, 2, 9])).result(WAIT_S)
    assert outcome.values[:, 0].tolist() == [5, 2, 9]
    assert outcome.done.all()


def test_a_query_overtakes_a_rerank_after_one_run(scheduler: Scheduler, gate: Gate):
    """A query that comes while a rerank of many pairs is running waits for the present run only."""
    rerank = scheduler.submit(job(gate, [1, 2, 3, 4]))
    gate.wait_until_entered()
    query = scheduler.submit(job(gate, [7], Lane.QUERY))
    gate.open(5)
    query.result(WAIT_S)
    rerank.result(WAIT_S)
    assert gate.seen == [1, 7, 2, 3, 4]


def test_the_earlier_deadline_runs_first(scheduler: Scheduler, gate: Gate):
    """Within a lane, the job whose deadline is nearer is run first."""
    running = scheduler.submit(job(gate, [1]))
    gate.wait_until_entered()
    late = scheduler.submit(job(gate, [2], deadline=500.0))
    early = scheduler.submit(job(gate, [3], deadline=400.0))
    gate.open(3)
    for future in (running, late, early):
        future.result(WAIT_S)
    assert gate.seen == [1, 3, 2]


def test_a_full_queue_refuses_with_a_hint(scheduler: Scheduler, gate: Gate):
    """Beyond queue_tokens a job is refused at once, with the time after which to come back."""
    scheduler.submit(job(gate, [50]))
    gate.wait_until_entered()
    waiting = job(gate, [60, 40])
    scheduler.submit(waiting)
    with pytest.raises(Overloaded, match="queue_tokens is 100") as refused:
        scheduler.submit(job(gate, [1]))
    assert 100_000 <= refused.value.retry_after_ms <= 200_000  # 100 tokens wait, and Gate calls a token a second
    assert scheduler.statistics().waiting_tokens == 100


def test_what_never_fits_is_refused_for_good(scheduler: Scheduler, gate: Gate):
    """A job larger than the whole queue is the caller's fault, not a matter of trying again."""
    with pytest.raises(InvalidRequest, match="request: got '101 tokens', but the server's whole queue holds 100"):
        scheduler.submit(job(gate, [101]))


def test_cancelling_frees_the_place(scheduler: Scheduler, gate: Gate):
    """A cancelled job leaves the queue before it runs, and its tokens with it."""
    scheduler.submit(job(gate, [1]))
    gate.wait_until_entered()
    cancelled = scheduler.submit(job(gate, [90]))
    assert cancelled.cancel()
    assert scheduler.statistics().waiting_tokens == 0
    kept = scheduler.submit(job(gate, [80]))
    gate.open(2)
    assert kept.result(WAIT_S).done.all()
    assert gate.seen == [1, 80]
    with pytest.raises(CancelledError):
        cancelled.result(WAIT_S)


def test_closing_answers_with_what_is_done(scheduler: Scheduler, gate: Gate):
    """A closed job is settled at once with the items done by then; the rest is never run."""
    closing = job(gate, [4, 5, 6])
    future = scheduler.submit(closing)
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
    gate.wait_until_entered()
    scheduler.close(closing)
    gate.open(2)
    scheduler.submit(job(gate, [9])).result(WAIT_S)  # the slot is past the late value
    assert future.result(WAIT_S).values[:, 0].tolist() == [0]


def test_an_expired_job_is_not_begun(scheduler: Scheduler, gate: Gate, clock: Clock):
    """A job whose deadline passes while it waits is settled with nothing done, and never runs."""
    running = scheduler.submit(job(gate, [1]))
    gate.wait_until_entered()
    expired = scheduler.submit(job(gate, [2], deadline=5.0))
    clock.now = 6.0
    gate.open(1)
    running.result(WAIT_S)
    assert not expired.result(WAIT_S).done.any()
    assert gate.seen == [1]


def test_a_failure_reaches_its_job_alone(scheduler: Scheduler, gate: Gate):
    """An exception in a run fails that job, with its cause chained; others and the slot go on."""
    bad = scheduler.submit(job(gate, [13, 14]))
    good = scheduler.submit(job(gate, [3]))
    gate.open(2)
    with pytest.raises(InferenceFailed) as failed:
        bad.result(WAIT_S)
    assert isinstance(failed.value.__cause__, RuntimeError)
    assert good.result(WAIT_S).done.all()
    assert gate.seen == [13, 3]


def test_stopping_fails_what_waits(gate: Gate):
    """`stop` fails the jobs that wait, lets the present run end, and refuses new jobs."""
    scheduler = Scheduler(slots=1, queue_tokens=100)
    deadline = scheduler.clock() + 1000
    scheduler.submit(job(gate, [1], deadline=deadline))
    gate.wait_until_entered()
    waiting = scheduler.submit(job(gate, [2], deadline=deadline))
    stopper = threading.Thread(target=scheduler.stop)
    stopper.start()
    with pytest.raises(ShuttingDown):
        waiting.result(WAIT_S)
    gate.open(1)
    stopper.join(WAIT_S)
    with pytest.raises(ShuttingDown):
        scheduler.submit(job(gate, [3], deadline=deadline))


def test_every_slot_takes_from_one_job(gate: Gate):
    """Two free slots run two items of the same job at once."""
    scheduler = Scheduler(slots=2, queue_tokens=100)
    future = scheduler.submit(job(gate, [1, 2], deadline=scheduler.clock() + 1000))
    gate.wait_until_entered()
    gate.wait_until_entered()  # both run before either ended
    gate.open(2)
    assert future.result(WAIT_S).done.all()
    scheduler.stop()


def test_many_jobs_are_each_settled_once():
    """Hundreds of jobs on several slots, some cancelled and some closed, are all settled and leave an empty queue."""

    class Quick(Gate):
        def run(self, items: Sequence[Encoded]) -> np.ndarray:
            return np.array([[len(item)] for item in items], dtype=np.float32)

    scheduler = Scheduler(slots=4, queue_tokens=10**6)
    model, random = Quick(), np.random.default_rng(7)
    jobs = [
        job(model, random.integers(1, 9, size=random.integers(1, 20)).tolist(), deadline=scheduler.clock() + 1000)
        for _ in range(400)
    ]
    futures = [scheduler.submit(each) for each in jobs]
    for place, future in enumerate(futures):
        if place % 5 == 0:
            future.cancel()
        elif place % 5 == 1:
            scheduler.close(jobs[place])
    for each, future in zip(jobs, futures, strict=True):
        if not future.cancelled():
            outcome = future.result(WAIT_S)
            lengths = np.array([len(item) for item in each.items], dtype=np.float32)
            assert (outcome.values[:, 0] == np.where(outcome.done, lengths, 0)).all()
    scheduler.stop()
    assert scheduler.statistics().waiting_tokens == 0
