"""The scheduler's promises: one settled future a job, bounded queue, isolation of failures."""

import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest

from shortlist.server.errors import InferenceFailed, InvalidRequest, Overloaded, ShuttingDown
from shortlist.server.inference.lanes import Job, Lane, Spent
from shortlist.server.inference.queue import Queue
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

WAIT_S = 20.0  # a bound for a broken test, never reached by a sound one


class Clock:
    """A clock that shows the time the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A model whose runs wait until the test lets them go; an item's value is its length."""

    shapes = Shapes(512)
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


def items(*lengths: int) -> list[Encoded]:
    """Return items of these lengths."""
    return [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]


def job(
    model: Gate, lengths: Sequence[int], lane: Lane = Lane.RERANK, deadline: float = 10_000.0, *, whole: bool = False
) -> Job:
    """Return a job of items of these lengths, none of which is there yet."""
    return Job(lane, model, lengths, deadline, whole=whole)


def submit(scheduler: Scheduler, model: Gate, lengths: Sequence[int], **options) -> Future:
    """Submit a job with all of its items."""
    made = job(model, lengths, **options)
    future = scheduler.submit(made)
    scheduler.feed(made, items(*lengths))
    return future


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


def test_a_full_queue_refuses_with_a_hint(scheduler: Scheduler, gate: Gate):
    """Beyond queue_tokens a job is refused at once, with the time after which to come back."""
    submit(scheduler, gate, [50])
    gate.wait_until_entered()
    submit(scheduler, gate, [60, 40])
    with pytest.raises(Overloaded, match="queue_tokens is 100") as refused:
        submit(scheduler, gate, [1])
    assert 100_000 <= refused.value.retry_after_ms <= 200_000  # 100 tokens wait, and Gate calls a token a second
    assert scheduler.statistics().waiting_tokens == 100


def test_a_queue_too_long_for_a_deadline_refuses(scheduler: Scheduler, gate: Gate):
    """What waits up to a job's deadline and in more urgent lanes counts; what is due later does not."""
    submit(scheduler, gate, [1])
    gate.wait_until_entered()
    submit(scheduler, gate, [20], deadline=30.0)  # Gate calls a token a second
    submit(scheduler, gate, [20], deadline=900.0)
    submit(scheduler, gate, [10], lane=Lane.INGEST, deadline=90.0)
    with pytest.raises(Overloaded, match="busy for 20000 ms, this takes about 20000 ms more, and 35000 ms are left"):
        submit(scheduler, gate, [20], deadline=35.0)
    with pytest.raises(Overloaded, match="busy for 40000 ms"):
        submit(scheduler, gate, [10], lane=Lane.INGEST, deadline=45.0)
    submit(scheduler, gate, [20], deadline=25.0)


def test_what_is_reserved_counts_and_is_not_refused(scheduler: Scheduler, gate: Gate):
    """Work that is let in before its items are there takes its place from others until its block ends."""
    submit(scheduler, gate, [1])
    gate.wait_until_entered()
    made = Job(Lane.RERANK, gate, [30], 50.0, reserved=True)
    with scheduler.reserve(made):
        with pytest.raises(Overloaded, match="busy for 30000 ms"):
            submit(scheduler, gate, [10], deadline=20.0)
        with pytest.raises(Overloaded), scheduler.reserve(job(gate, [30], deadline=50.0)):
            pytest.fail("two of them take longer than there is time")
    scheduler.submit(made)
    with pytest.raises(Overloaded):
        submit(scheduler, gate, [30], deadline=50.0)
    scheduler.close(made)
    submit(scheduler, gate, [30], deadline=50.0)


def test_what_never_fits_is_refused_for_good(scheduler: Scheduler, gate: Gate):
    """A job larger than the whole queue is the caller's fault, not a matter of trying again."""
    with pytest.raises(InvalidRequest, match="request: got '101 tokens', but the server's whole queue holds 100"):
        submit(scheduler, gate, [101])


def test_cancelling_frees_the_place(scheduler: Scheduler, gate: Gate):
    """A cancelled job leaves the queue before it runs, and its tokens with it."""
    submit(scheduler, gate, [1])
    gate.wait_until_entered()
    cancelled = submit(scheduler, gate, [90])
    assert cancelled.cancel()
    assert scheduler.statistics().waiting_tokens == 0
    kept = submit(scheduler, gate, [80])
    gate.open(2)
    assert kept.result(WAIT_S).done.all()
    assert gate.seen == [1, 80]
    with pytest.raises(CancelledError):
        cancelled.result(WAIT_S)


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


def test_a_failure_reaches_its_job_alone(scheduler: Scheduler, gate: Gate):
    """An exception in a run fails a job that must be whole, with its cause chained; others and the slot go on."""
    bad = submit(scheduler, gate, [13, 14], whole=True)
    good = submit(scheduler, gate, [3])
    gate.open(2)
    with pytest.raises(InferenceFailed) as failed:
        bad.result(WAIT_S)
    assert isinstance(failed.value.__cause__, RuntimeError)
    assert good.result(WAIT_S).done.all()
    assert gate.seen == [13, 3]


def test_an_item_that_cannot_be_run_is_left_out(scheduler: Scheduler, gate: Gate):
    """Where a part is worth something, all but the item that raises gets its value; none at all is a failure."""
    gate.open(6)
    outcome = submit(scheduler, gate, [4, 13, 5]).result(WAIT_S)
    assert outcome.done.tolist() == [True, False, True]
    assert outcome.values[outcome.done, 0].tolist() == [4, 5]
    with pytest.raises(InferenceFailed):
        submit(scheduler, gate, [13, 13]).result(WAIT_S)
    assert (scheduler.statistics().waiting_tokens, scheduler.statistics().running) == (0, 0)


class Stacking(Gate):
    """A model that stacks, and raises for a stack with an odd number in it."""

    shapes = Shapes(512, 512, mixed=True)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        self.entered.release()
        assert self.go.acquire(timeout=WAIT_S)
        self.seen.append([len(item) for item in items])
        if any(len(item) == 13 for item in items):
            raise RuntimeError("13 brings bad luck")
        return np.array([[len(item)] for item in items], dtype=np.float32)


def test_a_stack_that_fails_is_run_apart(scheduler: Scheduler, gate: Gate):
    """Jobs that share a run with an item that raises get their values all the same; the one at fault fails alone."""
    model = Stacking()
    blocking = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    first, bad, last = (submit(scheduler, model, lengths, whole=True) for lengths in ([4], [13], [5, 6]))
    model.open(9)
    gate.open(1)
    assert blocking.result(WAIT_S).done.all()
    assert [future.result(WAIT_S).values[:, 0].tolist() for future in (first, last)] == [[4], [5, 6]]
    with pytest.raises(InferenceFailed):
        bad.result(WAIT_S)
    assert sorted(model.seen[0]) == [4, 5, 6, 13]


class Broken(Gate):
    """A model whose every part can be made to raise for items of 13 tokens."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.armed = where, False
        self.shapes = BrokenShapes(512, 512) if where == "shapes" else Shapes(512)

    def estimate_s(self, lengths: Sequence[int]) -> float:
        if self.armed and self.where == "estimate" and 13 in lengths:
            raise RuntimeError("13 cannot be estimated")
        return super().estimate_s(lengths)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        if self.where == "values" and len(items[0]) == 13:
            return np.zeros((1, 2), np.float32)  # one too wide
        return np.array([[len(item)] for item in items], dtype=np.float32)


class BrokenShapes(Shapes):
    """Shapes that raise for items of 13 tokens."""

    def max_batch(self, length: int) -> int:
        if length == 13:
            raise ZeroDivisionError
        return super().max_batch(length)


@pytest.mark.parametrize("where", ["shapes", "estimate", "values"])
def test_no_exception_ends_a_slot(where: str, gate: Gate):
    """Wherever a slot's turn raises, the job at fault fails, and the slot goes on with those that wait beside it."""
    scheduler, model = Scheduler(slots=1, queue_tokens=1000, clock=Clock()), Broken(where)
    blocking = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    before, bad, after = (submit(scheduler, model, [length]) for length in (4, 13, 5))
    model.armed = True
    gate.open(1)
    with pytest.raises(InferenceFailed, match="could not run this input") as failed:
        bad.result(WAIT_S)
    assert failed.value.__cause__ is not None
    assert [future.result(WAIT_S).done.tolist() for future in (blocking, before, after)] == [[True]] * 3
    assert submit(scheduler, model, [6]).result(WAIT_S).done.all()
    assert (scheduler.statistics().waiting_tokens, scheduler.statistics().running) == (0, 0)
    scheduler.stop()


def test_a_fault_between_choosing_and_running(scheduler: Scheduler, gate: Gate, monkeypatch: pytest.MonkeyPatch):
    """A job that was chosen and could not be taken off its lane fails too, and leaves nothing behind."""
    blocking = submit(scheduler, gate, [1])
    gate.wait_until_entered()
    bad = submit(scheduler, gate, [4, 4])

    def begin(*_: object) -> int:
        monkeypatch.undo()
        raise RuntimeError("no part can be begun")

    monkeypatch.setattr(Queue, "begin", begin)
    gate.open(2)
    with pytest.raises(InferenceFailed):
        bad.result(WAIT_S)
    assert blocking.result(WAIT_S).done.all()
    assert submit(scheduler, gate, [2]).result(WAIT_S).done.all()
    assert scheduler.statistics().waiting_tokens == 0


def test_failures_are_counted_in_a_row(scheduler: Scheduler, gate: Gate):
    """The scheduler tells how many runs failed since the last one that did not."""
    gate.open(8)
    found = []
    for length in (13, 13, 4, 13):
        submit(scheduler, gate, [length]).exception(WAIT_S)
        submit(scheduler, gate, [13]).exception(WAIT_S)  # the slot is past the one before
        found.append(scheduler.activity().failures)
    assert found == [2, 4, 1, 3]


def test_a_slot_that_is_stuck_does_not_keep_a_stop(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    """A stop goes on without a run that does not end, and what waits is failed."""
    monkeypatch.setattr("shortlist.server.inference.scheduler._LONGEST_END_S", 0.0)
    scheduler = Scheduler(slots=2, queue_tokens=100)
    stuck = [submit(scheduler, gate, [1], deadline=math.inf) for _ in range(2)]
    gate.wait_until_entered()
    gate.wait_until_entered()
    waiting = submit(scheduler, gate, [1], deadline=math.inf)
    scheduler.stop()
    with pytest.raises(ShuttingDown):
        waiting.result(WAIT_S)
    assert [future.done() for future in stuck] == [False, False]
    gate.open(2)
    for future in stuck:
        assert future.result(WAIT_S).done.all()


def test_an_item_without_tokens(scheduler: Scheduler, gate: Gate):
    """Nothing can be run without a token: such items are refused before they are in anybody's way."""
    empty = job(gate, [1])
    scheduler.submit(empty)
    with pytest.raises(ValueError, match="at least one token"):
        scheduler.feed(empty, items(0))
    with pytest.raises(ValueError, match="at least one token"):
        job(gate, [3, 0])
    with pytest.raises(ValueError, match="at least one token"):
        job(gate, [])


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


def test_a_job_s_place_is_taken_before_its_items_come(scheduler: Scheduler, gate: Gate):
    """A job counts with its expected tokens from the start, and with the real ones as they come."""
    gate.open(1)
    first = job(gate, [40, 40])
    scheduler.submit(first)
    with pytest.raises(Overloaded):
        submit(scheduler, gate, [30])
    running = submit(scheduler, gate, [1])
    running.result(WAIT_S)
    scheduler.feed(first, items(10, 10))
    gate.wait_until_entered()
    assert scheduler.statistics().waiting_tokens <= 20
    scheduler.close(first)
    assert scheduler.statistics().waiting_tokens == 0


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


def test_stopping_fails_what_waits(gate: Gate):
    """`stop` fails the jobs that wait, lets the present run end, and refuses new jobs."""
    scheduler = Scheduler(slots=1, queue_tokens=100)
    deadline = scheduler.clock() + 1000
    submit(scheduler, gate, [1], deadline=deadline)
    gate.wait_until_entered()
    waiting = submit(scheduler, gate, [2], deadline=deadline)
    stopper = threading.Thread(target=scheduler.stop)
    stopper.start()
    with pytest.raises(ShuttingDown):
        waiting.result(WAIT_S)
    gate.open(1)
    stopper.join(WAIT_S)
    with pytest.raises(ShuttingDown):
        submit(scheduler, gate, [3], deadline=deadline)


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
