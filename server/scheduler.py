"""The owner of all compute: slots that run what `lanes.take` decides.

Theory of operation
-------------------
A *slot* is a worker thread. Whenever it is free it asks `take` for the most urgent run, runs it, writes the values
into the jobs' arrays, and asks again. On CPUs a run is one unpadded item: padding and a second thread inside a run
are what cost there, so keeping every slot on an item of its own is the batching. A model with a token budget
(`batch_tokens`, for GPUs) gets stacked runs, across jobs.

A job is admitted whole, by its expected tokens, and fed in slices as these are tokenized. In its lane are the jobs
that have an item to run.

Invariants
----------
- Every job's future is settled exactly once, whatever happens: with all values, with those that its deadline allowed
  (`Outcome.done` tells which), with an exception, or by its own cancellation.
- A slot never waits while there is work: there is no timer for a batch to fill.
- An exception in a run reaches exactly the jobs in it. The slot lives on.
- Waiting tokens are bounded: beyond `queue_tokens`, as far as lengths are known, `submit` raises Overloaded.
- An item of an expired, closed, failed or cancelled job is never begun, nor one that cannot end before its deadline.

All state is under one lock, which is held for decisions and never during a run. Knows neither texts nor gRPC.
"""

import bisect
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed, InvalidRequest, Overloaded, ShuttingDown
from shortlist.server.lanes import Job, Lane, Outcome, Part, take
from shortlist.server.tokens import Encoded

logger = logging.getLogger(__name__)

_LEAST_RETRY_MS = 50.0


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

    def __init__(self, slots: int, queue_tokens: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the slots.

        Args:
            slots: runs that go on at once.
            queue_tokens: tokens that may wait.
            clock: seconds, monotonic; deadlines are times of this clock.
        """
        self.slots = slots
        self.clock = clock
        self._queue_tokens = queue_tokens
        self._lanes: tuple[list[Job], ...] = tuple([] for _ in Lane)
        self._served_at = [0.0 for _ in Lane]
        self._backlog_s = [0.0 for _ in Lane]  # estimated work that waits, by lane
        self._waiting_tokens = 0.0
        self._running = 0
        self._runs = [0 for _ in Lane]
        self._tokens = [0 for _ in Lane]
        self._busy_s = 0.0
        self._stopping = False
        self._changed = threading.Condition(threading.RLock())
        self._threads = [
            threading.Thread(target=self._work, name=f"slot-{number}", daemon=True) for number in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Outcome]:
        """Admit a job and return its future; cancelling the future frees the job's place. `feed` brings its items.

        Raises:
            InvalidRequest: the job is larger than the whole queue.
            Overloaded: the queue is full.
            ShuttingDown: `stop` was called.
        """
        if job.tokens > self._queue_tokens:
            raise InvalidRequest(
                "request",
                f"{job.tokens} tokens",
                f"the server's whole queue holds {self._queue_tokens}",
                "send less at once, or raise queue_tokens on the server",
            )
        with self._changed:
            if self._stopping:
                raise ShuttingDown("the server is stopping; send the request to another one")
            if self._waiting_tokens + job.tokens > self._queue_tokens:
                raise Overloaded(
                    f"the queue is full: {self._waiting_tokens:.0f} tokens wait, this request brings {job.tokens},"
                    f" and queue_tokens is {self._queue_tokens}; try again later, or send less at once",
                    retry_after_ms=self._retry_after_ms(),
                )
            self._count(job, job.tokens)
        job.future.add_done_callback(lambda future: self._withdraw(job) if future.cancelled() else None)
        return job.future

    def feed(self, job: Job, items: Sequence[Encoded]) -> bool:
        """Give a job its next items, and return whether it takes more."""
        with self._changed:
            if job.closed:
                return False
            if self._stopping:
                self.fail(job, ShuttingDown("the server stopped before it came to this request"))
                return False
            if job.fed_s is None:
                job.fed_s = self.clock()
            if not job.ready:
                self._insert(job)
            expected = job.missing_tokens
            job.items += items
            self._count(job, _tokens(items) - (expected - job.missing_tokens))
            self._changed.notify(min(len(items), self.slots))
            return len(job.items) < job.count

    def prolong(self, job: Job, deadline: float) -> None:
        """Give a job until a later deadline, for a caller who joins it; an earlier one changes nothing."""
        with self._changed:
            if deadline <= job.deadline:
                return
            waits = job in self._lanes[job.lane]
            if waits:
                self._lanes[job.lane].remove(job)
            job.deadline = deadline
            if waits:
                self._insert(job)

    def wait_s(self, lane: Lane) -> float:
        """Estimate how long a job that comes now waits for its first run, in seconds."""
        with self._changed:
            return sum(self._backlog_s[: lane + 1]) / self.slots

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
                tuple(len(lane) for lane in self._lanes),
                round(self._waiting_tokens),
                self._running,
                tuple(self._runs),
                tuple(self._tokens),
                self._busy_s,
            )

    def stop(self) -> None:
        """Refuse new jobs, fail those that wait, and end the slots after their present run."""
        with self._changed:
            self._stopping = True
            for job in [job for lane in self._lanes for job in lane]:
                self.fail(job, ShuttingDown("the server stopped before it came to this request"))
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _insert(self, job: Job) -> None:
        lane = self._lanes[job.lane]
        if not lane:
            self._served_at[job.lane] = self.clock()
        bisect.insort(lane, job, key=lambda waiting: waiting.deadline)

    def _retry_after_ms(self) -> int:
        """Say when to come back: once the backlog is done, and not all at the same moment."""
        backlog_ms = max(_LEAST_RETRY_MS, 1000 * self.wait_s(Lane.INGEST))
        return round(backlog_ms * random.uniform(1, 2))  # noqa: S311 (spreads callers, hides nothing)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (parts := self._next_run()):
                    if self._stopping:
                        return
                    self._changed.wait()
                self._running += 1
                began_s = self.clock()
            self._run(parts)
            with self._changed:
                self._running -= 1
                self._busy_s += self.clock() - began_s

    def _next_run(self) -> tuple[Part, ...]:
        """Take the most urgent run off its lane; the lock is held."""
        now = self.clock()
        while parts := take(self._lanes, [now - served_at for served_at in self._served_at]):
            first = parts[0]
            if now + first.job.model.estimate_s([len(first.items[0])]) < first.job.deadline:
                break
            # Its next item would end too late. What still runs of it may yet end in time.
            self._withdraw(first.job)
            if not first.job.running:
                self.close(first.job)
        for part in parts:
            job = part.job
            job.began_s = now if job.began_s is None else job.began_s
            job.next = part.stop
            job.running += part.stop - part.start
            tokens = _tokens(part.items)
            self._served_at[job.lane] = now
            self._tokens[job.lane] += tokens
            self._count(job, -tokens)
            if not job.ready:
                self._lanes[job.lane].remove(job)
        if parts:
            self._runs[parts[0].job.lane] += 1
        return parts

    def _run(self, parts: tuple[Part, ...]) -> None:
        """Run parts of jobs of one model and hand out the values; no exception leaves."""
        items = [item for part in parts for item in part.items]
        try:
            values = parts[0].job.model.run(items)
        except Exception as error:
            logger.exception("a run of %d items failed", len(items))
            failed = InferenceFailed("the model could not run this input; the server's log has the cause")
            failed.__cause__ = error
            for part in parts:
                self.fail(part.job, failed)
            return
        offset = 0
        for part in parts:
            count = part.stop - part.start
            self._store(part, values[offset : offset + count])
            offset += count

    def _store(self, part: Part, values: NDArray[np.float32]) -> None:
        job = part.job
        with self._changed:
            job.values[part.start : part.stop] = values
            job.done[part.start : part.stop] = True
            job.running -= part.stop - part.start
            job.scored += part.stop - part.start
            if job.scored == job.count:
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
            if job in self._lanes[job.lane]:
                self._lanes[job.lane].remove(job)
            self._count(job, -(_tokens(job.waiting) + job.missing_tokens))
            job.next = len(job.items)

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

    def _count(self, job: Job, tokens: float) -> None:
        # Sums of floats drift; an empty queue is exactly empty.
        self._waiting_tokens = max(0.0, self._waiting_tokens + tokens)
        self._backlog_s[job.lane] = max(0.0, self._backlog_s[job.lane] + tokens * job.seconds_a_token)


def _tokens(items: Sequence[Encoded]) -> int:
    return sum(len(item) for item in items)
