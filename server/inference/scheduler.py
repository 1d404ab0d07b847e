"""The owner of all compute: slots that run what `lanes.take` decides.

Theory of operation
-------------------
A *slot* is a worker thread. Whenever it is free it asks `take` for the most urgent run, runs it, writes the values
into the jobs' arrays, and asks again. On CPUs a run is unpadded and on one thread: padding and a second thread inside
a run are what cost there, so keeping every slot on a run of its own is the batching. What shares a run, across jobs,
the model's `shapes` say: short items of one length on CPUs, whatever fills a budget of tokens on GPUs.

A job is admitted whole, by its expected tokens, and fed in slices as these are tokenized. In its lane are the jobs
that have an item to run.

Invariants
----------
- Every job's future is settled exactly once, whatever happens: with all values, with those that its deadline allowed
  (`Outcome.done` tells which), with an exception, or by its own cancellation.
- A slot never waits while there is work: there is no timer for a batch to fill.
- An exception in a run reaches the items that cannot be run alone either: a job that must be whole fails with one of
  them, others go without it. One on the way to a run reaches the jobs that it cannot be chosen for. The slot lives
  on, whatever raises.
- Waiting tokens are bounded: beyond `queue_tokens`, as far as lengths are known, `submit` raises Overloaded. So
  it does where what waits would keep a job from being done by its deadline (`admission.py`).
- An item of an expired, closed, failed or cancelled job is never begun, nor one that cannot end before its deadline.

All state is under one lock, which is held for decisions and never during a run. Knows neither texts nor gRPC.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import (
    CapacityError,
    InferenceFailed,
    InvalidRequest,
    NotServing,
    Overloaded,
    ShuttingDown,
)
from shortlist.server.runtime.tokens import Encoded

from . import admission
from .lanes import Job, JobSlice, Lane, Model, Outcome
from .queue import Queue
from .slot import Activity, Slot

logger = logging.getLogger(__name__)

_LONGEST_END_S = 10.0  # that a stop waits for a slot: a run takes far less, and what is stuck may never end


@dataclass(frozen=True, slots=True)
class Statistics:
    """Show the scheduler's state at one moment, and what it did so far."""

    waiting_jobs: tuple[int, ...]  # by lane; with an item that could run
    waiting_tokens: int
    running: int  # slots that run something
    runs: tuple[int, ...]  # by lane, since the start
    tokens: tuple[int, ...]  # that were run, by lane
    busy_s: float  # of all slots together


class Scheduler:
    """Queue jobs, and run them on `slots` threads."""

    def __init__(
        self,
        slots: int,
        queue_tokens: int,
        clock: Callable[[], float] = time.monotonic,
        admit_share: float = 1.0,
    ) -> None:
        """Start the slots.

        Args:
            slots: runs that go on at once.
            queue_tokens: tokens that may wait.
            admit_share: of the time to a job's deadline, what it and the work before it may be expected to take.
            clock: seconds, monotonic; deadlines are times of this clock.
        """
        self.slots = slots
        self.clock = clock
        self._admit_share = admit_share
        self._queue = Queue(queue_tokens)
        self._runs = [0 for _ in Lane]
        self._tokens = [0 for _ in Lane]
        self._busy_s = 0.0
        self._stopping = False
        self._fault = ""  # why no slot works
        self._failures = 0  # turns that raised since the last run that did not
        self._changed = threading.Condition(threading.RLock())
        self._slots = [Slot() for _ in range(slots)]
        self._threads = [
            threading.Thread(target=self._work, args=(slot,), name=f"slot-{number}", daemon=True)
            for number, slot in enumerate(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Outcome]:
        """Admit a job and return its future; cancelling the future frees the job's place. `feed` brings its items.

        Raises:
            InvalidRequest: the job is larger than the whole queue.
            Overloaded: the queue is full, or too long for the job's deadline.
            DeadlineExceeded: the job must be done whole, and cannot be by its deadline.
            NotServing: `refuse` was called.
            ShuttingDown: `stop` was called.
        """
        capacity = self._queue.capacity_tokens
        if job.tokens > capacity:
            raise InvalidRequest(
                "request",
                f"{job.tokens} tokens",
                f"the server's whole queue holds {capacity}",
                "send less at once, or raise queue_tokens on the server",
            )
        with self._changed:
            if refusal := self._refusal():
                raise refusal
            if self._queue.tokens + job.tokens > capacity:
                raise Overloaded(
                    f"the queue is full: {self._queue.tokens:.0f} tokens wait, this request brings {job.tokens},"
                    f" and queue_tokens is {capacity}; try again later, or send less at once",
                    retry_after_ms=admission.retry_after_ms(self._queue.backlog_s(Lane.INGEST) / self.slots),
                )
            if not job.reserved:
                self._check(job)
            self._queue.admit(job)
        job.future.add_done_callback(lambda future: self._withdraw(job) if future.cancelled() else None)
        return job.future

    def feed(self, job: Job, items: Sequence[Encoded]) -> bool:
        """Give a job its next items, of at least one token each, and return whether it takes more."""
        with self._changed:
            if job.closed:
                return False
            if refusal := self._refusal():
                self.fail(job, refusal)
                return False
            self._queue.feed(job, items, self.clock())
            if job.fed_s is None:
                job.fed_s = self.clock()
            self._changed.notify(min(len(items), self.slots))
            return len(job.items) < job.count

    def submit_whole(self, lane: Lane, model: Model, items: Sequence[Encoded]) -> Future[Outcome]:
        """Submit a job whose items are all there, without a deadline; raises what `submit` does."""
        job = Job(lane, model, [len(item) for item in items], math.inf)
        future = self.submit(job)
        self.feed(job, items)
        return future

    def prolong(self, job: Job, deadline: float) -> None:
        """Give a job until a later deadline, for a caller who joins it; an earlier one changes nothing."""
        with self._changed:
            if deadline > job.deadline:
                self._queue.prolong(job, deadline, self.clock())

    @contextlib.contextmanager
    def reserve(self, job: Job) -> Iterator[None]:
        """Let a job in whose items are still to be found, and count it as work that waits until the block ends.

        What is submitted then as `reserved` is not refused any more, after work was done for it.

        Raises:
            Overloaded: the queue is too long for the job's deadline.
        """
        with self._changed:
            self._check(job)
            self._queue.expect(job.lane, job.seconds)
        try:
            yield
        finally:
            with self._changed:
                self._queue.expect(job.lane, -job.seconds)

    def outcome(self, job: Job) -> Outcome:
        """Return what is done of a job by now, in arrays that later runs do not touch."""
        with self._changed:
            return Outcome(job.values.copy(), job.done.copy())

    def close(self, job: Job) -> None:
        """Settle a job with what is done by now; nothing more of it is begun."""
        with self._changed:
            self._withdraw(job)
            self._settle(job, self.outcome(job))

    def fail(self, job: Job, error: Exception) -> None:
        """Settle a job with an error; nothing more of it is begun."""
        self._withdraw(job)
        self._settle(job, error)

    def statistics(self) -> Statistics:
        """Return what waits and runs now, and what was run."""
        with self._changed:
            return Statistics(
                tuple(map(len, self._queue.lanes)),
                round(self._queue.tokens),
                sum(slot.began_s is not None for slot in self._slots),
                tuple(self._runs),
                tuple(self._tokens),
                self._busy_s,
            )

    def activity(self) -> Activity:
        """Return what the slots are at."""
        with self._changed:
            now, pairs = self.clock(), zip(self._slots, self._threads, strict=True)
            states = tuple(slot.state(thread.name, alive=thread.is_alive(), now=now) for slot, thread in pairs)
            return Activity(bool(self._queue.jobs), self._failures, states)

    def refuse(self, fault: str) -> None:
        """Refuse new jobs and fail those that wait, since no slot works; an empty fault ends that."""
        with self._changed:
            self._fault = fault
            self._fail_waiting()

    def stop(self) -> None:
        """Refuse new jobs, fail those that wait, and end the slots after their present run, if it ends soon."""
        until_s = time.monotonic() + _LONGEST_END_S
        with self._changed:
            self._stopping = True
            self._fail_waiting()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _refusal(self) -> CapacityError | None:
        """Return why nothing can be run, if so."""
        if self._stopping:
            return ShuttingDown("the server is stopping; send the request to another one")
        if self._fault:
            return NotServing(f"the server's models do not run: {self._fault}; send the request to another server")
        return None

    def _fail_waiting(self) -> None:
        for job in self._queue.jobs:
            if refusal := self._refusal():
                self.fail(job, refusal)

    def _check(self, job: Job) -> None:
        """Refuse a job that its deadline does not allow; the lock is held."""
        waits_s = self._queue.backlog_s(job.lane, job.deadline) / self.slots
        takes_s = job.seconds / min(self.slots, job.count)
        admission.check(waits_s, takes_s, job.deadline - self.clock(), self._admit_share, whole=job.whole)

    def _work(self, slot: Slot) -> None:
        """Make one turn after the other until the scheduler stops; whatever raises in one, the next one follows."""
        while True:
            try:
                with self._changed:
                    while not self._next_run(slot):
                        if self._stopping:
                            return
                        self._changed.wait()
                self._run(slot.parts)
            except Exception as error:  # noqa: BLE001 (a slot that ends is never replaced)
                self._give_up(slot, error)
            finally:
                with self._changed:
                    self._busy_s += slot.end(self.clock())

    def _next_run(self, slot: Slot) -> bool:
        """Take the most urgent run off its lane and give it to a slot, if there is one; the lock is held."""
        now, run_s = self.clock(), 0.0
        while parts := self._queue.take(now, slot.last):
            slot.parts = parts
            first = parts[0]
            model, item = first.job.model, first.items[0]
            run_s = model.estimate_s([len(each) for part in parts for each in part.items])
            if now + run_s < first.job.deadline:
                break
            run_s = model.estimate_s([len(item)])
            if now + run_s < first.job.deadline:
                slot.parts = (JobSlice(first.job, first.places[:1]),)
                break
            # Its next item would end too late. What still runs of it may yet end in time.
            self._withdraw(first.job)
            if not first.job.running:
                self.close(first.job)
            slot.parts = ()
        for part in slot.parts:
            job = part.job
            job.began_s = now if job.began_s is None else job.began_s
            job.running += len(part.places)
            self._tokens[job.lane] += self._queue.begin(part, now)
        if slot.parts:
            self._runs[slot.parts[0].job.lane] += 1
            slot.begin(now, run_s)
        return bool(slot.parts)

    def _run(self, parts: Sequence[JobSlice]) -> None:
        """Run parts of jobs of one model and hand out the values."""
        try:
            values = parts[0].job.model.run([item for part in parts for item in part.items])
        except Exception as error:
            logger.exception("a run failed")
            self._run_apart(parts, error)
            return
        offset = 0
        for part in parts:
            self._store(part, values[offset : offset + len(part.places)])
            offset += len(part.places)
        self._failures = 0

    def _run_apart(self, parts: Sequence[JobSlice], error: Exception) -> None:
        """Run each item of a run that failed alone, if there are several, and go without those that fail again."""
        alone = [JobSlice(part.job, (place,)) for part in parts for place in part.places]
        ran = False
        for one in alone:
            if len(alone) > 1 and not one.job.settled:
                try:
                    values = one.job.model.run(one.items)
                except Exception as again:  # noqa: BLE001 (as the first one, it is told to the job)
                    error = again
                else:
                    self._store(one, values)
                    ran = True
                    continue
            self._lose(one.job, error)
        with self._changed:
            self._failures = 0 if ran else self._failures + 1

    def _lose(self, job: Job, error: Exception) -> None:
        """Go without one item of a job, if there is anything else of it."""
        with self._changed:
            job.running -= 1
            job.lost += 1
            if job.whole or job.lost == job.count:
                self.fail(job, _failed(error))
            else:
                self._settle_done(job)

    def _give_up(self, slot: Slot, error: Exception) -> None:
        """Fail the jobs of a turn that raised; where it raised before it had any, those that no run can be had of."""
        with self._changed:
            self._failures += 1
            jobs = [part.job for part in slot.parts] or self._queue.unrunnable(self.clock())
        logger.error("a run failed, and %d jobs with it", len(jobs), exc_info=error)
        for job in jobs:
            self.fail(job, _failed(error))

    def _store(self, part: JobSlice, values: NDArray[np.float32]) -> None:
        job = part.job
        with self._changed:
            job.values[part.places] = values
            job.done[part.places] = True
            job.running -= len(part.places)
            job.scored += len(part.places)
            self._settle_done(job)

    def _settle_done(self, job: Job) -> None:
        """Settle a job of which nothing more is to come; the lock is held."""
        if job.scored + job.lost == job.count:
            self._withdraw(job)
            self._settle(job, Outcome(job.values, job.done))
        elif job.closed and not job.running:
            self._settle(job, self.outcome(job))

    def _withdraw(self, job: Job) -> None:
        """Begin nothing more of a job: take what waits of it off its lane, and expect nothing more."""
        with self._changed:
            if job.closed:
                return
            job.closed = True
            self._queue.withdraw(job)

    def _settle(self, job: Job, result: Outcome | Exception) -> None:
        """Resolve the job's future, unless that has happened already."""
        with self._changed:
            if job.settled:
                return
            job.settled = True
        if job.future.set_running_or_notify_cancel():
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def _failed(error: Exception) -> InferenceFailed:
    failed = InferenceFailed("the model could not run this input; the server's log has the cause")
    failed.__cause__ = error
    return failed
