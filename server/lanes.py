"""What waits, and which of it runs next: jobs, lanes, and `take`, a pure function.

A *job* is some items for one model that are answered together. It waits in its *lane*: queries before reranks before
ingest, and within a lane the earliest deadline first. `take` looks at the lanes and says what a free slot runs; it
changes nothing, so that its properties can be tested without a thread. `scheduler.py` does the rest.
"""

import enum
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist.server.tokens import Encoded


class Lane(enum.IntEnum):
    """Rank work by urgency, most urgent first."""

    QUERY = 0
    RERANK = 1
    INGEST = 2


# A lane that got no run for this long counts as one lane more urgent. Ingest overtakes queries once it has waited
# twice as long, for one run: it stays alive, and is in a query's way at most once a second.
AGEING_S = 0.5


class Model(Protocol):
    """What a slot runs."""

    batch_tokens: int  # padded tokens that a run may stack; 0: one item a run
    width: int  # values an item

    def run(self, items: Sequence[Encoded]) -> NDArray[np.float32]:
        """Return float32 [items, width]."""

    def estimate_s(self, lengths: Sequence[int]) -> float:
        """Return the seconds that items of these lengths, in tokens, take on one slot."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Say where the time of a job went, in seconds; jobs that follow each other add up."""

    tokenize_s: float = 0.0  # until the first items were there; the rest is tokenized while these wait and run
    queue_s: float = 0.0  # from then until the first run began
    infer_s: float = 0.0  # from then until the last run ended, or the deadline came

    def __add__(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(self.tokenize_s + other.tokenize_s, self.queue_s + other.queue_s, self.infer_s + other.infer_s)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a job got."""

    values: NDArray[np.float32]  # float32 [items, width]; rows that are not done hold zeros
    done: NDArray[np.bool_]  # bool [items]


class Job:
    """Be some items for one model that are answered together. The scheduler's lock guards what changes.

    The items come in slices, in order, as they are tokenized: the first ones may run before the last ones are there.
    """

    def __init__(self, lane: Lane, model: Model, lengths: Sequence[int], deadline: float) -> None:
        """Describe the work.

        Args:
            lane: how urgent it is.
            model: what runs it.
            lengths: about how many tokens each item has; at least one item.
            deadline: a time of the scheduler's clock, in seconds.
        """
        self.lane = lane
        self.model = model
        self.deadline = deadline
        self.count = len(lengths)
        self.seconds = model.estimate_s(lengths)  # on one slot
        self.tokens = sum(lengths)  # expected
        self.items: list[Encoded] = []
        self.next = 0  # first item that no slot has taken
        self.running = 0  # items that slots run now
        self.scored = 0  # items that have their values
        self.closed = False  # no further item is taken
        self.settled = False
        self.future: Future[Outcome] = Future()
        self.values = np.zeros((self.count, model.width), dtype=np.float32)
        self.done = np.zeros(self.count, dtype=np.bool_)
        self.fed_s: float | None = None  # times of the scheduler's clock: the first items came,
        self.began_s: float | None = None  # and the first run began

    @property
    def waiting(self) -> Sequence[Encoded]:
        """Return the items that are there and that no slot has taken."""
        return self.items[self.next :]

    @property
    def ready(self) -> bool:
        """Return whether an item is there that no slot has taken."""
        return self.next < len(self.items)

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
class Part:
    """Be the items `start` to `stop` of a job."""

    job: Job
    start: int
    stop: int

    @property
    def items(self) -> Sequence[Encoded]:
        """Return the items themselves."""
        return self.job.items[self.start : self.stop]


def take(lanes: Sequence[Sequence[Job]], unserved_s: Sequence[float], ageing_s: float = AGEING_S) -> tuple[Part, ...]:
    """Decide the next run.

    Args:
        lanes: the waiting jobs by lane, most urgent lane first; each job has an item that waits.
        unserved_s: how long each lane has gone without a run, in seconds.
        ageing_s: the wait that makes a lane one step more urgent.

    Returns:
        Parts of jobs of one lane and one model, to be run together; empty if nothing waits. One item if the
        model takes one a run; else as many as its budget of padded tokens holds, and at least one.
    """
    filled = [rank for rank, jobs in enumerate(lanes) if jobs]
    if not filled:
        return ()
    jobs = lanes[min(filled, key=lambda rank: rank - unserved_s[rank] / ageing_s)]
    first = jobs[0]
    if not first.model.batch_tokens:
        return (Part(first, first.next, first.next + 1),)
    return _stacked([job for job in jobs if job.model is first.model], first.model.batch_tokens)


def _stacked(jobs: Sequence[Job], budget_tokens: int) -> tuple[Part, ...]:
    """Fill one run from the front: the first item always fits, the rest as long as the padded batch does."""
    parts: list[Part] = []
    count = longest = 0
    for job in jobs:
        stop = job.next
        for item in job.waiting:
            if count and (count + 1) * max(longest, len(item)) > budget_tokens:
                break
            count, longest, stop = count + 1, max(longest, len(item)), stop + 1
        if stop > job.next:
            parts.append(Part(job, job.next, stop))
        if stop < len(job.items):
            break
    return tuple(parts)
