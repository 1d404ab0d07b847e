"""What a slot does in one turn: choose a run, make it, and hand out its values.

A run that fails is made again item by item, so that one bad input costs no other its value; an input of which the
model makes no finite number is one. Nothing is chosen that would end after its job's deadline. The scheduler's lock
is held to choose and to count, never during a run.
"""

import bisect
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lanes import Job, JobSlice, Lane
from .queue import Queue
from .settlement import Settlement, failed
from .slot import COST_RATIOS, Slot

logger = logging.getLogger(__name__)


class Turns:
    """The turns of all slots, and what was counted of them."""

    def __init__(
        self, queue: Queue, settlement: Settlement, lock: threading.Condition, clock: Callable[[], float]
    ) -> None:
        """Begin with no turn.

        Args:
            queue: where runs are taken from.
            settlement: where values and failures go.
            lock: the scheduler's.
            clock: seconds, monotonic.
        """
        self._queue = queue
        self._settlement = settlement
        self._lock = lock
        self._clock = clock
        self.runs = [0 for _ in Lane]  # by lane
        self.tokens = [0 for _ in Lane]  # that were run, by lane
        self.padded_tokens = [0 for _ in Lane]  # the same with what was added to make shapes
        self.busy_s = 0.0  # of all slots together
        self.expected_s = 0.0  # what that was expected to be
        self.cost_ratios = [0] * (len(COST_RATIOS) + 1)  # runs by expected over real seconds
        self.cost_ratio_sum = 0.0
        self.failures = 0  # turns that raised since the last run that did not

    def choose(self, slot: Slot) -> bool:
        """Take the most urgent run off its lane and give it to a slot, if there is one; the lock is held."""
        now, run_s = self._clock(), 0.0
        while parts := self._queue.take(now, slot.last):
            slot.parts = parts
            first, job = parts[0], parts[0].job
            run_s = job.model.estimate_s([len(each) for part in parts for each in part.items])
            if now + run_s < job.deadline:
                break
            run_s = job.model.estimate_s([len(first.items[0])])
            if now + run_s < job.deadline:
                slot.parts = (JobSlice(job, first.indices[:1]),)
                break
            # Its next item would end too late. What still runs of it may yet end in time.
            self._settlement.withdraw(job)
            if not job.running:
                self._settlement.close(job)
            slot.parts = ()
        for part in slot.parts:
            job = part.job
            job.began_s = now if job.began_s is None else job.began_s
            job.running += len(part.indices)
            self.tokens[job.lane] += self._queue.begin(part, now)
        if slot.parts:
            first = slot.parts[0]
            self.runs[first.job.lane] += 1
            lengths = [part.job.lengths[index] for part in slot.parts for index in part.indices]
            self.padded_tokens[first.job.lane] += first.model.shapes.padded_tokens(lengths)
            slot.begin(now, run_s)
        return bool(slot.parts)

    def run(self, parts: Sequence[JobSlice]) -> None:
        """Run parts of jobs of one model and hand out the values."""
        try:
            values = _finite(parts[0].model.run([item for part in parts for item in part.items]))
        except Exception as error:
            logger.exception("a run failed", extra=_calls([part.job for part in parts]))
            self._run_apart(parts, error)
            return
        offset = 0
        for part in parts:
            self._settlement.store(part, values[offset : offset + len(part.indices)])
            offset += len(part.indices)
        self.failures = 0

    def _run_apart(self, parts: Sequence[JobSlice], error: Exception) -> None:
        """Run each item of a run that failed alone, if there are several, and go without those that fail again."""
        alone = [JobSlice(part.job, (index,)) for part in parts for index in part.indices]
        ran = False
        for one in alone:
            if len(alone) > 1 and not one.job.settled:
                try:
                    values = _finite(one.model.run(one.items))
                except Exception as again:  # noqa: BLE001 (it goes to the job, like the first one)
                    error = again
                else:
                    self._settlement.store(one, values)
                    ran = True
                    continue
            self._settlement.lose(one.job, error)
        with self._lock:
            self.failures = 0 if ran else self.failures + 1

    def give_up(self, slot: Slot, error: Exception) -> None:
        """Fail the jobs of a turn that raised; if it raised before it had any, those that no run can be made of."""
        with self._lock:
            self.failures += 1
            jobs = [part.job for part in slot.parts] or self._queue.unrunnable(self._clock())
        logger.error("a run failed, and %d jobs with it", len(jobs), exc_info=error, extra=_calls(jobs))
        for job in jobs:
            self._settlement.fail(job, failed(error))

    def end(self, slot: Slot) -> None:
        """End a slot's turn, and count its time."""
        with self._lock:
            expected_s, took_s = slot.expected_s, slot.end(self._clock())
            self.busy_s += took_s
            self.expected_s += expected_s
            if took_s > 0 < expected_s:  # else it had no run, or was the first of its model
                self.cost_ratios[bisect.bisect_left(COST_RATIOS, expected_s / took_s)] += 1
                self.cost_ratio_sum += expected_s / took_s


def _calls(jobs: Sequence[Job]) -> dict[str, str]:
    """Return what a line of the log says of the calls whose jobs it is about."""
    ids = dict.fromkeys(job.request_id for job in jobs if job.request_id)
    return {"request_id": " ".join(ids)} if ids else {}


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values of a run.

    Raises:
        FloatingPointError: one is no number, or infinite: nothing can be near it, and JSON cannot hold it.
    """
    if not np.isfinite(np.concatenate(values) if values.dtype == object else values).all():
        raise FloatingPointError("the graph made a value that is not finite; export the model in another variant")
    return values
