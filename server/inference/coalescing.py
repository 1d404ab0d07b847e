"""Work under way that several callers may await: identical requests share one job.

An `InFlight` is a job with the task that tokenizes its texts. Each caller waits up to its own deadline and takes what
is done by then. The job lives until the latest of these deadlines; when the last caller leaves, it leaves the queue.

Runs on the event loop; tokenizing goes to threads, in slices, and the first slices run while the last are tokenized.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise

from shortlist.server import observed
from shortlist.server.errors import InferenceFailed, InvalidRequest, NoTokens, TooLong
from shortlist.server.observed import Fact, Stage
from shortlist.server.runtime.tokens import Encoded

from .lanes import Job, Lane
from .result import Result, Spent, check_whole
from .scheduler import Scheduler

logger = logging.getLogger(__name__)

Encode = Callable[[Sequence[str]], list[Encoded]]

_SLICE = 32  # texts that are tokenized at once: some milliseconds
_FIRST_SLICE = 4  # so that the slots have something to do at once
# A slice shorter than this is tokenized where it is asked for: that takes less time than handing it to a thread.
_INLINE_CHARACTERS = 2_000


class TokenizingPool:
    """Threads that tokenize in slices: between two slices a deadline may pass, and a caller may leave."""

    def __init__(self, threads: int) -> None:
        """Start with no thread; they come with the work."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tokenize")

    async def encode(self, encode: Encode, texts: Sequence[str]) -> list[Encoded]:
        """Encode one slice."""
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return encode(texts)
        return await asyncio.get_running_loop().run_in_executor(self._threads, encode, texts)

    def close(self) -> None:
        """Drop what waits; what runs ends within a slice."""
        self._threads.shutdown(cancel_futures=True)


class InFlight:
    """A running job and the callers that wait for it."""

    def __init__(
        self,
        scheduler: Scheduler,
        pool: TokenizingPool,
        job: Job,
        encode: Encode,
        texts: Sequence[str],
        *,
        uncut: bool = False,
    ) -> None:
        """Submit the job, and begin to tokenize its texts; with `uncut` it fails if one of them does not fit.

        Raises:
            TooLarge, Overloaded, DeadlineExceeded, ShuttingDown: as the scheduler says.
        """
        self._scheduler = scheduler
        self._job = job
        self._waiting = 0
        self.future = asyncio.wrap_future(scheduler.submit(job))
        self._feeding = asyncio.create_task(self._feed(pool, encode, texts, uncut=uncut))

    async def wait(self, deadline: float) -> Result:
        """Wait until the job is done, or a deadline, a time of the scheduler's clock in seconds.

        Raises:
            NoTokens: one of its texts has none.
            TooLong: one of them does not fit, and may not be cut.
            InferenceFailed, ShuttingDown: as the scheduler says.
        """
        since = self._scheduler.clock()
        self._waiting += 1
        self._scheduler.prolong(self._job, deadline)
        try:
            await asyncio.wait([self.future], timeout=max(0.0, deadline - since))
            result = self.future.result() if self.future.done() else self._scheduler.result(self._job)
            spent = self._job.spent(since, self._scheduler.clock())
            _tell(self._job, since, spent, result)
            return replace(result, spent=spent)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._feeding.cancel()
                self.future.cancel()  # no effect on a settled job; takes an abandoned one off the queue

    async def _feed(self, pool: TokenizingPool, encode: Encode, texts: Sequence[str], *, uncut: bool) -> None:
        part = slice(0, _FIRST_SLICE)
        try:
            while self._scheduler.feed(self._job, await _encoded(pool, encode, texts, part, uncut=uncut)):
                part = slice(part.stop, part.stop + _SLICE)
        except InvalidRequest as error:
            self._scheduler.fail(self._job, error)
        except Exception as error:
            logger.exception("%d texts could not be tokenized", len(texts))
            failed = InferenceFailed("this input could not be tokenized; the server's log has the cause")
            failed.__cause__ = error
            self._scheduler.fail(self._job, failed)


def _tell(job: Job, since: float, spent: Spent, result: Result) -> None:
    """Tell the stages in which a caller waited for a job."""
    stages = ("tokenize", "queue", "rerank" if job.lane is Lane.RERANK else "embed")
    facts: dict[str, Fact] = {"lane": job.lane.name.lower(), "items": job.count, "tokens": int(result.tokens.sum())}
    ends = accumulate((spent.tokenize_s, spent.queue_s, spent.infer_s), initial=since)
    for name, (began, ended) in zip(stages, pairwise(ends), strict=True):
        observed.add(Stage(name, began, ended, facts))


class Coalescer:
    """The jobs of one model that are under way, which identical requests join."""

    def __init__(self, scheduler: Scheduler, pool: TokenizingPool) -> None:
        """Begin with none."""
        self.slots = scheduler.slots
        self.clock = scheduler.clock
        self.reserve = scheduler.reserve
        self.joined = 0  # callers who got the run of another
        self._scheduler = scheduler
        self._pool = pool
        self._by_key: dict[Hashable, InFlight] = {}

    async def run(
        self, job: Job, encode: Encode, texts: Sequence[str], key: Hashable = None, *, uncut: bool = False
    ) -> Result:
        """Run a job until its deadline; where one of the same key is under way, wait for that instead.

        Args:
            job: what to run, if none is under way.
            encode: tokenizes a slice of the texts.
            texts: one an item of the job.
            key: equal for identical jobs; None for those that are not shared.
            uncut: whether a text that does not fit fails all.

        Raises:
            NoTokens: one of the texts has none.
            TooLong: one of them does not fit, and `uncut` is set.
            DeadlineExceeded: it must be done whole, and is not.
            TooLarge, Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: as the scheduler says.
        """
        if key is not None and self.under_way(key):
            self.joined += 1
            in_flight = self._by_key[key]
        else:
            in_flight = InFlight(self._scheduler, self._pool, job, encode, texts, uncut=uncut)
            if key is not None:
                self._by_key[key] = in_flight
                in_flight.future.add_done_callback(partial(self._forget, key, in_flight))
        result = await in_flight.wait(job.deadline)
        if job.whole:
            check_whole(result)
        return result

    def under_way(self, key: Hashable) -> bool:
        """Return whether a job of this key can be joined."""
        in_flight = self._by_key.get(key)
        return in_flight is not None and not in_flight.future.done()

    def _forget(self, key: Hashable, in_flight: InFlight, _: "asyncio.Future[Result]") -> None:
        if self._by_key.get(key) is in_flight:
            del self._by_key[key]


async def _encoded(
    pool: TokenizingPool, encode: Encode, texts: Sequence[str], part: slice, *, uncut: bool
) -> list[Encoded]:
    """Encode one slice; a graph cannot run what has no tokens."""
    items = await pool.encode(encode, texts[part])
    for index, item in enumerate(items, part.start):
        if not len(item):
            raise NoTokens(index, texts[index])
        if uncut and item.truncated:
            raise TooLong(index, texts[index], len(item))
    return items
