"""How jobs end: with all values, with those that are done, with an error, or by their own cancellation.

Each job's future is settled exactly once, by whichever of these comes first. All state is under the scheduler's lock.
"""

import threading
from typing import Any

from numpy.typing import NDArray

from shortlist.server.errors import InferenceFailed

from .lanes import Job, JobSlice
from .queue import Queue
from .result import Result


class Settlement:
    """The end of each job: what its future is given, and when."""

    def __init__(self, queue: Queue, lock: threading.Condition) -> None:
        """Begin with no job.

        Args:
            queue: where jobs wait.
            lock: the scheduler's, which may be taken again by the thread that has it.
        """
        self._queue = queue
        self._lock = lock

    def result(self, job: Job) -> Result:
        """Return what is done of a job by now."""
        with self._lock:
            return job.result()

    def close(self, job: Job) -> None:
        """Settle a job with what is done by now; nothing more of it is begun."""
        with self._lock:
            self.withdraw(job)
            self._settle(job, job.result())

    def fail(self, job: Job, error: Exception) -> None:
        """Settle a job with an error; nothing more of it is begun."""
        self.withdraw(job)
        self._settle(job, error)

    def store(self, part: JobSlice, values: NDArray[Any]) -> None:
        """Take the values of items that were run, as their model returns them."""
        with self._lock:
            part.job.store(part.indices, values)
            self._settle_done(part.job)

    def lose(self, job: Job, error: Exception) -> None:
        """Go without one item of a job, if there is anything else of it."""
        with self._lock:
            job.running -= 1
            job.failed += 1
            if job.whole or job.failed == job.count:
                self.fail(job, failed(error))
            else:
                self._settle_done(job)

    def withdraw(self, job: Job) -> None:
        """Begin nothing more of a job: take what waits of it off its lane, and expect nothing more."""
        with self._lock:
            if job.closed:
                return
            job.closed = True
            self._queue.withdraw(job)

    def _settle_done(self, job: Job) -> None:
        """Settle a job of which nothing more is to come; the lock is held."""
        if job.scored + job.failed == job.count:
            self.withdraw(job)
        if job.closed and not job.running:
            self._settle(job, job.result())

    def _settle(self, job: Job, result: Result | Exception) -> None:
        """Resolve the job's future, unless that has happened already."""
        with self._lock:
            if job.settled:
                return
            job.settled = True
        if job.future.set_running_or_notify_cancel():
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def failed(error: Exception) -> InferenceFailed:
    """Return the error that a caller gets for a run that raised."""
    found = InferenceFailed("the model could not run this input; the server's log has the cause")
    found.__cause__ = error
    return found
