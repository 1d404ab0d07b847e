"""The queue of jobs, without a thread or a clock: order within a lane, and what waits counted exactly."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.errors import TooLarge
from shortlist.server.inference.lanes import Job, JobSlice, Lane
from shortlist.server.inference.queue import Queue
from shortlist.server.runtime.shapes import Shapes
from shortlist.server.runtime.tokens import Encoded

SECONDS_A_TOKEN = 0.5


class Model:
    """A model that is never run; a token takes half a second."""

    shapes = Shapes(512)

    def estimate_s(self, lengths: Sequence[int]) -> float:
        return SECONDS_A_TOKEN * sum(lengths)

    def blank(self, items: int) -> np.ndarray:
        return np.zeros((items, 1), np.float32)

    def run(self, items: Sequence[Encoded]) -> np.ndarray:
        raise NotImplementedError


MODEL = Model()


def items(*lengths: int) -> list[Encoded]:
    """Return items of these lengths."""
    return [Encoded(np.ones(length, np.int64), np.zeros(length, np.int64), False) for length in lengths]


def job(*lengths: int, lane: Lane = Lane.RERANK, deadline: float = 10.0) -> Job:
    """Return a job that expects items of these lengths, none of which is there yet; no deadline keeps it out."""
    return Job(lane, MODEL, lengths, deadline, reserved=True)


def waiting(queue: Queue, *lengths: int, lane: Lane = Lane.RERANK, deadline: float = 10.0) -> Job:
    """Return a job that waits in the queue with all of its items."""
    made = job(*lengths, lane=lane, deadline=deadline)
    queue.admit(made, 0.0)
    queue.feed(made, items(*lengths), now=0.0)
    return made


@pytest.fixture
def queue() -> Queue:
    """Return an empty queue."""
    return Queue(capacity_tokens=1000, slots=1, admit_share=1.0)


def test_the_earliest_deadline_comes_first(queue: Queue):
    """Within a lane jobs stand by deadline, and those of one deadline in the order in which they came."""
    late, early = waiting(queue, 1, deadline=9.0), waiting(queue, 1, deadline=3.0)
    second, third = (waiting(queue, 1, deadline=5.0) for _ in range(2))
    assert queue.lanes[Lane.RERANK] == [early, second, third, late]


def test_urgent_lanes_come_first(queue: Queue):
    """All that waits is told lane by lane, whatever came first."""
    made = {lane: waiting(queue, 1, lane=lane) for lane in reversed(Lane)}
    assert queue.jobs == [made[lane] for lane in Lane]


def test_a_job_waits_once_it_has_an_item(queue: Queue):
    """A job that was let in counts with its expected tokens, and stands in line from its first item on."""
    made = job(4, 4)
    queue.admit(made, 0.0)
    assert (queue.tokens, queue.jobs, queue.take(0.0, None)) == (8, [], ())
    queue.feed(made, items(4), now=0.0)
    assert queue.jobs == [made]


def test_real_tokens_take_the_place_of_expected_ones(queue: Queue):
    """As its items come, a job's estimate is replaced, slice by slice, by what they have."""
    made = job(10, 10, 10, 10)
    queue.admit(made, 0.0)
    assert queue.tokens == 40
    queue.feed(made, items(3, 5), now=0.0)
    assert queue.tokens == 3 + 5 + 20
    queue.feed(made, items(11, 12), now=0.0)
    assert queue.tokens == 3 + 5 + 11 + 12


def test_what_a_slot_begins_waits_no_longer(queue: Queue):
    """A slot's part is taken off with its tokens, and a job of which nothing waits leaves the line."""
    made = waiting(queue, 3, 5, 7)
    (part,) = queue.take(0.0, None)
    assert (part, queue.begin(part, 0.0)) == (JobSlice(made, [0]), 3)
    assert (queue.tokens, queue.jobs, made.waiting) == (12, [made], [1, 2])
    assert queue.begin(JobSlice(made, [1, 2]), 0.0) == 12
    assert (queue.tokens, queue.jobs) == (0, [])


def test_a_job_that_ran_dry_stands_in_line_again(queue: Queue):
    """Where slots outrun tokenizing, a job leaves its lane and comes back to its place with its next items."""
    queue.admit(dry := job(2, 2, deadline=5.0), 0.0)
    queue.feed(dry, items(2), now=0.0)
    queue.begin(JobSlice(dry, [0]), 0.0)
    later = waiting(queue, 1, deadline=7.0)
    queue.feed(dry, items(2), now=0.0)
    assert queue.jobs == [dry, later]


def test_another_deadline_is_another_place(queue: Queue):
    """A job that is given another deadline moves to its place; one without an item does not come into line by it."""
    first, second = waiting(queue, 1, deadline=3.0), waiting(queue, 1, deadline=5.0)
    queue.prolong(first, 9.0, now=0.0)
    assert (queue.jobs, first.deadline) == ([second, first], 9.0)
    queue.admit(empty := job(1, deadline=1.0), 0.0)
    queue.prolong(empty, 8.0, now=0.0)
    assert (queue.jobs, empty.deadline) == ([second, first], 8.0)


def test_what_is_withdrawn_leaves_nothing_behind(queue: Queue):
    """A withdrawn job takes off what waits of it and what was still expected, and nothing of another's."""
    other = waiting(queue, 6)
    queue.admit(made := job(4, 4, 4), 0.0)
    queue.feed(made, items(4, 5), now=0.0)
    queue.begin(JobSlice(made, [0]), 0.0)
    queue.withdraw(made)
    assert (queue.tokens, queue.jobs, made.waiting) == (6, [other], [])


def test_the_backlog_is_what_is_served_before(queue: Queue):
    """What stands before a newcomer of a lane is the work of that lane and of those more urgent."""
    for lane, tokens in zip(Lane, (1, 10, 100), strict=True):
        waiting(queue, tokens, lane=lane)
    assert [queue.backlog_s(lane) for lane in Lane] == [0.5, 5.5, 55.5]


def test_work_of_later_deadlines_is_not_before_one(queue: Queue):
    """In its own lane, what has a later deadline does not stand before a job; in a more urgent one all of it does."""
    waiting(queue, 2, deadline=3.0)
    waiting(queue, 4, deadline=6.0)
    waiting(queue, 8, lane=Lane.QUERY, deadline=99.0)
    assert [queue.backlog_s(Lane.RERANK, deadline) for deadline in (1.0, 3.0, 5.0, 6.0)] == [4.0, 5.0, 5.0, 7.0]


@pytest.mark.parametrize("enter", [Queue.reserve, Queue.admit])
def test_more_than_the_whole_queue(queue: Queue, enter: Callable):
    """A job that no empty queue would hold is refused before it is reserved or let in, and counts for nothing."""
    with pytest.raises(TooLarge, match=r"^request: got '1001 tokens', but the server's whole queue holds 1000; send"):
        enter(queue, job(500, 501), 0.0)
    assert (queue.tokens, queue.backlog_s(Lane.INGEST)) == (0, 0.0)


def test_expected_work_counts_until_it_is_taken_back(queue: Queue):
    """Seconds of a job that is still to come stand in its lane's backlog, without being tokens that wait."""
    queue.reserve(expected := job(2, 4), 0.0)
    assert (queue.backlog_s(Lane.QUERY), queue.backlog_s(Lane.RERANK), queue.tokens) == (0.0, 3.0, 0)
    queue.release(expected)
    assert queue.backlog_s(Lane.RERANK) == 0.0


def test_an_idle_time_is_no_wait(queue: Queue):
    """A lane that was empty for long counts its wait from its next job on: that does not overtake at once."""
    query = waiting(queue, 1, lane=Lane.QUERY)
    queue.begin(queue.take(0.0, None)[0], 999.0)
    for lane in (Lane.INGEST, Lane.QUERY):
        made = job(1, lane=lane, deadline=1e6)
        queue.admit(made, 0.0)
        queue.feed(made, items(1), now=1000.0)
    (part,) = queue.take(1000.1, None)
    assert part.job.lane is Lane.QUERY
    assert part.job is not query


steps = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(Lane)),
        st.tuples(st.just("feed"), st.integers(0, 20), st.integers(1, 9)),
        st.tuples(st.just("begin"), st.just(0), st.just(0)),
        st.tuples(st.just("prolong"), st.integers(0, 20), st.integers(0, 99)),
        st.tuples(st.just("withdraw"), st.integers(0, 20), st.just(0)),
    ),
    max_size=30,
)


@given(steps)
def test_the_count_is_what_waits(sequence: Sequence[tuple]):
    """After any changes, tokens and seconds are those of the jobs that are there, and lanes are in order."""
    queue, there = Queue(1000, 1, 1.0), []
    for name, which, value in sequence:
        made = there[which % len(there)] if there and isinstance(which, int) else None
        if name == "admit":
            there.append(job(*which, lane=value))
            queue.admit(there[-1], 0.0)
        elif name == "feed" and made and len(made.items) < made.count:
            queue.feed(made, items(value), now=0.0)
        elif name == "begin":
            for part in queue.take(0.0, None):
                queue.begin(part, 0.0)
        elif name == "prolong" and made:
            queue.prolong(made, float(value), now=0.0)
        elif name == "withdraw" and made:
            queue.withdraw(made)
            there.remove(made)
    left = {lane: sum(_left(made) for made in there if made.lane is lane) for lane in Lane}
    assert queue.tokens == pytest.approx(sum(left.values()), abs=1e-9)
    assert queue.backlog_s(Lane.INGEST) == pytest.approx(SECONDS_A_TOKEN * sum(left.values()), abs=1e-9)
    assert queue.backlog_s(Lane.QUERY) == pytest.approx(SECONDS_A_TOKEN * left[Lane.QUERY], abs=1e-9)
    assert sorted(map(id, queue.jobs)) == sorted(id(made) for made in there if made.waiting)
    for jobs in queue.lanes:
        assert jobs == sorted(jobs, key=lambda made: made.deadline)


def _left(made: Job) -> float:
    """Return the tokens that wait of a job, and those that it still expects."""
    return sum(len(made.items[place]) for place in made.waiting) + made.missing_tokens
