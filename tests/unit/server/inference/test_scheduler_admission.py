"""What the scheduler lets into its queue, and whose place in it is free again."""

from concurrent.futures import CancelledError

import pytest

from gated_model import WAIT_S, Gate, items, job, submit
from shortlist.server.errors import InvalidRequest, Overloaded
from shortlist.server.inference.lanes import Job, Lane
from shortlist.server.inference.scheduler import Scheduler


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
