"""What waits for a slot, and what is let in to wait: jobs in lanes, their tokens, and the time that they may take.

Within a lane the earliest deadline comes first. The tokens that wait are bounded, and so is the time: `admission.py`
says whether a job can be done by its deadline. Knows neither threads nor clocks: the scheduler's lock guards it, and
the caller says what time it is.
"""

import bisect
import math
from collections.abc import Iterable, Sequence

from shortlist.server.errors import Overloaded, TooLarge
from shortlist.server.runtime.tokens import Encoded

from . import admission
from .lanes import Job, JobSlice, Lane, Shape, take


class Queue:
    """The jobs that have an item to run, and the tokens and seconds that they bring."""

    def __init__(self, capacity_tokens: int, slots: int, admit_share: float) -> None:
        """Begin empty.

        Args:
            capacity_tokens: tokens that may wait.
            slots: runs that go on at once.
            admit_share: of the time to a job's deadline, what it and the work before it may be expected to take.
        """
        self._capacity_tokens = capacity_tokens
        self._slots = slots
        self._admit_share = admit_share
        self.lanes: tuple[list[Job], ...] = tuple([] for _ in Lane)
        self.tokens = 0.0  # that wait, expected ones among them
        self.lane_tokens = [0.0 for _ in Lane]  # the same by lane
        self._served_at = [0.0 for _ in Lane]
        self._backlog_s = [0.0 for _ in Lane]  # estimated work that waits, by lane

    @property
    def jobs(self) -> list[Job]:
        """Return the jobs that wait, most urgent lane first."""
        return [job for lane in self.lanes for job in lane]

    def backlog_s(self, lane: Lane, deadline: float = math.inf) -> float:
        """Return the slot seconds that wait in a lane up to a deadline, and in more urgent lanes."""
        jobs = self.lanes[lane]
        later = jobs[bisect.bisect_right(jobs, deadline, key=_deadline) :]
        return max(0.0, sum(self._backlog_s[: lane + 1]) - sum(job.seconds_left for job in later))

    def reserve(self, job: Job, now: float) -> None:
        """Let a job in before its items are known, and count its seconds until `release`.

        Raises:
            TooLarge: the job is larger than the whole queue.
            Overloaded: the queue is too long for its deadline.
        """
        self._check(job, now)
        self._expect(job.lane, job.seconds)

    def release(self, job: Job) -> None:
        """Take back what was reserved for a job."""
        self._expect(job.lane, -job.seconds)

    def admit(self, job: Job, now: float) -> None:
        """Let a job in, and count its expected tokens; one that was reserved is let in if there is room.

        Raises:
            TooLarge: the job is larger than the whole queue.
            Overloaded: the queue is full, or too long for the job's deadline.
            DeadlineExceeded: the job must be done whole, and cannot be by its deadline.
        """
        capacity = self._capacity_tokens
        if job.tokens <= capacity < self.tokens + job.tokens:
            raise Overloaded(
                f"the queue is full: {self.tokens:.0f} tokens wait, this request brings {job.tokens},"
                f" and queue_tokens is {capacity}; try again later, or send less at once",
                retry_after_ms=admission.retry_after_ms(self.backlog_s(Lane.INGEST) / self._slots),
            )
        self._check(job, now)
        self._count(job, job.tokens)

    def _check(self, job: Job, now: float) -> None:
        """Refuse a job that the whole queue does not hold, or that its deadline does not allow."""
        if job.tokens > self._capacity_tokens:
            limit = f"the server's whole queue holds {self._capacity_tokens}"
            remedy = "send less at once, or raise queue_tokens on the server"
            raise TooLarge("request", f"{job.tokens} tokens", limit, remedy)
        if not job.reserved:
            waits_s = self.backlog_s(job.lane, job.deadline) / self._slots
            takes_s = job.seconds / min(self._slots, job.count)
            admission.check(waits_s, takes_s, job.deadline - now, self._admit_share, whole=job.whole)

    def _expect(self, lane: Lane, seconds: float) -> None:
        self._backlog_s[lane] = max(0.0, self._backlog_s[lane] + seconds)

    def feed(self, job: Job, items: Sequence[Encoded], now: float) -> None:
        """Give a job its next items, and count their real tokens."""
        expected, waits = job.missing_tokens, bool(job.waiting)
        job.add(items)
        if not waits:
            self._insert(job, now)
        self._count(job, _tokens(items) - (expected - job.missing_tokens))

    def prolong(self, job: Job, deadline: float, now: float) -> None:
        """Give a job until another deadline."""
        waits = bool(job.waiting)
        if waits:
            self.lanes[job.lane].remove(job)
        job.deadline = deadline
        if waits:
            self._insert(job, now)

    def take(self, now: float, last: Shape | None) -> tuple[JobSlice, ...]:
        """Return what a slot that ran `last` runs next; `begin` takes it off."""
        return take(self.lanes, self._served_at, now, last)

    def unrunnable(self, now: float) -> list[Job]:
        """Return the waiting jobs for which `take` fails; all of them, if it fails for none alone."""
        return [job for job in self.jobs if not _runnable(job, now)] or self.jobs

    def begin(self, part: JobSlice, now: float) -> int:
        """Take a part off its job, and the job off its lane if nothing of it waits any more; return its tokens."""
        job, tokens = part.job, _tokens(part.items)
        for index in part.indices:
            job.waiting.remove(index)
        self._served_at[job.lane] = now
        self._count(job, -tokens)
        if not job.waiting:
            self.lanes[job.lane].remove(job)
        return tokens

    def withdraw(self, job: Job) -> None:
        """Take off what waits of a job, and expect nothing more."""
        if job in self.lanes[job.lane]:
            self.lanes[job.lane].remove(job)
        self._count(job, -(_tokens(job.items[index] for index in job.waiting) + job.missing_tokens))
        job.waiting.clear()

    def _insert(self, job: Job, now: float) -> None:
        lane = self.lanes[job.lane]
        if not lane:
            self._served_at[job.lane] = now
        bisect.insort(lane, job, key=_deadline)

    def _count(self, job: Job, tokens: float) -> None:
        # Sums of floats drift; an empty queue is exactly empty.
        self.tokens = max(0.0, self.tokens + tokens)
        self.lane_tokens[job.lane] = max(0.0, self.lane_tokens[job.lane] + tokens)
        self._backlog_s[job.lane] = max(0.0, self._backlog_s[job.lane] + tokens * job.seconds_a_token)


def _deadline(job: Job) -> float:
    return job.deadline


def _tokens(items: Iterable[Encoded]) -> int:
    return sum(len(item) for item in items)


def _runnable(job: Job, now: float) -> bool:
    try:
        return bool(take(([job],), (now,), now))
    except Exception:  # noqa: BLE001 (the caller handles one of its kind)
        return False
