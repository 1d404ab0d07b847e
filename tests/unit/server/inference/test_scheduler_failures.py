"""The scheduler when a run raises or hangs, and when it is stopped: no job is left waiting, no slot ends."""

import math
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from gated_model import WAIT_S, Clock, Gate, submit
from shortlist.server.errors import InferenceFailed, ShuttingDown
from shortlist.server.inference.queue import Queue
from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded


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


class Overflowing(Stacking):
    """A model that makes no number of items of 13 tokens, and an infinite one of 14."""

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        values = {13: math.nan, 14: math.inf}
        return np.array([[values.get(len(item), len(item))] for item in items], dtype=np.float32)


def test_what_is_no_number_is_a_failure(scheduler: Scheduler):
    """An item of which a model makes no finite number is one that it cannot run; others of its run have theirs."""
    outcome = submit(scheduler, Overflowing(), [4, 13, 5, 14]).result(WAIT_S)
    assert outcome.done.tolist() == [True, False, True, False]
    assert outcome.degraded == "inference-failed"
    assert np.isfinite(outcome.values).all()


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
