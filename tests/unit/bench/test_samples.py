"""Percentiles, windows, stability and figures of samples."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.bench import samples
from shortlist.bench.samples import Reply, Sample, Window

TIMES = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def sample(due_s, ended_s, **reply):
    """Return a sample that was sent when it was due."""
    return Sample(due_s, due_s, ended_s, Reply("rerank", **reply))


def windows(rates, medians, due=10):
    """Return windows of a second with these figures."""
    return [Window(at, at + 1.0, due, rate, p50) for at, (rate, p50) in enumerate(zip(rates, medians, strict=True))]


@given(TIMES, st.integers(1, 100))
def test_percentiles_are_numpy_s(values, percent):
    """A percentile is the nearest-rank one, as NumPy computes it, without its rounding of the rank."""
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert samples.percentile(sorted(values), percent) == expected


@given(TIMES, st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values, percent):
    """It is one of the values, `percent` of them are at most it, and fewer are below it."""
    found = samples.percentile(sorted(values), percent)
    assert found in values
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@given(TIMES)
def test_a_spread_is_in_order(values):
    """Percentiles ascend to the maximum, and the mean is among the values."""
    found = samples.spread(values)
    assert found.p50 <= found.p90 <= found.p95 <= found.p99 <= found.max == max(values)
    assert min(values) <= found.mean * (1 + 1e-9)
    assert found.mean <= found.max * (1 + 1e-9)


def test_no_times_have_no_spread():
    """Where nothing was answered there are no percentiles, rather than zeros."""
    assert samples.spread([]) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=60), st.lists(st.floats(0.1, 149)))
def test_windows_share_out_the_answers(requests, cuts):
    """Every answer is in exactly one of the windows that follow each other, wherever they are cut."""
    taken = [sample(due_s, due_s + latency_s) for due_s, latency_s in requests]
    edges = [0.0, *sorted(set(cuts)), 151.0]
    found = [samples.window(taken, begin_s, end_s, 0) for begin_s, end_s in itertools.pairwise(edges)]
    assert sum(one.answered for one in found) == len(taken)


def test_windows_agree_within_the_tolerance():
    """The last three count, in throughput and in latency alike."""
    assert samples.stable(windows([5, 10, 10.9, 11], [99, 20, 21, 22]), 3, 0.1)
    assert not samples.stable(windows([10, 10, 11.1], [20, 20, 20]), 3, 0.1)
    assert not samples.stable(windows([10, 10, 10], [20, 20, 22.1]), 3, 0.1)
    assert not samples.stable(windows([10, 10], [20, 20]), 3, 0.1)


def test_windows_without_answers_never_agree():
    """A server that answers nothing is not stable."""
    assert not samples.stable(windows([0, 0, 0], [None, None, None]), 3, 0.1)
    assert not samples.stable(windows([9, 9, 0], [20, 20, None]), 3, 0.1)


def test_an_open_loop_is_held_against_its_arrivals():
    """Arrivals come by chance, so what must agree is the share that was answered."""
    found = [Window(0, 1, 20, 20, 5.0), Window(1, 2, 30, 29, 5.0), Window(2, 3, 24, 24, 5.0)]
    assert samples.stable(found, 3, 0.1, paced=True)
    assert not samples.stable(found, 3, 0.1)
    falling_behind = [Window(0, 1, 20, 20, 5.0), Window(1, 2, 30, 20, 5.0), Window(2, 3, 24, 20, 5.0)]
    assert not samples.stable(falling_behind, 3, 0.1, paced=True)


def test_figures():
    """Latency and errors are those of what was due in the time, throughput that of what was answered in it."""
    taken = [
        sample(0.5, 1.5, items=50),  # due before
        sample(1.0, 1.2, items=50, parts_ms={"infer": 150.0, "queue": 10.0}),
        sample(1.5, 1.9, items=50, degraded=True, parts_ms={"infer": 350.0}),
        sample(1.6, 1.7, status="RESOURCE_EXHAUSTED"),
        sample(2.9, 3.4, items=50, parts_ms={"infer": 300.0}),  # answered after
        sample(3.0, 3.1, items=50),  # due after
    ]
    found = samples.figures(taken, 1.0, 3.0, deadline_s=0.45)
    assert (found.requests, found.ok, found.degraded) == (4, 3, 1)
    assert found.errors == {"RESOURCE_EXHAUSTED": 1}
    assert found.in_time == 2 / 4
    assert (found.requests_per_s, found.items_per_s, found.whole_per_s) == (1.5, 75.0, 1.0)
    assert found.refused_ms.p99 == pytest.approx(100.0)
    assert (found.latency_ms.p50, found.latency_ms.max) == pytest.approx((400.0, 500.0))
    assert found.parts_ms["infer"].mean == pytest.approx(800 / 3)
    assert found.parts_ms["queue"].mean == pytest.approx(10 / 3)


def test_figures_of_nothing():
    """Without requests there is no latency, and no share that is in time."""
    found = samples.figures([], 0.0, 1.0, deadline_s=1.0)
    assert (found.requests, found.requests_per_s, found.latency_ms, found.in_time) == (0, 0.0, None, None)
