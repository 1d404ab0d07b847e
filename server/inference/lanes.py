"""Jobs, lanes, and `take`, the pure function that decides which of the waiting items run next.

A *job* is some items for one model that are answered together. It waits in its *lane*: queries before reranks before
ingest, and within a lane the earliest deadline first. `take` looks at the lanes and says what a free slot runs; it
changes nothing, so that its properties can be tested without a thread. `turns.py` does the rest.
"""

import enum
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from shortlist.server import observed
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

from .result import Result, Spent


class Lane(enum.IntEnum):
    """The urgency of work, most urgent first."""

    QUERY = 0
    RERANK = 1
    INGEST = 2


# A lane that got no run for this long counts as one lane more urgent. Ingest that has waited twice as long overtakes
# queries for one run. So it goes on, and delays a query at most once a second.
AGEING_S = 0.5
_AHEAD = 256  # waiting items that are looked at for one run: about 10 us


class Model(Protocol):
    """What a slot runs."""

    @property
    def shapes(self) -> Shapes:
        """What a run may be like."""

    def blank(self, items: int) -> NDArray[Any]:
        """Return what holds the values of so many items, none of which was run."""

    def run(self, items: Sequence[Encoded]) -> NDArray[Any]:
        """Return the items' values as `blank` holds them: float32 [items, width], or object [items]."""

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Return the seconds that items of these lengths, in tokens, take on one slot."""


class Job:
    """Some items for one model that are answered together. The scheduler's lock guards what changes.

    The items come in slices, in order, as they are tokenized: the first ones may run before the last ones are there.
    """

    def __init__(
        self,
        lane: Lane,
        model: Model,
        lengths: Sequence[int],
        deadline: float,
        *,
        whole: bool = False,
        reserved: bool = False,
    ) -> None:
        """Describe the work.

        Args:
            lane: how urgent it is.
            model: what runs it.
            lengths: about how many tokens each item has; at least one item, of at least one token each.
            deadline: a time of the scheduler's clock, in seconds.
            whole: whether a part of it is worth nothing.
            reserved: whether `Scheduler.reserve` let it in already.
        """
        if not lengths or min(lengths) < 1:
            raise ValueError("a job has at least one item, and an item at least one token")
        self.lane, self.model, self.deadline = lane, model, deadline
        self.whole, self.reserved = whole, reserved
        self.count = len(lengths)
        self.seconds = model.estimate_s(lengths)  # on one slot
        self.tokens = sum(lengths)  # expected
        self.items: list[Encoded] = []
        self.lengths: list[int] = []  # that the items are run at
        self.waiting: list[int] = []  # indices of the items that no slot has taken, in order
        self.running = 0  # items that slots run now
        self.scored = 0  # items that have their values
        self.failed = 0  # items that the model could not run
        self.closed = False  # no further item is taken
        self.settled = False
        self.future: Future[Result] = Future()
        self.request_id = observed.request_id()  # of the call that began it
        self.made = Result.of(model.blank(self.count))  # so far; its arrays are written into
        self.fed_s: float | None = None  # times of the scheduler's clock: the first items came,
        self.began_s: float | None = None  # and the first run began

    def add(self, items: Sequence[Encoded]) -> None:
        """Take the next items."""
        if not all(map(len, items)):
            raise ValueError("an item has at least one token")
        added = slice(len(self.items), len(self.items) + len(items))
        self.made.tokens[added] = [len(item) for item in items]
        self.made.truncated[added] = [item.truncated for item in items]
        self.waiting += range(added.start, added.stop)
        self.items += items
        self.lengths += [self.model.shapes.length(len(item)) for item in items]

    def store(self, indices: Sequence[int], values: NDArray[Any]) -> None:
        """Take the values of items that were run, as the model's `run` returns them."""
        # A list, since an array of objects takes a tuple for the place of one.
        self.made.values[list(indices)] = values
        self.made.done[indices] = True
        self.running -= len(indices)
        self.scored += len(indices)

    def result(self) -> Result:
        """Return what is made by now, in arrays that later runs do not touch."""
        made = self.made
        arrays = (made.values.copy(), made.done.copy(), made.tokens.copy(), made.truncated.copy())
        return Result(*arrays, failed=self.failed)

    @property
    def seconds_left(self) -> float:
        """Return what its items that no slot has taken are expected to cost on one slot."""
        return self.seconds * (len(self.waiting) + self.count - len(self.items)) / self.count

    def in_a_hurry(self, now: float) -> bool:
        """Return whether its deadline would come before one slot had done all that is left of it."""
        return now + self.seconds_left > self.deadline

    @property
    def seconds_a_token(self) -> float:
        """Return what a token is expected to cost."""
        return self.seconds / self.tokens

    @property
    def missing_tokens(self) -> float:
        """Return about how many tokens the items have that are still to come."""
        return self.tokens * (self.count - len(self.items)) / self.count

    def spent(self, since: float, until: float) -> Spent:
        """Return where the time between two moments of the scheduler's clock went."""
        fed = until if self.fed_s is None else min(max(self.fed_s, since), until)
        began = until if self.began_s is None else min(max(self.began_s, fed), until)
        return Spent(fed - since, began - fed, until - began)


@dataclass(frozen=True, slots=True)
class JobSlice:
    """Some items of a job."""

    job: Job
    indices: Sequence[int]

    @property
    def model(self) -> Model:
        """Return what runs them."""
        return self.job.model

    @property
    def items(self) -> Sequence[Encoded]:
        """Return the items themselves."""
        return [self.job.items[index] for index in self.indices]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a slot ran last: kernels that are compiled for a shape run the same one again a little faster."""

    model: Model
    length: int


def take(
    lanes: Sequence[Sequence[Job]],
    served_at: Sequence[float],
    now: float,
    last: Shape | None = None,
    ageing_s: float = AGEING_S,
) -> tuple[JobSlice, ...]:
    """Decide the next run.

    Args:
        lanes: the waiting jobs by lane, most urgent lane first; each job has an item that waits.
        served_at: when each lane got its last run, in seconds.
        now: a time of the same clock, which is that of the jobs' deadlines.
        last: what the slot ran before.
        ageing_s: the wait that makes a lane one step more urgent.

    Returns:
        Slices of jobs of one lane and one model, to be run together; empty if nothing waits. They hold the first
        waiting item of the first job (where shapes are compiled, its first item of the last run's shape), and the
        items that its model's shapes allow beside it. A job in a hurry keeps its order.
    """
    filled = [rank for rank, jobs in enumerate(lanes) if jobs]
    if not filled:
        return ()
    jobs = lanes[min(filled, key=lambda rank: rank - (now - served_at[rank]) / ageing_s)]
    first, shapes = jobs[0], jobs[0].model.shapes
    if shapes.mixed:
        return _mixed([job for job in jobs if job.model is first.model], shapes)
    index, hurry = first.waiting[0], first.in_a_hurry(now)
    if shapes.bucketed and not hurry and last is not None and last.model is first.model:
        index = next((each for each in first.waiting[:_AHEAD] if first.lengths[each] == last.length), index)
    length = first.lengths[index]
    if shapes.max_batch(length) == 1 or hurry:
        return (JobSlice(first, [index]),)
    return _alike([job for job in jobs if job.model is first.model], shapes, length)


def _mixed(jobs: Sequence[Job], shapes: Shapes) -> tuple[JobSlice, ...]:
    """Fill one run from the front: the first item always fits, the rest as long as the padded batch does."""
    parts: list[JobSlice] = []
    count = longest = 0
    for job in jobs:
        stop = 0
        for index in job.waiting:
            longest = max(longest, job.lengths[index])
            if count and count + 1 > shapes.max_batch(longest):
                break
            count, stop = count + 1, stop + 1
        if stop:
            parts.append(JobSlice(job, job.waiting[:stop]))
        if stop < len(job.waiting):
            break
    return tuple(parts)


def _alike(jobs: Sequence[Job], shapes: Shapes, length: int) -> tuple[JobSlice, ...]:
    """Take the first items that are run at a length."""
    most, ahead = shapes.max_batch(length), _AHEAD
    found: list[tuple[Job, list[int]]] = []
    count = 0
    for job in jobs:
        indices = [index for index in job.waiting[:ahead] if job.lengths[index] == length][: most - count]
        if indices:
            found.append((job, indices))
        count, ahead = count + len(indices), ahead - len(job.waiting)
        if count == most or ahead <= 0:
            break
    left = shapes.full_batch(count)
    parts: list[JobSlice] = []
    for job, indices in found:
        if left:
            parts.append(JobSlice(job, indices[:left]))
            left -= len(parts[-1].indices)
    return tuple(parts)
