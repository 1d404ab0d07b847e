"""Closed and open loops in a time of their own: who sends when, and what a stall does to the figures."""

import asyncio
from itertools import islice

import numpy as np
import pytest

import fake_clock
from shortlist.bench import samples
from shortlist.bench.load import Closed, Open, arrivals
from shortlist.bench.measuring import Plan, measure
from shortlist.bench.samples import Reply

PLAN = Plan(warm_up_s=2.0, window_s=5.0, window_requests=10)


class Server:
    """A server of one request at a time, `work_s` each, which does nothing while it stalls."""

    def __init__(self, work_s, stalls=()):
        self.work_s = work_s
        self.stalls = stalls  # (begin, end)
        self.busy = asyncio.Lock()
        self.most = self.now = 0

    def prepare(self):
        return self.send

    async def send(self):
        self.now += 1
        self.most = max(self.most, self.now)
        async with self.busy:
            await asyncio.sleep(self.work_s)
            for begin_s, end_s in self.stalls:
                if begin_s <= (time_s := asyncio.get_running_loop().time()) < end_s:
                    await asyncio.sleep(end_s - time_s)
        self.now -= 1
        return Reply("rerank", items=1)


def measured(load, plan=PLAN, work_s=0.1, stalls=(), **options):
    """Measure a server and return the run, and the figures over its windows."""

    async def go():
        server = Server(work_s, stalls)
        return server, await measure(load, server.prepare, plan, **options)

    server, run = fake_clock.run(go())
    counted = run.counted(plan.agreeing)
    return server, run, samples.figures(run.log.samples, counted[0].begin_s, counted[-1].end_s)


@pytest.mark.parametrize("clients", [1, 4])
def test_a_closed_loop_keeps_its_clients_busy(clients):
    """Each client has one request under way at all times: throughput is the server's, latency grows with them."""
    server, run, figures = measured(Closed(clients))
    assert run.stable
    assert len(run.windows) == PLAN.agreeing
    assert server.most == clients
    assert figures.requests_per_s == pytest.approx(10.0, rel=0.02)
    assert figures.latency_ms.p50 == pytest.approx(100.0 * clients)


def test_poisson_arrivals():
    """Gaps have the mean and the deviation of an exponential distribution, and a seed draws them again."""
    times = list(islice(arrivals(20.0, 7), 20_000))
    gaps = np.diff([0.0, *times])
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(0.05, rel=0.03)
    assert gaps.std() == pytest.approx(0.05, rel=0.03)
    assert times == list(islice(arrivals(20.0, 7), 20_000))
    assert times != list(islice(arrivals(20.0, 8), 20_000))


def test_an_open_loop_sends_when_it_is_due():
    """Requests are sent at the times drawn, though the server is slow to answer."""
    _, run, _ = measured(Open(8.0, seed=3), work_s=0.1)
    drawn = list(islice(arrivals(8.0, 3), len(run.log.samples)))
    sent = sorted(one.sent_s for one in run.log.samples)
    assert sent[:80] == pytest.approx(drawn[:80], abs=1e-6)
    assert all(one.sent_s == pytest.approx(one.due_s, abs=1e-6) for one in run.log.samples)


def test_a_stall_shows_in_an_open_loop():
    """Every request that was due in a stall of 3 s waits for its end, and its latency says so.

    Of a closed loop only the one request that the client had under way does: the others are never sent.
    """
    plan = Plan(warm_up_s=2.0, window_s=10.0, agreeing=1, max_windows=1)
    stall = [(5.0, 8.0)]
    _, _, closed = measured(Closed(1), plan, work_s=0.01, stalls=stall)
    _, run, opened = measured(Open(10.0, seed=1), plan, work_s=0.01, stalls=stall)
    slow = [one for one in run.log.samples if 5.0 <= one.due_s < 8.0]
    assert len(slow) > 20
    assert all(one.latency_s >= 8.0 - one.due_s for one in slow)
    assert closed.latency_ms.p99 < 20
    assert closed.latency_ms.max > 2000
    assert opened.latency_ms.p90 > 1500


def test_a_stall_counts_though_too_many_were_outstanding():
    """What is sent late, because the limit of outstanding requests is reached, counts from when it was due."""
    plan = Plan(warm_up_s=2.0, window_s=10.0, agreeing=1, max_windows=1)
    server, run, figures = measured(Open(10.0, seed=1, outstanding=4), plan, work_s=0.01, stalls=[(5.0, 8.0)])
    late = [one for one in run.log.samples if one.sent_s > one.due_s + 0.001]
    assert server.most == 4
    assert run.log.held >= len(late) > 10
    assert figures.latency_ms.p90 > 1500


def test_what_is_slow_is_waited_for():
    """A request that is due in a window counts, though its answer comes long after the last one."""
    plan = Plan(warm_up_s=1.0, window_s=5.0, agreeing=1, max_windows=1, window_requests=1)
    _, run, figures = measured(Open(10.0, seed=2), plan, work_s=0.01, stalls=[(4.0, 60.0)])
    due = [time_s for time_s in islice(arrivals(10.0, 2), 100) if 1.0 <= time_s < run.windows[-1].end_s]
    assert figures.requests == len(due)
    assert figures.latency_ms.max > 50_000


def test_a_run_that_does_not_become_stable_says_so():
    """An overloaded open loop gets slower and slower: all windows count, and none agree."""
    _, run, figures = measured(Open(15.0), work_s=0.1)
    assert not run.stable
    assert run.counted(PLAN.agreeing) == run.windows
    assert len(run.windows) == PLAN.max_windows
    assert figures.latency_ms.max > 10_000


def test_windows_that_disagree_are_set_aside():
    """A run that begins slow is measured until three windows agree, and those count."""
    _, run, figures = measured(Closed(1), work_s=0.1, stalls=[(6.5, 10.0)])
    assert run.stable
    assert len(run.windows) > PLAN.agreeing
    assert figures.latency_ms.max == pytest.approx(100.0)


def test_a_window_waits_for_answers():
    """A window goes on until it has enough answers, and does not wait for ever for them."""
    plan = Plan(warm_up_s=0.0, window_s=1.0, window_requests=30, max_windows=3)
    _, run, _ = measured(Closed(1), plan, work_s=0.1)
    assert [one.end_s - one.begin_s for one in run.windows] == pytest.approx([4.0, 3.0, 4.0], abs=1.01)
    _, run, _ = measured(Closed(1), plan, work_s=5.0)
    assert [one.end_s - one.begin_s for one in run.windows] == pytest.approx([10.0] * 3)


def test_a_run_can_be_stopped():
    """A run that is stopped ends at once with what it has, of the window under way too."""

    async def go():
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(8.55, stop.set)
        run = await measure(Closed(1), Server(0.1).prepare, PLAN, stop=stop)
        return run, asyncio.get_running_loop().time()

    run, ended_s = fake_clock.run(go())
    assert run.interrupted
    assert ended_s == pytest.approx(8.55)
    assert [one.end_s for one in run.windows] == pytest.approx([7.0, 8.55])
    assert len(run.log.samples) == 85


def test_a_defect_in_a_request_is_not_hidden():
    """What a request raises, rather than replies, ends the run."""

    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        fake_clock.run(measure(Closed(2), lambda: broken, PLAN))
    assert caught.value.split(ZeroDivisionError)[1] is None


def test_progress_is_shown():
    """The phases come one after the other, with a count of what has ended."""
    seen = []
    measured(Closed(2), watch=seen.append)
    assert list(dict.fromkeys(one.phase for one in seen))[:3] == ["warm-up", "window 1", "window 2"]
    assert sorted(one.requests for one in seen) == [one.requests for one in seen]
    assert all(0 <= one.outstanding <= 2 for one in seen)
