"""The owner of all compute: slots that run what `lanes.take` decides.

Theory of operation
-------------------
A *slot* is a worker thread. Whenever it is free it takes a turn (`turns.py`): it asks `take` for the most urgent run,
runs it, and writes the values into the jobs' arrays (`settlement.py`). On CPUs a run is unpadded and on one thread:
padding and a second thread inside a run are what cost there, so keeping every slot on a run of its own is the
batching. What may share a run is up to the model's `shapes`: short items of one length on CPUs, anything that fits a
budget of tokens on GPUs.

A job is admitted whole, by its expected tokens, and fed in slices as these are tokenized. In its lane are the jobs
that have an item to run.

Invariants
----------
- Every job's future is settled exactly once: with all values, with those that its deadline allowed (`Result.done`
  tells which), with an exception, or by its own cancellation.
- A slot never waits while there is work: there is no timer for a batch to fill.
- A run that fails is made again item by item. A job that must be whole fails with one item that cannot be run; other
  jobs go without it. What raises before a run fails the jobs for which no run could be chosen. The slot lives on.
- What waits is bounded, in tokens and in time: `queue.py` refuses the rest.
- An item is not begun if its job is settled, or if it would end after its job's deadline.

All state is under one lock, which is held for decisions and never during a run. Knows neither texts nor gRPC.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from shortlist.server.errors import CapacityError, NotServing, ShuttingDown
from shortlist.server.runtime.tokens import Encoded

from .lanes import Job, Lane, Model
from .queue import Queue
from .result import Result
from .settlement import Settlement
from .slot import Activity, Slot, Statistics
from .turns import Turns

_LONGEST_END_S = 10.0  # that a stop waits for a slot: a run takes far less, and what is stuck may never end


class Scheduler:
    """Threads that run what waits: jobs come in, and each one's future is settled."""

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
        self.capacity = queue_tokens
        self.clock = clock
        self._queue = Queue(queue_tokens, slots, admit_share)
        self._stopping = False
        self._fault = ""  # why no slot works
        self._changed = threading.Condition(threading.RLock())
        self._settlement = Settlement(self._queue, self._changed)
        self._turns = Turns(self._queue, self._settlement, self._changed, clock)
        self._slots = [Slot() for _ in range(slots)]
        self._threads = [
            threading.Thread(target=self._work, args=(slot,), name=f"slot-{number}", daemon=True)
            for number, slot in enumerate(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Result]:
        """Admit a job and return its future; `feed` brings its items. Cancelling the future takes it off the queue.

        Raises:
            TooLarge: the job is larger than the whole queue.
            Overloaded: the queue is full, or too long for the job's deadline.
            DeadlineExceeded: the job must be done whole, and cannot be by its deadline.
            NotServing: `refuse` was called.
            ShuttingDown: `stop` was called.
        """
        with self._changed:
            if refusal := self._refusal():
                raise refusal
            self._queue.admit(job, self.clock())
        job.future.add_done_callback(lambda future: self._settlement.withdraw(job) if future.cancelled() else None)
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

    def submit_whole(self, lane: Lane, model: Model, items: Sequence[Encoded]) -> Future[Result]:
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
        """Admit a job before its items are known, and count it as waiting work until the block ends.

        After the block it is submitted as `reserved`, and not refused, since work was done for it by then.

        Raises:
            TooLarge: the job is larger than the whole queue.
            Overloaded: the queue is too long for the job's deadline.
        """
        with self._changed:
            self._queue.reserve(job, self.clock())
        try:
            yield
        finally:
            with self._changed:
                self._queue.release(job)

    def result(self, job: Job) -> Result:
        """Return what is done of a job by now."""
        return self._settlement.result(job)

    def close(self, job: Job) -> None:
        """Settle a job with what is done by now; nothing more of it is begun."""
        self._settlement.close(job)

    def fail(self, job: Job, error: Exception) -> None:
        """Settle a job with an error; nothing more of it is begun."""
        self._settlement.fail(job, error)

    def statistics(self) -> Statistics:
        """Return what waits and runs now, and what was run."""
        with self._changed:
            return Statistics(
                tuple(map(len, self._queue.lanes)),
                round(self._queue.tokens),
                tuple(map(round, self._queue.lane_tokens)),
                sum(slot.began_s is not None for slot in self._slots),
                tuple(self._turns.runs),
                tuple(self._turns.tokens),
                tuple(self._turns.padded_tokens),
                self._turns.busy_s,
                self._turns.expected_s,
                tuple(self._turns.cost_ratios),
                self._turns.cost_ratio_sum,
            )

    def activity(self) -> Activity:
        """Return what the slots are at."""
        with self._changed:
            now, pairs = self.clock(), zip(self._slots, self._threads, strict=True)
            states = tuple(slot.state(thread.name, alive=thread.is_alive(), now=now) for slot, thread in pairs)
            return Activity(bool(self._queue.jobs), self._turns.failures, states)

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

    def _work(self, slot: Slot) -> None:
        """Make one turn after the other until the scheduler stops; if one raises, the next one follows."""
        while True:
            try:
                with self._changed:
                    while not self._turns.choose(slot):
                        if self._stopping:
                            return
                        self._changed.wait()
                self._turns.run(slot.parts)
            except Exception as error:  # noqa: BLE001 (a slot that ends is never replaced)
                self._turns.give_up(slot, error)
            finally:
                self._turns.end(slot)
